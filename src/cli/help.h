/* Help, made from the commands' rows. */
#ifndef HELP_H
#define HELP_H

struct cli;
struct command;
struct out;

void help_overview(struct out *o);
void help_command(struct out *o, const struct command *command);
void help_exits(struct out *o);
/* docs/cli.md */
void help_markdown(struct out *o);
#endif
