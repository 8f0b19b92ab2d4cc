#launcher one.json
#show requests
berth send 'hello world'
berth send hello
berth send main hello
berth send main
berth send mian hello
