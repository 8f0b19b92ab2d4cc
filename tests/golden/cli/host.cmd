#env PUID=1234
#env PGID=1235
berth host install --podman --print
berth host install --docker --print --image registry.example/berth:1 --name b2
berth host install --compose --print --projects /srv/work
berth host install --compose --print
berth host install --systemd --print
berth host install --launchd --print
berth host install --docker --print --json
berth host install --docker --podman
berth host install --print --projects '/a b'
berth host install --print --name '-x'
berth host instal
