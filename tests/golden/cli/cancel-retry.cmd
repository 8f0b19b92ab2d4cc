#show requests
berth cancel npq15
berth cancel npq12
berth retry npq09
berth retry npq12
berth retry npq09 --json
