#tty
berth log
