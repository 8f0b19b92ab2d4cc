# What it finds depends on the machine; that it looks, and tells in this form, doesn't.
"$BERTH_PROGRAM" doctor --json | python3 -c '
import json, sys
for row in json.load(sys.stdin):
    print(row["check"], row["level"] in ("ok", "warn", "bad") and len(row["found"]) > 0)'
"$BERTH_PROGRAM" doctor | grep -c '^[a-z]'
