"$BERTH_PROGRAM" wait npq13 &
until grep -q '"wait"' "$WORK/requests"; do sleep 0.05; done
kill -INT $!
wait $!
echo "[exit $?]"
