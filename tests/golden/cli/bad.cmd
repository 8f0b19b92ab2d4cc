#launcher bad.json
berth ls
berth status
berth apply
berth apply --json
berth events
