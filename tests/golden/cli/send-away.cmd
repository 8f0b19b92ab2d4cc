#launcher restart.json
berth send main long
berth send main away --dedupe mine --wait --timeout 1500ms
