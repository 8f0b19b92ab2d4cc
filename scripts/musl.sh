#!/bin/sh
# Compiles every C source against musl, statically, and runs the unit tests and the golden files with
# that: what ships on Alpine is tested on its libc. Runs in the dev image: ./just musl
#
# Debian has a compiler for musl but no library built for it, so the libraries come from Debian's source
# packages, once: the cache keeps them for each set of versions. Where the dev image is Alpine, all is
# musl already, and only the tests are run.
set -eu
scripts=$(cd "$(dirname "$0")" && pwd)
. "$scripts/lib.sh"
cd "$repo"
BUILD=build/musl
export BUILD
log=$BUILD/check.log
# source:package:version. The version is Alpine's where Debian's stable release has that and the dev image a
# later one, so that both are tried; else it is the dev image's.
sources='sqlite3:libsqlite3-dev: libevent:libevent-dev:2.1.12 yyjson:libyyjson-dev: cmocka:libcmocka-dev:1.1'

# --- sources --------------------------------------------------------------------------------

# apt_own TOOL ARGUMENT...: apt-get or apt-cache with files of its own, so that it needs no root and
# changes nothing of the system's.
apt_own() {
	tool=$1
	shift
	set -- -o "Dir::State=$work/apt" -o "Dir::Cache=$work/apt" -o "Dir::Etc::SourceList=$work/apt/sources.list" \
		-o Dir::Etc::SourceParts=- -o APT::Sandbox::User= -o Debug::NoLocking=true -o Acquire::Retries=3 "$@"
	[ ! -s "${BERTH_CA:-}" ] || set -- -o "Acquire::https::CaInfo=$BERTH_CA" "$@"
	"$tool" -q "$@"
}

# Sources of the system's suite, and of Debian's stable release for what the mirror lacks of it
apt_prepare() {
	mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ ! -e "$keyring" ] || signed="[signed-by=$keyring] "
	mirrors | head -1 | while read -r uri suite; do
		printf "deb-src ${signed:-}$uri %s main\n" "$suite" trixie
	done > "$work/apt/sources.list"
	apt_update "$work/apt.log" apt_own apt-get -o APT::Update::Error-Mode=any
}

# versions SOURCE PACKAGE VERSION: what the mirror lists and packages.txt takes, the wanted first
versions() {
	least=$(awk -v name="$2" '$2 == name { print $4; exit }' "$scripts/image/packages.txt")
	own=$(dpkg-query -W -f '${source:Version}' "$2")
	apt_own apt-cache madison "$1" | awk -v like="${3:-$own}" '
		!seen[$3]++ { if (index($3, like) == 1) print $3; else rest = rest $3 "\n" }
		END { printf "%s", rest }' | while read -r version; do
		! dpkg --compare-versions "$version" ge "${least#-}" || echo "$version"
	done
}

# fetch SOURCE PACKAGE VERSION: into $work/SOURCE; a mirror that lists a version may still lack its file. apt
# checks the tar file against the signed list.
fetch() {
	wanted=
	mkdir -p "$work/tar/$1" "$work/$1"
	for version in $(versions "$@"); do
		wanted=${wanted:-$version}
		(cd "$work/tar/$1" && apt_own apt-get source --tar-only "$1=$version") >> "$work/apt.log" 2>&1 || continue
		[ "$version" = "$wanted" ] || say "the mirror lacks the source of $1 $wanted; $version serves"
		for tar in "$work/tar/$1"/*.orig.tar.?z; do
			/usr/lib/apt/apt-helper cat-file "$tar" | tar -x --strip-components=1 -C "$work/$1" || return 1
		done
		echo "$1 $version" >> "$out/versions"
		return
	done
	say "no source of $1 could be had"
	return 1
}

# --- libraries ------------------------------------------------------------------------------

# The kernel's headers, for which musl-gcc doesn't look, without the C library's beside them
kernel_headers() {
	for folder in linux asm-generic mtd; do
		ln -s "/usr/include/$folder" "$out/kernel/$folder"
	done
	for folder in /usr/include/asm /usr/include/"$(uname -m)"-linux-gnu/asm; do
		[ ! -d "$folder" ] || ln -sfn "$folder" "$out/kernel/asm"
	done
}

# pkg_config NAME LIBS
pkg_config() {
	printf '%s\n' "Name: $1" 'Description: for musl' 'Version: 0' "Cflags: -I$prefix/include" \
		"Libs: -L$prefix/lib $2" > "$out/lib/pkgconfig/$1.pc"
}

make_sqlite3() {
	CC=$musl CFLAGS=-O1 CC_FOR_BUILD=cc ./configure --disable-shared --disable-tcl --disable-readline \
		--disable-load-extension --column-metadata --dbstat &&
		make libsqlite3.a && cp libsqlite3.a "$out/lib" && cp sqlite3.h "$out/include" &&
		pkg_config sqlite3 '-lsqlite3 -lm'
}

make_libevent() {
	./configure --host="$(uname -m)-linux-musl" CC="$musl" CFLAGS=-O1 --disable-shared --disable-openssl \
		--disable-thread-support --disable-samples --disable-libevent-regress --disable-debug-mode &&
		make include/event2/event-config.h && make libevent_core.la && cp .libs/libevent_core.a "$out/lib" &&
		cp -R include/event2 "$out/include" && pkg_config libevent_core -levent_core
}

make_yyjson() {
	cd src && $musl -O2 -c yyjson.c && ar rcs "$out/lib/libyyjson.a" yyjson.o &&
		cp yyjson.h "$out/include" && pkg_config yyjson -lyyjson
}

# CMake would only make config.h. Of what that asks for, musl has all but Windows's ways.
make_cmocka() {
	sed -n '/HAVE__/d; /HAVE_IO_H/d; /MSVC/d
		s/^#cmakedefine \(HAVE_[A-Z_]*\).*/\1/p' config.h.cmake | sort -u | sed 's/.*/#define & 1/' > src/config.h &&
		$musl -O2 -D_GNU_SOURCE -DHAVE_CONFIG_H -DCMOCKA_STATIC -DWORDS_SIZEOF_VOID_P=__SIZEOF_POINTER__ \
			-Isrc -Iinclude -c src/cmocka.c &&
		ar rcs "$out/lib/libcmocka.a" cmocka.o && cp include/*.h "$out/include" && pkg_config cmocka -lcmocka
}

# make_all: side by side, since sqlite3 takes as long as all the others
make_all() {
	for source in $sources; do
		name=${source%%:*}
		(cd "$work/$name" && "make_$name" && : > "$work/$name.made") > "$work/$name.log" 2>&1 &
	done
	wait
	for source in $sources; do
		name=${source%%:*}
		if [ ! -e "$work/$name.made" ]; then
			tail -15 "$work/$name.log" >&2
			say "$name could not be built"
			return 1
		fi
	done
}

# libraries PREFIX
libraries() {
	began=$(now)
	say "building the libraries for musl, once"
	mkdir -p "$cache/musl"
	find "$cache/musl" -mindepth 1 -maxdepth 1 -mtime +60 -exec rm -rf '{}' +
	work=$(mktemp -d "$cache/musl/make.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	out=$work/out
	musl="musl-gcc -idirafter $out/kernel"
	mkdir -p "$out/include" "$out/lib/pkgconfig" "$out/kernel"
	kernel_headers
	if ! apt_prepare; then
		tail -5 "$work/apt.log" >&2
		die "Debian's lists of source packages could not be had"
	fi
	for source in $sources; do
		# shellcheck disable=SC2046 # its fields
		fetch $(echo "$source" | tr : ' ') || { tail -5 "$work/apt.log" >&2 && exit 1; }
	done
	make_all || exit 1
	rm -rf "$prefix"
	mv "$out" "$prefix"
	rm -rf "$work"
	say "built $(paste -sd , "$prefix/versions" | sed 's/,/, /g') in $(($(now) - began)) s"
}

# What the libraries are made of and how
key() {
	{
		# shellcheck disable=SC2046 # package names
		dpkg-query -W -f '${Package} ${Version}\n' musl-dev gcc linux-libc-dev $(echo "$sources" | tr ' ' '\n' | cut -d : -f 2)
		echo "$sources"
		sed -n '/^# --- sources/,/^# --- tests/p' "$0"
	} | hash_stdin
}

# --- tests ----------------------------------------------------------------------------------

# What the programs that failed have said, and the sum of all
results() {
	awk '
		function ended() { if (bad) printf "%s", text; text = ""; bad = told = 0 }
		/^== ended with status/ { bad = 1; if (!told) { text = text "musl: " program " " substr($0, 4) "\n"; failed++ } next }
		/^== / { ended(); program = $2 }
		/^\[  (PASSED|FAILED) .* test\(s\)/ {
			for (i = 4; i <= NF; i++) if ($i ~ /^test\(s\)/) n = $(i - 1)
			if (/PASSED/) passed += n; else { failed += n; told = 1 }
			next
		}
		/^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3; told = $3; next }
		!/^\[(==| RUN|  *OK)|^$/ { text = text $0 "\n" }
		/^golden: |^make.*\*\*\*/ { bad = 1 }
		END { ended(); print passed + 0 " passed, " failed + 0 " failed" }' "$log"
}

if [ ! -e /etc/alpine-release ]; then
	have musl-gcc || die "this runs in the dev image: ./just musl"
	prefix=$cache/musl/$(key)
	[ -e "$prefix/versions" ] || libraries
	touch "$prefix"
	CC=musl-gcc PKG_STATIC=--static PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
	CPPFLAGS="-idirafter $prefix/kernel" LDFLAGS=-static
	export CC PKG_STATIC PKG_CONFIG_LIBDIR CPPFLAGS LDFLAGS
fi
mkdir -p "$BUILD"
status=0
make -s -k all others golden || status=1
# Side by side: both mostly wait.
scripts/golden.sh > "$log.golden" 2>&1 &
make --no-print-directory -k check > "$log" 2>&1 || status=1
wait "$!" || status=1
cat "$log.golden" >> "$log"
results
exit "$status"
