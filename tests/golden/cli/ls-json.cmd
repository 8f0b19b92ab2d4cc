berth ls --json
