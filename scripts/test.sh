#!/bin/sh
# Everything a change must pass: test.sh [STEP...]. A line a step with its time; the whole log of each is in
# build/log/. A step that fails shows the end of its log, and the others still run.
set -u
scripts=$(cd "$(dirname "$0")" && pwd)
. "$scripts/lib.sh"
logs=$repo/build/log
passed=0 failed=0 skipped=0 status=0
began=$(now)

# count WORD LOG: the numbers before the word in closing lines (pytest's, ours) and after it in cmocka's
# ("[  PASSED  ] 3 test(s)."), summed
count() {
	awk -v word="$1" '
		$2 == toupper(word) && /^\[ .* test\(s\)/ {
			for (i = 4; i <= NF; i++) if ($i ~ /^test\(s\)/) n += $(i - 1)
		}
		/^=* ?[0-9]+ (passed|failed|skipped|error)/ {
			for (i = 2; i <= NF; i++) { w = $i; sub(/s?,$/, "", w); if (w == word) n += $(i - 1) }
		}
		END { print n + 0 }' "$2"
}

tally() { # STATUS LOG
	p=$(count passed "$2") f=$(($(count failed "$2") + $(count error "$2")))
	s=$(count skipped "$2")
	# A step that counts nothing, or died before it counted, is itself the test.
	if [ "$1" = 0 ]; then
		[ "$p" != 0 ] || [ "$s" != 0 ] || p=1
	else
		[ "$f" != 0 ] || f=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# The lines that look like a cause, which may be far up, and the end
excerpt() {
	lines=$(wc -l < "$1")
	head -n "$((lines > 25 ? lines - 25 : 0))" "$1" | grep -nE \
		'^\[  (FAILED|ERROR)|: (fatal )?error:|runtime error|Sanitizer: |^E  |^FAILED|^lint: ' | tail -20
	tail -n 25 "$1"
}

step() { # NAME COMMAND...
	step=$1
	shift
	case " $steps " in *" $step "*) ;; *) return ;; esac
	log=$logs/$step.log
	at=$(now)
	"$@" > "$log" 2>&1
	status=$?
	tally "$status" "$log"
	took="$(($(now) - at)) s"
	if [ "$status" = 0 ]; then
		printf '%-8s ok      %8s  %s\n' "$step" "$took" "$p passed"
	else
		printf '%-8s FAILED  %8s  %s\n' "$step" "$took" "$p passed, $f failed; all of it is in $log"
		excerpt "$log" | sed 's/^/    | /'
	fi
}

steps=${*:-setup lint unit golden lib musl fuzz image e2e}
mkdir -p "$logs"
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
echo "$passed passed, $failed failed, $skipped skipped in $(($(now) - began)) s"
[ "$failed" = 0 ]
