#launcher notes.json
berth status
berth status --parts
berth status --json
berth status -q
