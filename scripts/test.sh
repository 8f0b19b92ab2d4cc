#!/bin/sh
# Everything a change must pass: test.sh [STEP...]. A line a step with its time; the whole log of each is in
# build/log/. A step that fails shows the end of its log, and the others still run.
set -u
scripts=$(cd "$(dirname "$0")" && pwd)
. "$scripts/lib.sh"
steps=${*:-setup lint unit golden lib musl fuzz image e2e}
. "$scripts/steps.sh"
step setup sh "$scripts/build.sh" --dev
step lint "$scripts/dev" scripts/lint.sh
step unit "$scripts/dev" make --no-print-directory BUILD=build/asan SAN=1 check
step golden "$scripts/dev" scripts/golden.sh
step lib "$scripts/dev" python3 -m pytest -q -p no:cacheprovider tests/lib
AGENTS=${AGENTS-claude}
export AGENTS
musl() {
	"$scripts/dev" scripts/musl.sh
	musl_status=$?
	case " $AGENTS " in *" claude "*) sh "$scripts/musl-claude.sh" || return ;; esac
	return "$musl_status"
}
step musl musl
step fuzz "$scripts/dev" scripts/fuzz.sh
status=0
step image sh "$scripts/build.sh"
e2e() { if [ "$image_ok" = 0 ]; then sh "$scripts/e2e.sh"; else echo "there is no image to test" && return 1; fi; }
image_ok=$status
step e2e e2e
steps_end
