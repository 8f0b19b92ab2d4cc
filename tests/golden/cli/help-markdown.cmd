# docs/cli.md is made from the commands' table, and must be what the table says now.
doc=$GOLDEN/../../../docs/cli.md
"$BERTH_PROGRAM" help --markdown > cli.md
[ -z "$BERTH_UPDATE" ] || cp cli.md "$doc"
diff "$doc" cli.md
