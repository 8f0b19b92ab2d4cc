# shellcheck shell=sh
# shellcheck disable=SC2154 # $repo is lib.sh's, $steps the caller's
# Steps, each a command with its log and a line with its time. Sourced after lib.sh, by scripts that set $steps, the names
# of those to run. A step that fails shows the end of its log, and the others still run.
logs=$repo/build/log
passed=0 failed=0 skipped=0 status=0
began=$(now)
mkdir -p "$logs"

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

# The last word: the sums, and whether all is well
steps_end() {
	echo "$passed passed, $failed failed, $skipped skipped in $(($(now) - began)) s"
	[ "$failed" = 0 ]
}
