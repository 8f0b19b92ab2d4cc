#!/bin/sh
# What takes long, in full size: soak.sh [STEP...]. A line a step, as test.sh; of a run of all steps the lines are kept in
# docs/soak.md, with its date and commit.
#   storm     1,000 messages and 200 kills of every part, power cuts, drawn anew (BERTH_SEED draws the same)
#   fault     every call that can fail in a message's life, a start and an apply, failing
#   backup    backups under load
#   engine    the other engine: first start to answer
#   valgrind  unit tests
#   fuzz      each parser for FUZZ_SECONDS (600)
set -u
scripts=$(cd "$(dirname "$0")" && pwd)
. "$scripts/lib.sh"
all="setup image storm fault backup engine valgrind fuzz"
steps=${*:-$all}
. "$scripts/steps.sh"
AGENTS=${AGENTS-claude} BERTH_SOAK=1
export AGENTS BERTH_SOAK
e2e() { sh "$scripts/e2e.sh" -q -rA "$@"; }
soak() {
	step setup sh "$scripts/build.sh" --dev
	step image sh "$scripts/build.sh"
	step storm e2e -k test_storm
	step fault e2e -k test_fault
	step backup e2e -k test_backup
	step engine e2e -k 'test_up and docker'
	step valgrind "$scripts/dev" make --no-print-directory BUILD=build/valgrind \
		RUN="valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite" check
	step fuzz "$scripts/dev" scripts/fuzz.sh "${FUZZ_SECONDS:-600}"
	steps_end
}
if [ "$steps" != "$all" ]; then
	soak
	exit
fi
lines=$(mktemp) && trap 'rm -f "$lines"' EXIT
{ soak && echo well >> "$lines.end"; } | tee "$lines"
{
	echo "# The last soak"
	echo
	echo "\`./just soak\` of $(git -C "$repo" rev-parse --short HEAD) on $(date -u +%Y-%m-%d), $(nproc) CPUs, $(uname -m):"
	echo
	sed 's/^/    /' "$lines"
} > "$repo/docs/soak.md"
rm "$lines.end" 2> /dev/null
