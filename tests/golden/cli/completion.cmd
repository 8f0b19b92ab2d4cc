for shell in bash zsh fish; do
	"$BERTH_PROGRAM" completion $shell > berth.$shell
	! command -v $shell > /dev/null || $shell -n berth.$shell || echo "$shell doesn't like it"
done
grep -w send berth.bash
sed -n '/^_berth() {/,/^	ls)/p' berth.zsh
grep -e 'from send' -e 'from host' berth.fish
ln -s "$BERTH_PROGRAM" ./berth
cat > try.bash <<'END'
PATH=.:$PATH
. ./berth.bash
try() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_berth
	echo "$*| ${COMPREPLY[*]}"
}
try berth s
try berth ''
try berth attach r
try berth send --to ''
try berth send --wa
try berth send main ''
try berth config ''
try berth help at
try berth inbox --state ''
try berth nonesuch ''
END
bash try.bash
cat > typed.bash <<'END'
berth() { cat; ./berth "$@"; } # as podman exec -i does
. ./berth.bash
COMP_WORDS=(berth attach r) COMP_CWORD=2
_berth
read -r line
echo "${COMPREPLY[*]}, and typed meanwhile: $line"
END
echo ls | bash typed.bash
grep -h 'ls --names' berth.zsh
berth completion tcsh
"$BERTH_PROGRAM" completion fish --json | python3 -c '
import json, sys
told = json.load(sys.stdin)
print(sorted(told), told["shell"], told["script"] == open("berth.fish").read())'
