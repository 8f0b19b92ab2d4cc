berth inbox main --json
berth inbox --state expired --json
