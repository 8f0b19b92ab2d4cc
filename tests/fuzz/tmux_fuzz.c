/* libFuzzer: lines from tmux's control mode; one that begins with `<` is a command of
 * ours instead, whose secret is `S`. Each command is answered once, whatever comes. The
 * input is also quoted, as one word on one line. */
#include <stdio.h>
#include "log.h"
#define log_warnx(...) ((void)snprintf(NULL, 0, __VA_ARGS__))
#include "launcher/tmux.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t sent, answered;

static void
nothing(void *ctx)
{
	(void)ctx;
}

static void
answer(bool ok, char *text, void *arg)
{
	(void)arg;
	(void)ok;
	answered += strlen(text) < SIZE_MAX;
}

static void
command(struct tmux *t, const char *line)
{
	struct command *c = xcalloc(1, sizeof(*c));

	c->cb = answer;
	c->brackets = count_commands(line);
	strcpy(c->secret, "S");
	if (c->brackets < 1)
		abort();
	list_append(&t->open, &c->link);
	sent++;
}

static void
check_quote(const char *bytes, size_t size)
{
	struct buf word = BUF_INIT;

	tmux_quote(&word, bytes, size);
	if (word.len < 2 || word.data[0] != '"' || word.data[word.len - 1] != '"' ||
	    strlen(word.data) != word.len || strchr(word.data, '\n') != NULL ||
	    count_commands(word.data) != 1)
		abort();
	for (size_t i = 1; i < word.len - 1; i++)
		if (word.data[i] == '\\')
			i++;
		else if (word.data[i] == '"' || word.data[i] == '$')
			abort();
	buf_free(&word);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop *loop = loop_new();
	struct tmux t = {.patience = timer_new(loop, nothing, NULL),
	    .h = {.up = nothing, .down = nothing, .windows_changed = nothing}};
	char *text = xstrndup((const char *)data, size), *line = text, *end;

	sent = answered = 0;
	list_init(&t.open);
	for (; line != NULL; line = end != NULL ? end + 1 : NULL) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end = '\0';
		if (line[0] == '<')
			command(&t, line + 1);
		else
			on_line(NULL, line, strlen(line), &t);
	}
	drop(&t);
	timer_free(t.patience);
	loop_free(loop);
	if (answered != sent)
		abort();
	check_quote((const char *)data, size);
	free(text);
	return 0;
}
