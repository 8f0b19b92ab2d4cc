#launcher dropped.json
# one that takes connections and drops them is asked again, with pauses, until the time is over
berth wait 01KAG9Q0G0ABCDEFGHJKMNPQ15 --timeout 1s
[ "$(grep -c '"wait"' "$WORK/requests")" -lt 60 ] && echo "not in a rush"
