#launcher solo.json
berth send 'a sentence without a name'
berth send - < /dev/null
