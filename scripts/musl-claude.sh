#!/bin/sh
# Claude Code's build for musl, which an Alpine image gets, on musl's own loader in the dev image, driven by
# the scripted model: musl-claude.sh [PYTEST-FLAG...]. Without flags, a prompt and its resumption, a tool, and
# a session in a terminal. CLAUDE_VERSIONS="2.1.197 2.1.329" names the versions; else it is the image's.
set -eu
scripts=$(cd "$(dirname "$0")" && pwd)
. "$scripts/engine.sh"
engine_find
versions=${CLAUDE_VERSIONS:-$(sed -n 's/^ARG CLAUDE_VERSION=//p' "$repo/Dockerfile")}
kept=$cache/dev/claude-musl # scripts/dev has $cache/dev at /var/cache/berth

# download VERSION...: in a container that goes, with npm, as the image's build does
download() {
	say "fetching Claude Code $* for musl (log: $cache/musl-claude.log)"
	mkdir -p "$kept"
	context=$(mktemp -d "$kept/make.XXXXXX")
	trap 'rm -rf "$context"' EXIT
	cp -R "$scripts/image" "$context/image"
	ca=$(ca_bundle)
	[ -z "$ca" ] || cp -L "$ca" "$context/image/ca.crt"
	flags=
	for proxy in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
		eval "[ -z \"\${$proxy:-}\" ]" || flags="$flags -e $proxy"
	done
	# shellcheck disable=SC2016,SC2086 # for the shell inside; flags
	engine run --rm -v "$context:/context" -e AGENTS_LIBC=musl $flags "$(sh "$scripts/base.sh")" sh -c '
		owner=$1 && shift
		sh /context/image/pkg-install fetch || exit 1
		for version; do
			CLAUDE_VERSION=$version sh /context/image/agents "/context/$version" claude || exit 1
		done
		chown -R "$owner" /context' - "$([ -n "$ENGINE_ROOTLESS" ] && echo 0:0 || echo "$(id -u):$(id -g)")" "$@" \
		> "$cache/musl-claude.log" 2>&1 < /dev/null || { tail -5 "$cache/musl-claude.log" >&2 && die "that failed"; }
	for version; do
		mkdir -p "$kept/$version/bin"
		mv "$context/$version/usr/lib/berth/agents/claude" "$kept/$version/bin/claude"
	done
	rm -rf "$context"
}

lacking=
programs=
for version in $versions; do
	[ -x "$kept/$version/bin/claude" ] || lacking="$lacking $version"
	programs="$programs /var/cache/berth/claude-musl/$version/bin/claude"
done
# shellcheck disable=SC2086 # versions
[ -z "$lacking" ] || download $lacking

for version in $versions; do
	said=$("$scripts/dev" "/var/cache/berth/claude-musl/$version/bin/claude" --version)
	[ "$said" = "$version (Claude Code)" ] || die "Claude Code $version for musl says \"$said\""
done
[ $# -gt 0 ] || set -- -k 'continues_its_conversation or (test_print and made) or test_terminal_interrupt'
"$scripts/dev" env "BERTH_CLAUDE=$programs" python3 -m pytest -q -p no:cacheprovider "$@" tests/lib/test_endpoint_cli.py
