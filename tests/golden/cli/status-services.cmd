mkdir -p s6/launcher s6/tmux s6/mesh s6/dns s6/hub
touch s6/mesh/down s6/launcher/notification-fd s6/hub/notification-fd
berth status
berth status --json
