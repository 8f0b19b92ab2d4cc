berth status --json
