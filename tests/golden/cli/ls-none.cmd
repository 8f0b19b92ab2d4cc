#launcher none.json
berth ls
berth ls --json
berth log
berth inbox
berth approvals
berth status
berth apply
berth events
berth send hello
berth attach
