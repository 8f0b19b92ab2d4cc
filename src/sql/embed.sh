#!/bin/sh
# Turns numbered migrations (NNN-name.sql, in order) into one C table of strings.
printf '/* made by src/sql/embed.sh */\n#ifndef GEN_SQL_H\n#define GEN_SQL_H\n'
printf 'static const struct { int version; const char *sql; } sql_migrations[] = {\n'
for f in "$@"; do
	n=$(basename "$f"); n=${n%%-*}
	case $n in *[!0-9]*) echo "embed.sh: $f: no number in front" >&2; exit 1 ;; esac
	printf '{%s,\n' "$(expr "$n" + 0)"
	sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$f"
	printf '},\n'
done
printf '};\n#endif\n'
