#!/bin/sh
# Everything that reads the sources without running them. Runs in the dev image: ./just lint
set -u
cd "$(dirname "$0")/.." || exit 1
mkdir -p build
passed=0 failed=0

check() { # NAME COMMAND...
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		echo "lint: $what failed"
		failed=$((failed + 1))
	fi
}

c_files() { find src tests -name '*.[ch]'; }

shell_files() {
	find scripts rootfs tests src just .ci -type f ! -name '*.[chs]' ! -name '*.py' -exec grep -lE \
		-m 1 '^(#!/bin/(ba)?sh|# shellcheck shell=)' '{}' +
}

# A line a file: `./just format` mends them, so nobody needs to read each place.
formatted() {
	c_files | xargs clang-format --dry-run -Werror 2> build/format.log && return
	awk -F : '/clang-format-violations/ { places[$1]++ }
		END { for (file in places) print file ": error: " places[file] " places are not as clang-format has them" }
	' build/format.log
	return 1
}

shellchecked() { shell_files | xargs shellcheck -S info; }

# The shells that the scripts will meet: Debian's and Alpine's
parsed() {
	for file in $(shell_files); do
		head -1 "$file" | grep -q bash && continue
		dash -n "$file" && busybox sh -n "$file" || return 1
	done
}

compiled() { make BUILD="build/lint-$1" CC="$1" all; }

# What it remembers doesn't know of its configuration, so each has a folder.
cppchecked() {
	memory=build/cppcheck-$(cksum < scripts/cppcheck.cfg | cut -d ' ' -f 1)
	mkdir -p "$memory"
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
		--std=c11 --language=c --platform=unix64 --cppcheck-build-dir="$memory" -j 2 \
		--library=scripts/cppcheck.cfg --suppress=missingIncludeSystem --suppress=checkersReport -D_GNU_SOURCE -DBERTH_VERSION='""' \
		-Isrc/lib -Isrc src
}

check clang-format formatted
check shellcheck shellchecked
check 'dash and busybox' parsed
check gcc compiled gcc
check clang compiled clang
check cppcheck cppchecked
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
