#!/bin/sh
# Drives the built image: e2e.sh [PYTEST-FLAG...]. The tests run here, outside the container; they find the
# engine by scripts/engine.sh and the image in BERTH_IMAGE (one that is set already is not built).
set -eu
scripts=$(cd "$(dirname "$0")" && pwd)
. "$scripts/engine.sh"

# The first python in PATH may be one without pytest beside the system's, which has it.
find_python() {
	for python in python3 /usr/bin/python3; do
		! "$python" -c 'import pytest' 2> /dev/null || return 0
	done
	return 1
}

find_python || { apt_allowed && apt_install python3-pytest && find_python; } ||
	die "python3 with pytest is needed for the e2e tests: install python3-pytest (or pip install pytest)"
engine_find
if [ -z "${BERTH_IMAGE:-}" ]; then
	BERTH_IMAGE=$(AGENTS=${AGENTS-claude} sh "$scripts/build.sh")
fi
BERTH_ENGINE=$ENGINE
export BERTH_IMAGE BERTH_ENGINE
if ! ls "$repo"/tests/e2e/*test*.py > /dev/null 2>&1; then
	say "there are no e2e tests"
	exit 0
fi
cd "$repo"
PYTHONDONTWRITEBYTECODE=1 exec "$python" -m pytest -p no:cacheprovider "$@" tests/e2e
