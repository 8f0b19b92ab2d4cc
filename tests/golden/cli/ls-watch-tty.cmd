#launcher watch.json
#tty
berth ls --watch
