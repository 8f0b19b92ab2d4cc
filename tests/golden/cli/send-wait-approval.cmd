#launcher wait-approval.json
berth send main hello --wait
