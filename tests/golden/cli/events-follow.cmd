#launcher watch.json
#show requests
berth events -f -n 2
