#launcher stopping.json
# who waits is told before the container ends under it
berth wait 01KAG9Q0G0ABCDEFGHJKMNPQ13
berth wait 01KAG9Q0G0ABCDEFGHJKMNPQ13 --json
