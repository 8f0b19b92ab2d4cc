/*
 * Options by table. What must stay true: a word that looks like an option and isn't one
 * is an error, never text, unless -- stood before it.
 */
#include "args.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "clock.h"
#include "log.h"
#include "nearest.h"
#include "when.h"
#include "xmalloc.h"

const struct cli_option cli_common_options[] = {
    {0, "json", NULL, "print JSON: one object or array on stdout, an error on stderr",
	WHAT_NONE},
    {'h', "help", NULL, "explain this command", WHAT_NONE},
    {0, NULL, NULL, NULL, WHAT_NONE},
};

struct parse {
	struct args *args;
	const struct cli *cli;
	int argc;
	char **argv;
	int at;
};

/* ---- finding ---- */

/* The option number i, of the command's own and then the common ones; NULL after the
 * last. */
static const struct cli_option *
option_at(const struct command *command, int i)
{
	const struct cli_option *row = command->options;

	for (; row != NULL && row->name != NULL; row++)
		if (i-- == 0)
			return row;
	for (row = cli_common_options; row->name != NULL; row++)
		if (i-- == 0)
			return row;
	return NULL;
}

static int
find_name(const struct command *command, const char *name, size_t len)
{
	const struct cli_option *row;

	for (int i = 0; (row = option_at(command, i)) != NULL; i++)
		if (strlen(row->name) == len && strncmp(row->name, name, len) == 0)
			return i;
	return -1;
}

static int
find_letter(const struct command *command, char letter)
{
	const struct cli_option *row;

	for (int i = 0; (row = option_at(command, i)) != NULL; i++)
		if (row->letter == letter)
			return i;
	return -1;
}

static int
place(const struct args *args, const char *name)
{
	int i = find_name(args->command, name, strlen(name));

	if (i < 0 || i >= ARGS_OPTIONS)
		fatalx(EXIT_BUG, "%s has no option --%s", args->command->name, name);
	return i;
}

/* ---- parsing ---- */

static bool
fail_unknown(const struct parse *p, const char *word)
{
	const struct command *command = p->args->command;
	struct nearest near = {.typed = word + strspn(word, "-")};
	const struct cli_option *row;
	struct buf hint = BUF_INIT;

	for (int i = 0; (row = option_at(command, i)) != NULL; i++)
		nearest_try(&near, row->name);
	if (near.best != NULL && word[1] == '-')
		buf_addf(&hint, "did you mean --%s? ", near.best);
	if (command->what == WHAT_TEXT)
		buf_adds(&hint, "if it belongs to the text, put -- before the text; ");
	buf_addf(&hint, "`berth %s --help` lists the options", command->name);
	cli_fail(p->cli, CLI_USAGE, NULL, buf_str(&hint), "%s has no option %s",
	    command->name, word);
	buf_free(&hint);
	return false;
}

static bool
set(const struct parse *p, int i, const char *value)
{
	struct args *args = p->args;
	const struct cli_option *row = option_at(args->command, i);

	if (args->values[i] != NULL && row->value != NULL) {
		cli_fail(p->cli, CLI_USAGE, NULL, NULL, "--%s is given twice", row->name);
		return false;
	}
	args->values[i] = value;
	args->before_last = args->count;
	return true;
}

/* The value of option i: what is left of its own word, or the next word. */
static bool
take_value(struct parse *p, int i, const char *rest)
{
	const struct cli_option *row = option_at(p->args->command, i);

	if (rest == NULL && p->at + 1 < p->argc)
		rest = p->argv[++p->at];
	if (rest == NULL) {
		cli_fail(p->cli, CLI_USAGE, NULL, NULL, "--%s needs a value: --%s %s",
		    row->name, row->name, row->value);
		return false;
	}
	return set(p, i, rest);
}

static bool
parse_long(struct parse *p, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = equals == NULL ? strlen(word + 2) : (size_t)(equals - word - 2);
	int i = find_name(p->args->command, word + 2, len);

	if (i < 0)
		return fail_unknown(p, word);
	if (option_at(p->args->command, i)->value != NULL)
		return take_value(p, i, equals == NULL ? NULL : equals + 1);
	if (equals != NULL) {
		cli_fail(p->cli, CLI_USAGE, NULL, NULL, "--%.*s takes no value", (int)len,
		    word + 2);
		return false;
	}
	return set(p, i, "");
}

static bool
parse_letters(struct parse *p, const char *word)
{
	for (const char *letter = word + 1; *letter != '\0'; letter++) {
		int i = find_letter(p->args->command, *letter);
		if (i < 0)
			return fail_unknown(p, word);
		if (option_at(p->args->command, i)->value != NULL)
			return take_value(p, i, letter[1] == '\0' ? NULL : letter + 1);
		if (!set(p, i, ""))
			return false;
	}
	return true;
}

static bool
parse_words(struct parse *p)
{
	struct args *args = p->args;
	bool ended = false;

	for (p->at = 0; p->at < p->argc; p->at++) {
		const char *word = p->argv[p->at];
		if (ended || word[0] != '-' || word[1] == '\0') {
			args->words[args->count++] = word;
		} else if (strcmp(word, "--") == 0) {
			ended = true;
		} else if (!(word[1] == '-' ? parse_long : parse_letters)(p, word)) {
			return false;
		}
	}
	return true;
}

static bool
fail_usage(const struct args *args, const struct cli *cli, const char *what)
{
	struct buf hint = BUF_INIT;

	buf_addf(&hint, "usage: berth %s%s%s", args->command->name,
	    args->command->synopsis[0] != '\0' ? " " : "", args->command->synopsis);
	cli_fail(cli, CLI_USAGE, NULL, buf_str(&hint), "%s", what);
	buf_free(&hint);
	return false;
}

/* "check, show, doc or default" */
static void
list_words(struct buf *out, const char *const *words)
{
	for (; *words != NULL; words++)
		buf_addf(out, "%s%s", *words,
		    words[1] == NULL   ? ""
		    : words[2] == NULL ? " or "
				       : ", ");
}

static bool
check_word(const struct args *args, const struct cli *cli)
{
	const char *const *words = args->command->words;
	struct nearest near = {.typed = args->words[0]};
	struct buf hint = BUF_INIT;

	for (const char *const *word = words; *word != NULL; word++) {
		if (strcmp(*word, args->words[0]) == 0)
			return true;
		nearest_try(&near, *word);
	}
	if (near.best != NULL)
		buf_addf(&hint, "did you mean %s? ", near.best);
	buf_adds(&hint, "it takes ");
	list_words(&hint, words);
	cli_fail(cli, CLI_USAGE, NULL, buf_str(&hint), "%s: there is no \"%s\"",
	    args->command->name, args->words[0]);
	buf_free(&hint);
	return false;
}

static bool
check_count(const struct args *args, const struct cli *cli)
{
	const struct command *command = args->command;

	if (args_has(args, "help"))
		return true;
	if (args->count < command->min_words)
		return fail_usage(args, cli, "something is missing");
	if (command->max_words >= 0 && args->count > command->max_words) {
		char *what = xasprintf(
		    "\"%s\" is one word too many", args->words[command->max_words]);
		fail_usage(args, cli, what);
		free(what);
		return false;
	}
	return args->count == 0 || command->words == NULL || check_word(args, cli);
}

bool
args_parse(struct args *args, const struct cli *cli, int argc, char **argv)
{
	struct parse p = {.args = args, .cli = cli, .argc = argc, .argv = argv};

	memset(args, 0, sizeof(*args));
	args->command = cli->command;
	args->words = xcalloc((size_t)argc + 1, sizeof(*args->words));
	return parse_words(&p) && check_count(args, cli);
}

void
args_free(struct args *args)
{
	free(args->words);
	args->words = NULL;
}

/* ---- values ---- */

bool
args_has(const struct args *args, const char *name)
{
	return args->values[place(args, name)] != NULL;
}

const char *
args_get(const struct args *args, const char *name)
{
	return args->values[place(args, name)];
}

bool
args_count(const struct args *args, const struct cli *cli, const char *name,
    int64_t otherwise, int64_t max, int64_t *value)
{
	const char *text = args_get(args, name);
	char *end;

	*value = otherwise;
	if (text == NULL)
		return true;
	*value = strtoll(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && *value <= max)
		return true;
	cli_fail(cli, CLI_USAGE, NULL, NULL,
	    "--%s: \"%s\" is not a number from 0 to %lld", name, text, (long long)max);
	return false;
}

bool
args_duration(const struct args *args, const struct cli *cli, const char *name,
    int64_t otherwise, int64_t *ms)
{
	const char *text = args_get(args, name);

	*ms = otherwise;
	if (text == NULL || duration_parse(text, ms))
		return true;
	cli_fail(cli, CLI_USAGE, NULL,
	    "write it with its unit: 500ms, 30s, 15m, 1h30m, 2d",
	    "--%s: \"%s\" is not a duration", name, text);
	return false;
}

bool
args_when(const struct args *args, const struct cli *cli, const char *name, int64_t *at)
{
	const char *text = args_get(args, name);

	if (text == NULL || when_parse(text, cli_now(), at))
		return true;
	char *hint = xasprintf("write %s", when_forms);
	cli_fail(cli, CLI_USAGE, NULL, hint, "--%s: \"%s\" is not a time", name, text);
	free(hint);
	return false;
}
