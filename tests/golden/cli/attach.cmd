berth attach main
berth attach main --json
