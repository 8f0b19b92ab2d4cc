#launcher none
berth ls
berth ls --json
berth ls --names
berth status
berth status --quiet
berth send main hello --wait --timeout 200ms
berth attach main
# as whoever started it calls it
export container=docker BERTH_NAME=work
berth ls
berth attach main
