#!/bin/sh
# Golden tests of the command line: golden.sh [NAME...]. tests/golden/cli/run.py says how one is written;
# BERTH_UPDATE=1 writes the expected files anew. Those of the configuration are unit tests. Runs in the
# dev image: ./just golden
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build/golden}
log=$build/golden.log

if [ ! -f tests/golden/cli/run.py ]; then
	echo "0 passed, 0 failed"
	exit 0
fi
make BUILD="$build" golden || exit 1
total=$#
[ "$total" -gt 0 ] || total=$(find tests/golden/cli -name '*.cmd' | wc -l)
python3 tests/golden/cli/run.py "$build/test/berth" "$@" > "$log" 2>&1
status=$?
cat "$log"
failed=$(grep -c '^golden: ' "$log")
[ "$status" = 0 ] || [ "$failed" != 0 ] || failed=1
echo "$((total - failed)) passed, $failed failed"
exit "$status"
