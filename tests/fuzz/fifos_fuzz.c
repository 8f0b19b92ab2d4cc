/* libFuzzer: what writers put into a FIFO; the first byte says in which pieces it comes.
 * The messages are the same as if all had come at once, also when the database is busy in
 * between. */
#include <stdio.h>
#include "log.h"
#define log_warnx(...) ((void)snprintf(NULL, 0, __VA_ARGS__))
#include "launcher/fifos.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf said; /* each message, or that there was none */
static unsigned busy;   /* of so many messages, one finds the database busy */
static unsigned attempts;
static struct agent demo = {.name = (char *)(uintptr_t)"demo"};

enum message_added
message_add(struct db *db, const struct message_new *m, char id[static 27])
{
	(void)db;
	(void)id;
	if (busy > 0 && ++attempts % busy == 0)
		return attempts % 2 == 0 ? MESSAGE_FULL : MESSAGE_BUSY;
	buf_addf(&said, "%s|%s|%s|%s|%s\n", m->agent, m->channel,
	    m->sender != NULL ? m->sender : "", m->thread != NULL ? m->thread : "",
	    m->text);
	return MESSAGE_ADDED;
}

struct agent *
addressee_find(struct launcher *l, const char *name)
{
	(void)l;
	return name == NULL || strcmp(name, "demo") == 0 ? &demo : NULL;
}

char *
addressee_unknown(struct launcher *l, const char *name)
{
	(void)l;
	return xstrdup(name != NULL ? name : "nobody");
}

void
store_event(struct db *db, const char *entity, const char *id, const char *what,
    const char *cause, const char *detail)
{
	(void)db;
	(void)detail;
	buf_addf(&said, "%s %s %s: %s\n", entity, id, what, cause);
}

void
launcher_changed(struct launcher *l)
{
	(void)l;
}

void
deliver_kick(struct agent *a)
{
	(void)a;
}

/* As the FIFO's reader: what is not done with is there again, with more behind it. */
static char *
read_in_pieces(const char *bytes, size_t size, size_t piece)
{
	struct launcher l = {0};
	struct fifos all = {.l = &l};
	struct fifo f = {.all = &all, .name = "in.fuzz"};
	struct buf held = BUF_INIT;
	size_t at = 0, done, tries = 0;

	list_init(&l.agents);
	for (;;) {
		size_t n = size - at < piece ? size - at : piece;
		struct buf copy = BUF_INIT;

		buf_add(&held, bytes + at, n);
		at += n;
		buf_add(&copy, buf_str(&held), held.len);
		done = take_lines(
		    &f, copy.data, copy.len, at == size ? AT_END : MORE_MAY_COME);
		buf_free(&copy);
		if (done > held.len)
			abort();
		buf_cut_front(&held, done);
		if (at == size && held.len == 0)
			break;
		if (at == size && ++tries > 2 * size + 2)
			abort();
	}
	buf_free(&held);
	return buf_take(&said);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *whole, *pieces;

	if (size < 2)
		return 0;
	busy = 0;
	whole = read_in_pieces((const char *)data + 1, size - 1, size);
	busy = data[0] % 7 == 1 ? 0 : data[0] % 7;
	pieces = read_in_pieces((const char *)data + 1, size - 1, data[0] / 7 + 1);
	if ((whole == NULL) != (pieces == NULL) ||
	    (whole != NULL && strcmp(whole, pieces) != 0))
		abort();
	free(whole);
	free(pieces);
	return 0;
}
