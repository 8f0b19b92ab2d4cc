#launcher none
berth ls
berth ls --json
berth ls --names
berth status
berth status --quiet
berth send main hello --wait --timeout 200ms
berth attach main
