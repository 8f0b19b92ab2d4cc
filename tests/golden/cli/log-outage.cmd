#launcher outage.json
# more turns than a page holds, while nobody could listen, and the end of one before them all
berth log -f -n 1 | grep '>\|ended\|answer 1$\|exit'
