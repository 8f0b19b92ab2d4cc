#show requests
berth send main hello world
berth send first --to main
berth send main 'one quoted text' --from Anna --thread 7 --channel telegram
berth send --at 18:00 --expires '2025-11-21 08:00' main later
berth send main first --dedupe mine
berth send --dedupe again main hi
printf 'two\nlines\n' | berth send main -
berth send --to main -- --wait is an option of send
berth send main hello --json
berth send doc-writer are you there
