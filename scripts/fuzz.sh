#!/bin/sh
# Fuzzes each parser of outside bytes: fuzz.sh [SECONDS [NAME...]], when not said 3 s each and always the same
# way, so that a test that passed passes again; with SECONDS another way each time. The harnesses are
# tests/fuzz/NAME_fuzz.c, what they begin with tests/fuzz/seeds/NAME; what they find interesting is kept for the
# next time in build/fuzz/corpus, and an input that fails in build/fuzz/found. Runs in the dev image: ./just fuzz
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build/fuzz}
seconds=${1:-3}
seed=1
[ $# = 0 ] || seed=0 # libFuzzer's word for a random one
case $seconds in '' | *[!0-9]* | 0) echo "usage: fuzz.sh [SECONDS [NAME...]]" >&2 && exit 100 ;; esac
[ $# = 0 ] || shift
if [ $# = 0 ]; then
	for harness in tests/fuzz/*_fuzz.c; do
		name=${harness##*/}
		set -- "$@" "${name%_fuzz.c}"
	done
fi
for name; do
	[ -f "tests/fuzz/${name}_fuzz.c" ] || { echo "fuzz: there is no harness $name" >&2 && exit 100; }
	[ -n "$(ls "tests/fuzz/seeds/$name")" ] || exit 1
done

run() { # NAME: its whole output in a log, a line of it here
	corpus=$build/corpus/$1 log=$build/log/$1
	mkdir -p "$corpus"
	"$build/fuzz/$1" -seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -close_fd_mask=1 \
		-artifact_prefix="$build/found/$1-" "$corpus" "tests/fuzz/seeds/$1" > "$log" 2>&1
	result=$?
	executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ "$result" = 0 ] && [ "${executions:-0}" -gt 0 ]; then
		printf '%-12s ok      %10s executions\n' "$1" "$executions"
		return 0
	fi
	printf '%-12s FAILED  %10s executions, status %s; again: %s\n' "$1" "${executions:-no}" "$result" \
		"./just dev $build/fuzz/$1 $(sed -n 's/.*Test unit written to //p' "$log")"
	grep -vE '^(#[0-9]|INFO: |stat::)' "$log" | tail -n 30 | sed 's/^/    | /'
	return 1
}

# worker N NAME...: every one of the names that is its turn
worker() {
	turn=$1 worst=0
	shift
	for name; do
		[ "$turn" != 0 ] || run "$name" || worst=1
		turn=$(((turn + 1) % workers))
	done
	return "$worst"
}

mkdir -p "$build/log" "$build/found"
rm -f "$build"/log/*
# shellcheck disable=SC2046 # names
make -s BUILD="$build" CC=clang SAN=1 FUZZ=1 $(printf "$build/fuzz/%s " "$@") || exit 1
# Without it, and without llvm's, places have no names.
ASAN_OPTIONS=${ASAN_OPTIONS:-external_symbolizer_path=$(command -v llvm-symbolizer || command -v addr2line)}
export ASAN_OPTIONS
workers=$(getconf _NPROCESSORS_ONLN) pids=
status=0
for n in $(seq 1 "$workers"); do
	worker "$((n % workers))" "$@" &
	pids="$pids $!"
done
for pid in $pids; do wait "$pid" || status=1; done
failed=$(grep -LE '^stat::number_of_executed_units: *[1-9]' "$build"/log/* | wc -l)
[ "$status" = 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "$(($# - failed)) passed, $failed failed"
exit "$status"
