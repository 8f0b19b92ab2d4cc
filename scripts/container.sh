# shellcheck shell=sh
# The container that `up` makes and `down` removes. Sourced after engine.sh.
name=${BERTH_NAME:-berth}
case $name in
[!a-zA-Z0-9]* | *[!a-zA-Z0-9_.-]*) die "BERTH_NAME=$name: letters, digits, and then also . _ - make a container's name" ;;
esac
# How its recipes are called, for those who say so
# shellcheck disable=SC2034
just="$([ "$name" = berth ] || echo "BERTH_NAME=$name ")./just"

of_container() { engine container inspect --format "$1" "$name" 2> /dev/null; }
label() { of_container "{{index .Config.Labels \"$1\"}}" | sed 's/^<no value>$//'; }
there_is() { of_container '{{.Name}}' > /dev/null; }

# One of this name that somebody else made is not ours to stop or remove.
ours_or_none() {
	! there_is || [ -n "$(label berth.config)" ] ||
		die "there is a container $name that ./just up didn't make (of $(of_container '{{.Config.Image}}')): give this one another name (BERTH_NAME=other ./just up), or stop and remove that one where it was started ($ENGINE rm -f $name, compose, systemd): a volume $name-data stays, and up goes on with it"
}

# Of two people with one engine, each has choices of their own: who didn't start it would replace it with another,
# or take it away unseen. Choices that are gone are nobody's.
mine() {
	theirs=$(label berth.state)
	# shellcheck disable=SC2154 # lib.sh's
	if [ -z "$theirs" ] || [ "$theirs" = "$state" ] || [ "$theirs" -ef "$state" ]; then return; fi
	there=$theirs
	until [ -e "$there" ]; do there=$(dirname "$there"); done
	# In a folder that may not be entered, nobody can tell.
	if [ -e "$theirs/$name" ] || [ ! -x "$there" ]; then
		die "$name was started with the choices in $theirs: BERTH_STATE=$theirs before the command acts on it, BERTH_NAME=other begins one of your own"
	fi
}

# The status is what berth's own is where its launcher is not there.
must_run() {
	[ "$(of_container '{{.State.Running}}')" = true ] || {
		say "$name is not running: $just up"
		exit 4
	}
}
