#launcher restart.json
berth cancel npq15
berth restart main
