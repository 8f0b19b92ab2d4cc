#launcher watch.json
#columns 80
berth log -f -n 2
