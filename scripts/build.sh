#!/bin/sh
# Builds the appliance image when its inputs have changed, and prints its name. AGENTS="claude" puts agents in,
# CLAUDE_VERSION another version of it, BERTH_PACKAGES="python3 ripgrep" more of the base's packages; BERTH_BASE is the
# image to build on.
#   build.sh --dev       builds the image of Containerfile.dev instead
set -eu
scripts=$(cd "$(dirname "$0")" && pwd)
. "$scripts/engine.sh"

# The folder that the engine gets: only what the image is made of, with modes and times that don't
# depend on the checkout, and this machine's CA bundle, which no checkout ever holds.
stage() {
	context=$(mktemp -d "$cache/context.XXXXXX")
	trap 'rm -rf "$context"' EXIT
	mkdir "$context/scripts"
	(cd "$repo" && cp -R Dockerfile Containerfile.dev Makefile VERSION src rootfs "$context" &&
		cp -R scripts/image "$context/scripts")
	ca=$(ca_bundle)
	[ -z "$ca" ] || cp -L "$ca" "$context/scripts/image/ca.crt"
	find "$context" -type d -exec chmod 755 '{}' +
	find "$context" -type f -perm -100 -exec chmod 755 '{}' +
	find "$context" -type f ! -perm -100 -exec chmod 644 '{}' +
	find "$context" -exec touch -h -d "@$epoch" '{}' + 2> /dev/null || :
}

# hash_files PATH...: of names, modes (as git keeps them) and contents
hash_files() {
	(
		cd "$repo"
		find "$@" -type f | LC_ALL=C sort | while IFS= read -r file; do
			[ -x "$file" ] && echo "x $file" || echo "- $file"
		done
		find "$@" -type l -exec ls -l '{}' + 2> /dev/null | sed 's/.*[0-9] //' | sort
		find "$@" -type f | LC_ALL=C sort | xargs cat
	) | hash_stdin
}

current() {
	[ "$(engine image inspect --format '{{index .Config.Labels "berth.inputs"}}' "$image" 2> /dev/null)" = "$inputs" ]
}

# build FILE FLAG...: the log stays, the end of it shows when it fails
build() {
	file=$1
	shift
	log=$cache/build-$(echo "${image##*/}" | tr : -).log
	began=$(now)
	base=$(sh "$scripts/base.sh")
	say "building $image on $base (log: $log)"
	stage
	for proxy in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
		eval "[ -z \"\${$proxy:-}\" ]" || set -- "$@" --build-arg "$proxy"
	done
	if ! engine build -f "$context/$file" -t "$image" --build-arg "BASE=$base" \
		--label "berth.inputs=$inputs" --label "berth.base=$base" "$@" "$context" > "$log" 2>&1; then
		tail -25 "$log" >&2
		die "the build failed; all of it is in $log"
	fi
	say "built $image in $(($(now) - began)) s"
}

mkdir -p "$cache"
engine_find
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$repo" log -1 --format=%ct -- VERSION 2> /dev/null || :)}
epoch=${epoch:-0}

if [ "${1:-}" = --dev ]; then
	inputs=$(printf '%s\n' "${BERTH_BASE:-}" "$(hash_files Containerfile.dev scripts/image)" | hash_stdin)
	image=localhost/berth-dev:$inputs
	current || build Containerfile.dev
else
	agents=$(echo "${AGENTS:-}" | tr -s ', ' '  ')
	for agent in $agents; do
		grep -q "^agent_$agent()" "$scripts/image/agents" ||
			die "AGENTS=$AGENTS: no agent is called $agent; there is: $(sed -n 's/^agent_\([a-z]*\)().*/\1/p' "$scripts/image/agents")"
	done
	# In any order the same; a name begins with no dash, lest it be an option
	packages=$(echo "${BERTH_PACKAGES:-}" | tr ',\t' '  ' | tr -s ' ' '\n' | LC_ALL=C sort -u | sed '/^$/d' | tr '\n' ' ')
	packages=${packages% }
	case " $packages" in
	*[!a-zA-Z0-9.+:=~\ _-]* | *' -'*) die "BERTH_PACKAGES=$BERTH_PACKAGES: the names of packages, with blanks between" ;;
	esac
	inputs=$(printf '%s\n' "${BERTH_BASE:-}" "$agents" "${CLAUDE_VERSION:-}" ${packages:+"$packages"} \
		"$(hash_files Dockerfile Makefile VERSION src rootfs scripts/image)" | hash_stdin)
	image=${BERTH_IMAGE:-localhost/berth:$(echo "${agents:-latest}" | tr ' ' -)${packages:+-$(echo "$packages" | cksum | cut -d ' ' -f 1)}}
	current || build Dockerfile --build-arg "AGENTS=$agents" --build-arg "PACKAGES=$packages" --build-arg "VERSION=$(cat "$repo/VERSION")" \
		${CLAUDE_VERSION:+--build-arg "CLAUDE_VERSION=$CLAUDE_VERSION"} \
		--build-arg "SOURCE_DATE_EPOCH=$epoch" --label "berth.agents=$agents"
fi
echo "$image"
