#tty
berth ls
