#launcher none.json
mkdir -p s6/launcher s6/tmux
berth status
berth status -q
