#show requests
berth events
berth events --after 100 -n 2
berth events --json
