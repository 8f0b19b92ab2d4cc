"$BERTH_PROGRAM" config default > berth.toml
berth config check berth.toml
printf '[agents.main]\nkwd = "/"\n' > bad.toml
berth config check bad.toml
berth config check bad.toml --json
berth config show bad.toml
berth config check nonesuch.toml
berth config chekc
berth config
berth config doc | head -3 | tail -2
berth config default extra
