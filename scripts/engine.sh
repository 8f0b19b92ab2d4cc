#!/bin/sh
# Finds a container engine and the flags that this machine needs for it. Sourced, it gives
# `engine_find` and `engine`; run, it is the engine with those flags:
#   scripts/engine.sh run --rm IMAGE true
#   scripts/engine.sh --print     what was found, as assignments
#   scripts/engine.sh --probe     look again, then print
#   BERTH_ENGINE=docker|podman    take this one; else the one that the last `up` of this BERTH_NAME took
#
# It looks instead of asking: it tries a container whose program doesn't exist. When the engine says so
# (status 127), everything before that, limits, cgroups, runtime and network, has worked. The first flags
# that work are kept in the cache until the next boot. Nobody's configuration is changed.
[ -n "${scripts:-}" ] || scripts=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$scripts/lib.sh"

probe_image=localhost/berth-probe:1

# limit NAME: the hard limit as /proc words it, or nothing where there is no /proc
limit() { awk -v name="$1" 'index($0, name) == 1 { print $(NF - 1) }' /proc/self/limits 2> /dev/null; }

# smallest NUMBER|unlimited|nothing...
smallest() {
	for number; do
		case $number in '' | *[!0-9]*) ;; *) echo "$number" ;; esac
	done | sort -n | head -1
}

systemd_runs() { [ -d /run/systemd/system ]; }

# What a kept answer depends on: another boot, user, limit or wish means to look again.
engine_key() {
	echo "key=2,$(cat /proc/sys/kernel/random/boot_id 2> /dev/null),$(id -u),$(limit 'Max open files')," \
		"$(limit 'Max processes'),${CONTAINERS_CONF:-},${DOCKER_HOST:-},$(command -v podman)," \
		"$(command -v docker),$(cat /etc/containers/containers.conf \
			"${HOME:-}/.config/containers/containers.conf" 2> /dev/null | cksum)" | tr -d ' '
}

# --- which engine ---------------------------------------------------------------------------

# A `docker` that is podman in disguise is not Docker.
docker_is_docker() { have docker && ! docker --version 2> /dev/null | grep -qi podman; }
docker_answers() { docker_is_docker && docker version > /dev/null 2>&1; }
podman_answers() { have podman && podman info > /dev/null 2>&1; }

# dockerd_try FLAGS...: in the background, until it answers or dies
dockerd_try() {
	say "starting dockerd $* (log: $cache/dockerd.log)"
	setsid dockerd "$@" > "$cache/dockerd.log" 2>&1 < /dev/null &
	daemon=$!
	echo "$daemon" > "$cache/dockerd.pid"
	tries=0
	while [ "$tries" -lt 60 ] && kill -0 "$daemon" 2> /dev/null; do
		docker version > /dev/null 2>&1 && return
		tries=$((tries + 1))
		sleep 0.5
	done
	kill "$daemon" 2> /dev/null
	rm -f "$cache/dockerd.pid"
	return 1
}

docker_startable() { docker_is_docker && [ "$(id -u)" = 0 ] && have dockerd; }

# Docker is installed and its daemon isn't running. Without an init system we are the init system; the
# daemon's own words say which feature of the kernel it misses.
docker_start() {
	docker_startable || return 1
	if systemd_runs; then
		systemctl start docker && docker_answers
		return
	fi
	set --
	while ! dockerd_try "$@"; do
		if dockerd_lacks 'graphdriver|storage.driver|overlay.*not supported' --storage-driver "$*"; then
			set -- "$@" --storage-driver=vfs
		elif dockerd_lacks 'iptables|nftables' --iptables "$*"; then
			set -- "$@" --iptables=false --ip6tables=false --bridge=none
		else
			tail -3 "$cache/dockerd.log" >&2
			return 1
		fi
	done
}

# dockerd_lacks WORDS FLAG FLAGS: it died of this, and FLAG has not been tried
dockerd_lacks() {
	case $3 in
	*"$2"*) return 1 ;;
	esac
	grep -qiE "$1" "$cache/dockerd.log"
}

engine_install() {
	apt_allowed || return 1
	if [ "${BERTH_ENGINE:-}" = docker ]; then
		apt_install docker.io docker-cli docker-compose docker-buildx iptables || return 1
	else
		apt_install podman runc crun containernetworking-plugins netavark aardvark-dns catatonit uidmap \
			slirp4netns passt fuse-overlayfs iptables nftables || return 1
	fi
	hash -r
}

install_hint() {
	for line in "apt-get:apt-get install podman" "dnf:dnf install podman" "apk:apk add podman" \
		"pacman:pacman -S podman" "zypper:zypper install podman" \
		"brew:brew install podman && podman machine init && podman machine start"; do
		if have "${line%%:*}"; then
			echo "install one, for example: ${line#*:}"
			return
		fi
	done
	echo "install Podman (https://podman.io) or Docker (https://docs.docker.com/engine/install)"
}

# The engine that this appliance lives in: in another one `up` would begin a second, with empty volumes.
engine_wish() {
	if [ -z "${BERTH_ENGINE+set}" ]; then
		BERTH_ENGINE=$(sed -n "s/^remembered BERTH_ENGINE '\([a-z]*\)'$/\1/p" "$state/${BERTH_NAME:-berth}" 2> /dev/null) || :
		engine_remembered=$BERTH_ENGINE
	fi
	kept=$cache/engine-${BERTH_ENGINE:-any}
}

# An engine that is wanted and answers, else one that can be made to; nothing is started or installed
# where $engine_as_it_is is set, nothing installed where $engine_no_install is
engine_choose() {
	case ${BERTH_ENGINE:-} in
	'' | docker | podman) ;;
	*) die "BERTH_ENGINE=$BERTH_ENGINE: it is docker or podman" ;;
	esac
	for again in no yes; do
		for candidate in docker podman; do
			[ "${BERTH_ENGINE:-$candidate}" = "$candidate" ] || continue
			if "${candidate}_answers"; then
				ENGINE=$candidate
				return
			fi
		done
		[ -z "${engine_as_it_is:-}" ] || break
		if [ "${BERTH_ENGINE:-docker}" = docker ] && docker_start; then
			ENGINE=docker
			return
		fi
		[ "$again" = yes ] || { [ -z "${engine_remembered:-}${engine_no_install:-}" ] && engine_install; } || break
	done
	engine_complain
}

# What `up` would do about there being none; fails where it could do nothing
engine_remedy() {
	if [ "${BERTH_ENGINE:-docker}" = docker ] && docker_startable; then
		echo "docker is installed, its daemon isn't running; \`./just up\` would start it"
	elif [ -z "${engine_remembered:-}" ] && apt_allowed && ! have "${BERTH_ENGINE:-podman}"; then
		echo "no container engine is there; \`./just up\` would install ${BERTH_ENGINE:-podman}"
	else
		return 1
	fi
}

engine_complain() {
	if [ -n "${engine_as_it_is:-}" ] && remedy=$(engine_remedy); then die "$remedy"; fi
	if [ "${BERTH_ENGINE:-docker}" = docker ] && docker_is_docker &&
		docker version 2>&1 | grep -qi 'permission denied'; then
		die "this user may not talk to Docker: run with sudo, or add the user to the group docker"
	fi
	if [ -e "$cache/dockerd.pid" ] && ! kill -0 "$(cat "$cache/dockerd.pid")" 2> /dev/null; then rm -f "$cache/dockerd.pid"; fi
	if [ "${BERTH_ENGINE:-podman}" = podman ] && have podman; then
		podman info 2>&1 | tail -3 >&2
		[ -n "${engine_remembered:-}" ] || die "podman is here but does not work; its last words are above"
	fi
	[ -z "${engine_remembered:-}" ] ||
		die "$engine_remembered, which ${BERTH_NAME:-berth} is in, doesn't answer; with BERTH_ENGINE= before it, \`./just up\` begins anew in another"
	die "no container engine (${BERTH_ENGINE:-docker or podman}) answers: $(install_hint)"
}

# --- which flags ----------------------------------------------------------------------------

probe_image_make() {
	"$ENGINE" image inspect "$probe_image" > /dev/null 2>&1 && return
	tar -cf - -C "$scripts/image" packages.txt | "$ENGINE" import - "$probe_image" > /dev/null 2> "$cache/probe.log"
}

# engine_try RUNTIME LIMITS NETWORK: does a container get as far as its program? The status isn't proof: a
# runtime that itself isn't found has the same. Podman builds with limits of its own, so that is tried too.
# shellcheck disable=SC2086 # flags, none with a space in it
engine_try() {
	bounded 60 "$ENGINE" $1 run --rm $2 $3 "$probe_image" /nothing > /dev/null 2> "$cache/probe.log"
	got_to_program || return 1
	[ "$ENGINE" = podman ] || return 0
	printf 'FROM %s\nRUN ["/nothing"]\n' "$probe_image" > "$cache/probe/Containerfile"
	bounded 60 podman $1 build $2 $3 -f "$cache/probe/Containerfile" "$cache/probe" > /dev/null 2> "$cache/probe.log"
	got_to_program
}

got_to_program() { grep -qiE '/nothing.*(no such file|not found)' "$cache/probe.log"; }

# The end of the engine's chain of errors, which is where the cause is
last_words() {
	{
		tail -1 "$cache/probe.log"
		grep -iE 'rlimit|permitted|denied|cgroup|supported' "$cache/probe.log"
	} | tail -1 | tr -d "'" | awk -F ': ' '{
		for (i = NF > 3 ? NF - 2 : 1; i <= NF; i++) printf "%s%s", $i, i < NF ? ": " : "\n" }'
}

# The limits to try, a line each, the engine's own first: some ask for more open files than the hard
# limit, which only CAP_SYS_RESOURCE may raise; Podman lowers its own processes to pid_max first.
limit_candidates() {
	files=$(smallest "$(limit 'Max open files')" 1048576)
	processes=$(smallest "$(limit 'Max processes')" "$(cat /proc/sys/kernel/pid_max 2> /dev/null)" 1048576)
	echo
	for n in "$files" 16384 4096 1024; do
		[ "$n" -le "$files" ] || continue
		echo "--ulimit nofile=$n:$n"
		echo "--ulimit nofile=$n:$n --ulimit nproc=$processes:$processes"
	done
}

runtime_candidates() {
	echo
	[ "$ENGINE" = docker ] && return
	for runtime in runc crun; do
		! have "$runtime" || echo "--runtime $runtime"
	done
}

# A Docker without a bridge starts containers happily, with no network in them.
network_candidates() {
	[ "$ENGINE" = docker ] && ! docker network inspect bridge > /dev/null 2>&1 || echo
	echo "--network host"
}

# Sets ENGINE_RUNTIME, ENGINE_LIMITS and ENGINE_NET, and ENGINE_WHY, what was refused on the way
engine_probe() {
	mkdir -p "$cache/probe"
	probe_image_make || { cat "$cache/probe.log" >&2; die "$ENGINE cannot import an image"; }
	ENGINE_WHY=
	runtime_candidates > "$cache/runtimes"
	limit_candidates > "$cache/limits"
	network_candidates > "$cache/networks"
	while IFS= read -r ENGINE_NET; do
		while IFS= read -r ENGINE_RUNTIME; do
			while IFS= read -r ENGINE_LIMITS; do
				engine_try "$ENGINE_RUNTIME" "$ENGINE_LIMITS" "$ENGINE_NET" < /dev/null && return
				reason=$(last_words)
				ENGINE_WHY="$ENGINE_WHY$ENGINE $ENGINE_RUNTIME $ENGINE_LIMITS $ENGINE_NET: $reason
"
				grep -qi rlimit "$cache/probe.log" || break
			done < "$cache/limits"
		done < "$cache/runtimes"
	done < "$cache/networks"
	say "$ENGINE starts no container on this machine; it was asked for these:"
	echo "$ENGINE_WHY" >&2
	exit 1
}

# Root inside is the caller here: either engine may run without root. Podman then needs a range of user ids, or no
# image with more than one user can be unpacked.
# shellcheck disable=SC2034 # up and dev read it
rootless_check() {
	ENGINE_ROOTLESS=
	if [ "$ENGINE" = docker ]; then
		case $(docker info --format '{{.SecurityOptions}}' 2> /dev/null) in *name=rootless*) ENGINE_ROOTLESS=1 ;; esac
		return
	fi
	[ "$(podman info --format '{{.Host.Security.Rootless}}')" = true ] || return 0
	ENGINE_ROOTLESS=1
	podman unshare cat /proc/self/uid_map 2> /dev/null | awk '{ n += $3 } END { exit n < 1000 }' ||
		die "this user has no range of user ids: add '$(id -un):100000:65536' to /etc/subuid and /etc/subgid, then run podman system migrate"
}

engine_print() {
	for variable in ENGINE ENGINE_RUNTIME ENGINE_LIMITS ENGINE_NET ENGINE_ROOTLESS ENGINE_WHY; do
		eval "echo \"$variable='\$$variable'\""
	done
}

# Sets the ENGINE variables, from the cache when nothing has changed
engine_find() {
	engine_wish
	if [ "$(head -1 "$kept" 2> /dev/null)" = "$(engine_key)" ]; then
		# shellcheck disable=SC1090 # written below
		. "$kept"
		if [ "$ENGINE" = podman ] || docker_answers; then return; fi
	fi
	engine_look
}

engine_look() {
	engine_wish
	mkdir -p "$cache"
	engine_choose
	rootless_check
	engine_probe
	{ engine_key; engine_print; } > "$kept.$$" && mv "$kept.$$" "$kept"
}

# engine COMMAND...: the engine, with the flags of this machine where they belong
# shellcheck disable=SC2086 # flags, none with a space in it
engine() {
	verb=$1
	shift
	case $verb in
	run | create)
		case " $*" in
		*" --net"*) ;;
		*) set -- $ENGINE_NET "$@" ;;
		esac
		# Podman leaves health checks to systemd, and complains at each start where that doesn't run.
		[ "$ENGINE" = docker ] || systemd_runs || set -- --no-healthcheck "$@"
		set -- $ENGINE_LIMITS "$@"
		;;
	build)
		set -- $ENGINE_LIMITS $ENGINE_NET "$@"
		# OCI's own format has no health check.
		[ "$ENGINE" = docker ] || set -- --format docker "$@"
		;;
	esac
	"$ENGINE" $ENGINE_RUNTIME "$verb" "$@"
}

case ${0##*/} in
engine.sh)
	set -u
	case ${1:-} in
	'') die "usage: engine.sh --print | --probe | COMMAND..." ;;
	--print) engine_find && engine_print ;;
	--probe) engine_look && engine_print ;;
	*) engine_find && engine "$@" ;;
	esac
	;;
esac
