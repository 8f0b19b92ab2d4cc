#launcher restart.json
berth send main silent --dedupe mine --wait --timeout 300ms
berth send main silent --dedupe mine --wait --timeout 300ms --json
