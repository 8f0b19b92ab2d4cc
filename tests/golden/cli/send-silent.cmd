#launcher restart.json
berth send main silent --dedupe mine --wait --timeout 1500ms
