berth wait 01KAG9Q0G0ABCDEFGHJKMNPQ09
berth wait npq08
berth wait npq05
berth wait npq11
berth wait npq13 --timeout 100ms
berth wait npq13 --timeout 100ms --json
berth wait npq08 --json
berth wait 01KAG9Q0G0ZZZZZZZZZZZZZZZZ
berth wait main
