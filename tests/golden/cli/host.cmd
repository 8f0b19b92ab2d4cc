#env PUID=1234
#env PGID=1235
# in a container of a user, then in one of root's
echo '         0       1000          1' > uid_map
export BERTH_UID_MAP="$PWD/uid_map"
berth host install --podman --print
echo '         0          0 4294967295' > uid_map
berth host install --podman --print
berth host install --docker --print --image registry.example/berth:1 --name b2
berth host install --compose --print --projects /srv/work
berth host install --compose --print
berth host install --systemd --print
berth host install --launchd --print
berth host install --docker --print --json
# one that knows what it is, in all forms
export BERTH_NAME=work BERTH_IMAGE=localhost/berth:claude BERTH_PROJECTS=/srv/code
for kind in podman docker compose systemd launchd; do berth host install --$kind --print; done
unset BERTH_IMAGE BERTH_PROJECTS
berth host install --compose --print
BERTH_NAME='a b' berth host install --print
BERTH_PROJECTS='/my code' berth host install --print
berth host install --print --projects ./code
berth host install --docker --podman
berth host install --print --projects '/a b'
berth host install --print --name '-x'
berth host instal
