berth send
berth send mian do the thing
berth send nonesuch do the thing
berth send main
berth send 'a sentence without a name'
berth send main explain --wait to me
berth send main explain this --wait
berth send main hello --wiat
berth send main hello --timeout 3s
berth send main hello --wait --timeout 3
berth send main hello --at 25:00
berth send main hello --expires 2025-11-19
berth send main hello --from A --from B
berth send main hello --thread
berth send main ''
berth send main full
printf 'a\0b' | berth send main -
head -c 1000001 /dev/zero | tr '\0' x | berth send main -
berth send mian do the thing --json
berth send main hello --wiat --json
printf 'caf\351' | berth send main -
berth send main hello --dedupe ''
berth send main hello --dedupe "$(printf %300s x)"
