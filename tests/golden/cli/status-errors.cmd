#launcher errors.json
berth status
berth status --parts -q
