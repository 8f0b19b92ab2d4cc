#!/bin/sh
# Prints the image to build on, and makes sure that this machine has it:
#   BERTH_BASE when set; else Alpine, from here or its registry; else Debian forky, made by mmdebstrap
#   from Debian's packages, for a machine that reaches no registry.
#   --plan: only say which it would be
set -eu
scripts=$(cd "$(dirname "$0")" && pwd)
. "$scripts/engine.sh"

alpine=docker.io/library/alpine:3.24
debian=localhost/berth-base:forky

present() { engine image inspect "$1" > /dev/null 2>&1; }

# A registry that did not answer is not asked again within the hour.
pull() {
	silent=$cache/no-registry
	[ -z "$(find "$silent" -mmin -60 2> /dev/null)" ] || return 1
	say "fetching $1"
	# Not through engine(), which timeout(1) can't run; to pull needs no flags.
	bounded 120 "$ENGINE" pull -q "$1" > /dev/null 2> "$cache/pull.log" && return
	say "no registry: $(tail -1 "$cache/pull.log" | cut -c 1-160)"
	: > "$silent"
	return 1
}

# Would it have it? A registry is asked, and sends no image.
offered() {
	bounded 60 "$ENGINE" manifest inspect "$1" > /dev/null 2>&1 && rm -f "$cache/no-registry"
}

# The Debian mirror that this machine uses itself; nothing when it isn't Debian
mirror() { mirrors | awk '$1 ~ "^https?://.*/debian/?$" { print $1; exit }'; }

# bootstrap TAR [FLAG...]. What is only true today (an expired Release file) stays out of the image.
bootstrap() {
	into=$1
	shift
	case $(mirror) in https:*) set -- "$@" --include=ca-certificates ;; esac
	# shellcheck disable=SC2016,SC2046 # the hook's $1 is the new root; no mirror is no argument
	mmdebstrap --variant=minbase "$@" \
		--customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/resolv.conf" "$1/etc/hostname"' \
		forky "$into" $(mirror) > "$cache/mmdebstrap.log" 2>&1
}

make_debian() {
	if ! have mmdebstrap; then
		apt_allowed || die "no registry answers, and to make a base mmdebstrap is needed: install it"
		apt_install mmdebstrap debian-archive-keyring || die "mmdebstrap could not be installed; see $cache/apt.log"
	fi
	say "making the Debian base with mmdebstrap (log: $cache/mmdebstrap.log)"
	tar=$cache/base.$$.tar
	trap 'rm -f "$tar"' EXIT
	bootstrap "$tar" || {
		grep -qi 'release file.*expired' "$cache/mmdebstrap.log" &&
			bootstrap "$tar" --aptopt='Acquire::Check-Valid-Until "false"'
	} || {
		tail -5 "$cache/mmdebstrap.log" >&2
		die "mmdebstrap failed"
	}
	engine import --change 'CMD ["bash"]' "$tar" "$debian" > /dev/null 2>&1
}

case ${1:-} in
'') plan= ;;
--plan) plan=yes ;;
*) die "usage: base.sh [--plan]" ;;
esac
mkdir -p "$cache"
engine_find
if [ -n "${BERTH_BASE:-}" ]; then
	echo "$BERTH_BASE"
elif present "$alpine" || if [ -n "$plan" ]; then offered "$alpine"; else pull "$alpine"; fi; then
	echo "$alpine"
else
	debian=${BERTH_DEBIAN_TAG:-$debian}
	present "$debian" || [ -n "$plan" ] || make_debian
	echo "$debian"
fi
