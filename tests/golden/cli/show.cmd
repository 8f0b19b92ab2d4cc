#columns 80
berth show 01KAG9Q0G0ABCDEFGHJKMNPQ09
berth show NPQ12
berth show npq15
berth show npq11
berth show NPQ
berth show 0G0A
berth show nosuch
berth show NPQ12 --json
