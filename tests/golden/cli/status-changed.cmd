#launcher changed.json
berth status
printf '[agents.demo]\ndriver = "demo"\n' > berth.toml
berth status
echo 'start = "manual"' >> berth.toml
touch -d '2025-11-20 11:40:00' berth.toml
berth status
berth status --json
berth status --quiet
berth status --parts
touch -d '2025-11-20 09:00:00' berth.toml
berth status
