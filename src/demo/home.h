/* $HOME/.berth-demo: where the demo keeps what the CLI keeps under ~/.claude. */
#ifndef DEMO_HOME_H
#define DEMO_HOME_H
#include <stddef.h>

/* The directory home/.berth-demo/a/b (either may be NULL), made with mode 0700 where it
 * is missing. The caller frees it. Fatal if it can't be made. */
char *home_dir(const char *home, const char *a, const char *b);
/* A directory's name under projects/: every UTF-16 unit outside [A-Za-z0-9] becomes '-',
 * over 200 characters it is cut and gets a hash. The caller frees it. */
char *home_mangle(const char *cwd);
/* Appends one line to a file in one write(2), so that lines of several writers never mix.
 * -1 with errno. */
int home_append(int fd, const char *line, size_t len);
/* One line in ledger.jsonl: this prompt was accepted. */
void ledger_append(const char *home, const char *session, const char *prompt);
#endif
