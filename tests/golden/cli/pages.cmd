#launcher pages.json
#show requests
berth inbox main --state answered -n 5
