#!/bin/sh
# Sourced by pkg-install, for whom the build of an image has no more of scripts/ than this folder, and by ../lib.sh.

# apt_update LOG COMMAND...: the command is apt-get and its flags. A mirror frozen at a date has a Release file past its
# Valid-Until; only then is that accepted. The signature is still checked.
apt_update() (
	log=$1
	shift
	"$@" update > "$log" 2>&1 && return
	grep -qi 'release file.*expired' "$log" || return 1
	echo "the mirror's Release file has expired; it is accepted, by its signature" >&2
	"$@" -o Acquire::Check-Valid-Until=false update >> "$log" 2>&1
)
