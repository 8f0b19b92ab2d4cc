/* The commands' rows; each command is one file. */
#ifndef CMD_H
#define CMD_H
#include "cli.h"

extern const struct command cmd_send, cmd_wait, cmd_inbox, cmd_show, cmd_cancel,
    cmd_retry, cmd_log;
extern const struct command cmd_ls, cmd_attach, cmd_start, cmd_stop, cmd_restart,
    cmd_hold;
extern const struct command cmd_approvals, cmd_approve, cmd_deny;
extern const struct command cmd_status, cmd_doctor, cmd_events;
extern const struct command cmd_config, cmd_apply, cmd_backup, cmd_restore;
extern const struct command cmd_host, cmd_completion, cmd_version, cmd_help;

int cli_unknown_command(
    const struct cli *cli, const char *name); /* said, with the nearest; CLI_USAGE */
#endif
