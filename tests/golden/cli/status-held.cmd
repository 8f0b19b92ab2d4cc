#launcher none.json
mkdir -p s6/launcher s6/mesh
touch s6/launcher/notification-fd s6/mesh/down
berth status --parts
mkdir -p s6/fifo s6/reconcile
berth status --parts
berth status --parts --quiet
berth status --json
