berth send main hello --wait
berth send main hello --wait --json
