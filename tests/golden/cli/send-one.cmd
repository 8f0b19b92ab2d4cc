#launcher one.json
#show requests
berth send hello world
berth send main hello
berth send main
