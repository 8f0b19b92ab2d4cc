/* Random ids as the CLI makes them. */
#ifndef DEMO_IDS_H
#define DEMO_IDS_H
#include <stdbool.h>

enum { UUID_LEN = 36, ID_MAX = 40 };

void uuid_new(char out[static UUID_LEN + 1]); /* version 4, lower case */
bool uuid_ok(const char *text);
/* prefix and 24 hexadecimal digits: "msg_", "req_", "toolu_". */
void id_new(char out[static ID_MAX], const char *prefix);
#endif
