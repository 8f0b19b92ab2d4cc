#launcher watch.json
berth ls --watch --json
