/* Exit codes, in words: `berth help exit-codes` and docs/cli.md print this table. */
#include "cli.h"

const struct cli_exit_row cli_exits[] = {
    {CLI_OK, "ok", "Done. With `--wait`: answered."},
    {CLI_NO, "no",
	"The answer is no: something is wrong (`status`, `doctor`, `config check`, "
	"`apply`), or "
	"it is too late for what was asked."},
    {CLI_USAGE, "usage", "The command line, or the text, is not usable as it is."},
    {CLI_NOT_FOUND, "not-found", "There is no such agent, message or approval."},
    {CLI_DOWN, "not-running",
	"The appliance isn't running: nobody answers on the launcher's socket. Nothing "
	"was "
	"done."},
    {CLI_TIMEOUT, "timeout",
	"No answer within the time given. A message stays where it is; `berth wait ID` "
	"waits on."},
    {CLI_UNDELIVERED, "undelivered",
	"The message was not delivered: failed, expired, cancelled, or the queue is "
	"full."},
    {CLI_UNANSWERED, "unanswered",
	"The message was delivered, and its turn ended without an answer; the reason is "
	"printed."},
    {CLI_UNCERTAIN, "uncertain",
	"Nobody can tell: the turn was cut (interrupted), a crash left delivery unproven "
	"(indeterminate), or the launcher went away or fell silent before it confirmed."},
    {CLI_FORBIDDEN, "forbidden", "This user may not do that."},
    {CLI_SYSTEM, "system", "A system call failed, or memory ran out."},
    {130, "interrupted", "Ctrl-C. A message that was sent stays sent."},
    {0, NULL, NULL},
};
