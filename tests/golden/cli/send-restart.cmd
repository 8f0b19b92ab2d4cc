#launcher restart.json
#show requests
berth send main hello --wait
