#tty
#launcher progress.json
berth send main hello --wait | cat > "$WORK/answer"
cat "$WORK/answer"
