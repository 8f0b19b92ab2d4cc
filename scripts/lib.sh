# shellcheck shell=sh
# What the scripts share. Sourced by a script that has set $scripts, its own folder.
# shellcheck disable=SC2034 # for those who source it
repo=$(dirname "${scripts:?}")
# Everything made here that outlives a run and isn't a build result of the checkout.
cache=${BERTH_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/berth}
# What was chosen, a file an appliance, which no cleaning of caches takes along.
state=${BERTH_STATE:-${XDG_STATE_HOME:-${HOME:-/root}/.local/state}/berth}

say() { echo "berth: $*" >&2; }

die() {
	say "$*"
	exit 1
}

have() { command -v "$1" > /dev/null 2>&1; }

hash_stdin() {
	if have sha256sum; then sha256sum; else shasum -a 256; fi | cut -c 1-16
}

# bounded SECONDS COMMAND...: with a time limit where the machine has timeout(1)
bounded() {
	seconds=$1
	shift
	if have timeout; then timeout "$seconds" "$@"; else "$@"; fi
}

# Seconds since the epoch; for durations a person reads
now() { date +%s; }

# The CA certificates this machine trusts, as one file; nothing when there is none
ca_bundle() {
	for file in "${SSL_CERT_FILE:-}" "${CURL_CA_BUNDLE:-}" /etc/ssl/certs/ca-certificates.crt \
		/etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
		if [ -n "$file" ] && [ -s "$file" ]; then
			echo "$file"
			return
		fi
	done
}

# shellcheck source-path=SCRIPTDIR
. "$scripts/image/apt.sh"

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q "$@"; }

# The address and the suite of each of this system's sources, in either form that apt has for them
mirrors() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2> /dev/null | awk '
		{ sub(/\[[^]]*\]/, "") }
		$1 == "deb" { print $2, $3 }
		$1 == "URIs:" { uri = $2 }
		$1 == "Suites:" { suite = $2 }
		uri != "" && suite != "" { print uri, suite; uri = suite = "" }'
}

# apt_install PACKAGE...: those of the packages that this distribution has
apt_install() {
	mkdir -p "$cache"
	apt_update "$cache/apt.log" apt || say "apt-get update had errors (see $cache/apt.log); going on"
	wanted=
	for package; do
		[ -z "$(apt-cache show --no-all-versions "$package" 2> /dev/null)" ] || wanted="$wanted $package"
	done
	if [ -z "$wanted" ]; then
		say "apt-get knows none of: $*"
		return 1
	fi
	say "installing$wanted (log: $cache/apt.log)"
	# shellcheck disable=SC2086 # a list of names
	apt install -y --no-install-recommends $wanted >> "$cache/apt.log" 2>&1
}

# May we install packages here? Root, on Debian or a relative.
apt_allowed() { [ "$(id -u)" = 0 ] && have apt-get && [ -e /etc/debian_version ]; }
