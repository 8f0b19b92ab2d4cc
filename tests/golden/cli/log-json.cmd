berth log reviewer --json
