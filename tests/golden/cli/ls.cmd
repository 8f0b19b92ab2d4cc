berth ls
berth ls --names
