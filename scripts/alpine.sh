#!/bin/sh
# Builds the image on Alpine itself and tries it: it becomes healthy, and the demo agent answers a message.
# For a machine that reaches a registry and Alpine's packages.
set -eu
scripts=$(cd "$(dirname "$0")" && pwd)
. "$scripts/engine.sh"
BERTH_BASE=${BERTH_BASE:-docker.io/library/alpine:3.24}
BERTH_IMAGE=localhost/berth:alpine
BERTH_NAME=berth-alpine-$$
export BERTH_BASE BERTH_IMAGE BERTH_NAME
mkdir -p "$cache"
engine_find
engine image inspect "$BERTH_BASE" > /dev/null 2>&1 || engine pull -q "$BERTH_BASE" > /dev/null 2> "$cache/pull.log" ||
	die "$BERTH_BASE can't be had: $(tail -1 "$cache/pull.log")"

finish() {
	sh "$scripts/down" --forget 2> /dev/null || :
	engine volume rm "$BERTH_NAME-data" "$BERTH_NAME-projects" > /dev/null 2>&1 || :
}
trap finish EXIT
sh "$scripts/up" > /dev/null
engine exec "$BERTH_NAME" sh -ec 'cat /etc/alpine-release; tmux -V; berth --version; berth status'
answer=$(engine exec "$BERTH_NAME" berth send demo --wait --timeout 30s hello) || die "demo gave no answer"
case $answer in
*hello*) say "the Alpine image works: demo was told \"hello\" and answered \"$answer\"" ;;
*) die "demo was told \"hello\" and answered \"$answer\"" ;;
esac
