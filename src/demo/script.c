/* Prompts to steps: no state, no effect. Every command is one row of `commands`. */
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "buf.h"
#include "xmalloc.h"

#define HEADER "[berth "
#define DAY_MS (24 * 3600 * 1000LL)
#define MIB    (1LL << 20)

enum form { FORM_NONE, FORM_TEXT, FORM_NUMBERS, FORM_TOOL };

static const struct command {
	const char *name;
	enum step_type type;
	enum form form;
	unsigned least, most; /* how many numbers */
	int64_t max;          /* of each */
	const char *usage, *help;
} commands[] = {
    {"say", STEP_SAY, FORM_TEXT, 0, 0, 0, "[[say TEXT]]", "answers TEXT"},
    {"sleep", STEP_SLEEP, FORM_NUMBERS, 1, 1, DAY_MS, "[[sleep MS]]",
	"works for MS milliseconds"},
    {"stream", STEP_STREAM, FORM_NUMBERS, 2, 2, 1000000, "[[stream N MS]]",
	"answers N lines, one every MS milliseconds"},
    {"fill", STEP_FILL, FORM_NUMBERS, 1, 1, 16 * MIB, "[[fill BYTES]]", "a long answer"},
    {"tool", STEP_TOOL, FORM_TOOL, 0, 0, 0, "[[tool NAME {json}]]",
	"asks whether it may use a tool (it does nothing with it)"},
    {"usage", STEP_USAGE, FORM_NUMBERS, 2, 4, INT64_MAX, "[[usage IN OUT]]",
	"claims to have used so many tokens"},
    {"limit", STEP_LIMIT, FORM_NUMBERS, 1, 1, 30 * DAY_MS / 1000, "[[limit SECONDS]]",
	"fails as at a usage limit"},
    {"auth", STEP_AUTH, FORM_NONE, 0, 0, 0, "[[auth]]",
	"fails as if it were not logged in"},
    {"error", STEP_ERROR, FORM_TEXT, 0, 0, 0, "[[error TEXT]]", "fails with TEXT"},
    {"absorb", STEP_ABSORB, FORM_NONE, 0, 0, 0, "[[absorb]]",
	"takes what waits into the running turn"},
    {"deaf", STEP_DEAF, FORM_NUMBERS, 1, 1, DAY_MS, "[[deaf MS]]",
	"does not read the keyboard for a while"},
    {"spam", STEP_SPAM, FORM_NUMBERS, 1, 1, 1024 * MIB, "[[spam BYTES]]",
	"floods the screen"},
    {"nohook", STEP_NOHOOK, FORM_NONE, 0, 0, 0, "[[nohook]]",
	"ends the turn without its Stop hook"},
    {"crash", STEP_CRASH, FORM_NONE, 0, 0, 0, "[[crash]]", "kills itself, SIGKILL"},
    {"abort", STEP_ABORT, FORM_NONE, 0, 0, 0, "[[abort]]", "ends by SIGABRT"},
    {"exit", STEP_EXIT, FORM_NUMBERS, 1, 1, 255, "[[exit N]]", "ends with status N"},
};
static const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static struct step *
step_add(struct script *s, enum step_type type)
{
	s->steps = xreallocarray(s->steps, s->count + 1, sizeof(*s->steps));
	struct step *step = &s->steps[s->count++];
	*step = (struct step){.type = type};
	return step;
}

static void
complain(struct script *s, const struct command *c, const char *what)
{
	step_add(s, STEP_SAY)->text =
	    xasprintf("I don't understand this: %s. It is %s.", what, c->usage);
}

/* ---- arguments: each returns false if they are wrong ---- */

static bool
read_numbers(const struct command *c, struct step *step, const char *args)
{
	unsigned count = 0;

	for (;;) {
		char *end;
		args += strspn(args, " \n");
		if (*args == '\0')
			break;
		if (count == c->most || !isdigit((unsigned char)*args))
			return false;
		errno = 0;
		step->n[count] = strtoll(args, &end, 10);
		if (errno != 0 || step->n[count] > c->max ||
		    (*end != '\0' && *end != ' ' && *end != '\n'))
			return false;
		args = end;
		count++;
	}
	return count >= c->least;
}

/* NAME {json}: the input may be left out. */
static bool
read_tool(struct step *step, const char *args)
{
	size_t name = strcspn(args, " \n");
	const char *input = args + name + strspn(args + name, " \n");

	if (name == 0)
		return false;
	if (*input == '\0')
		input = "{}";
	yyjson_doc *doc = yyjson_read(input, strlen(input), 0);
	bool ok = yyjson_is_obj(yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	if (ok) {
		step->text = xstrndup(args, name);
		step->input = xstrdup(input);
	}
	return ok;
}

static bool
read_args(const struct command *c, struct step *step, const char *args)
{
	switch (c->form) {
	case FORM_TEXT:
		step->text = xstrdup(args);
		return *args != '\0';
	case FORM_NUMBERS:
		return read_numbers(c, step, args);
	case FORM_TOOL:
		return read_tool(step, args);
	default:
		return *args == '\0';
	}
}

/* ---- finding commands ---- */

static const struct command *
command_at(const char *text, size_t len)
{
	size_t name = 0;

	while (name < len && islower((unsigned char)text[name]))
		name++;
	for (size_t i = 0; i < command_count; i++)
		if (strlen(commands[i].name) == name &&
		    memcmp(commands[i].name, text, name) == 0)
			return &commands[i];
	return NULL;
}

/* The "]]" that ends what starts at `text`: a tool's JSON may hold "]]" itself. NULL:
 * none. */
static const char *
command_end(const struct command *c, const char *text, size_t len)
{
	const char *json = c->form == FORM_TOOL ? memchr(text, '{', len) : NULL;
	const char *first = memmem(text, len, "]]", 2);

	if (json == NULL || first == NULL || json > first)
		return first;
	size_t left = len - (size_t)(json - text);
	yyjson_doc *doc = yyjson_read(json, left, YYJSON_READ_STOP_WHEN_DONE);
	size_t used = doc == NULL ? 0 : yyjson_doc_get_read_size(doc);
	yyjson_doc_free(doc);
	return memmem(json + used, left - used, "]]", 2);
}

static void
command_add(struct script *s, const struct command *c, const char *text, size_t len)
{
	size_t name = strlen(c->name);
	size_t space = name < len && strchr(" \n", text[name]) != NULL;
	char *args = xstrndup(text + name + space, len - name - space);
	struct step step = {.type = c->type};

	if (name + space <= len && read_args(c, &step, args)) {
		*step_add(s, c->type) = step;
	} else {
		char *what = xasprintf("[[%.*s]]", (int)(len > 200 ? 200 : len), text);
		complain(s, c, what);
		free(what);
		free(step.text);
	}
	free(args);
}

static void
message_parse(struct script *s, const char *text, size_t len)
{
	size_t had = s->count;
	const char *end = text + len, *at = text;

	while ((at = memmem(at, (size_t)(end - at), "[[", 2)) != NULL) {
		at += 2;
		const struct command *c = command_at(at, (size_t)(end - at));
		const char *stop =
		    c == NULL ? NULL : command_end(c, at, (size_t)(end - at));
		if (stop == NULL)
			continue;
		command_add(s, c, at, (size_t)(stop - at));
		at = stop + 2;
	}
	if (s->count == had)
		step_add(s, STEP_SAY)->text = xasprintf("You said: %.*s", (int)len, text);
}

/* ---- messages ---- */

/* The next line that starts a message, at or after `from`; the prompt's end if there is
 * none. */
static const char *
next_header(const char *prompt, const char *from)
{
	while (*from != '\0') {
		if ((from == prompt || from[-1] == '\n') &&
		    strncmp(from, HEADER, sizeof(HEADER) - 1) == 0)
			return from;
		from++;
	}
	return from;
}

/* Its text: without the header, and without the empty lines before the next message. */
static void
message_add(struct script *s, const char *text, const char *end)
{
	if (strncmp(text, HEADER, sizeof(HEADER) - 1) == 0) {
		const char *close = memchr(text, ']', (size_t)(end - text));
		if (close != NULL)
			text = close + 1;
		if (text < end && *text == ' ')
			text++;
	}
	while (end > text && strchr(" \n", end[-1]) != NULL)
		end--;
	message_parse(s, text, (size_t)(end - text));
}

void
script_parse(struct script *s, const char *prompt)
{
	const char *text = prompt;

	*s = (struct script){0};
	do {
		const char *end = next_header(prompt, *text == '\0' ? text : text + 1);
		message_add(s, text, end);
		text = end;
	} while (*text != '\0');
}

void
script_clear(struct script *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->steps[i].text);
		free(s->steps[i].input);
	}
	free(s->steps);
	*s = (struct script){0};
}

void
script_help(struct buf *out)
{
	for (size_t i = 0; i < command_count; i++)
		buf_addf(out, "  %-22s %s\n", commands[i].usage, commands[i].help);
}
