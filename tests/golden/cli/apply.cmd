berth apply
berth apply --json
