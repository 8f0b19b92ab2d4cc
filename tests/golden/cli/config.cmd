"$BERTH_PROGRAM" config default > berth.toml
berth config check berth.toml
printf '[agents.main]\nkwd = "/"\n' > bad.toml
berth config check bad.toml
berth config check bad.toml --json
berth config show bad.toml
berth config check nonesuch.toml
ln -s berth.toml link.toml
berth config check link.toml
mkdir mounted.toml
berth config check mounted.toml
mkfifo fifo.toml
berth config check fifo.toml
{ cat berth.toml; head -c 1048576 /dev/zero | tr '\0' '#'; } > large.toml
berth config check large.toml --json
berth config chekc
berth config
berth config doc | head -3 | tail -2
berth config default extra
