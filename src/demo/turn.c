/*
 * Steps are functions in a table. Each says what comes next: the next step at once, the
 * same step again when the turn's timer fires (`round` counts), or nothing, because
 * somebody else goes on (turn_answer) or the turn is over.
 */
#include "turn.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "ids.h"
#include "loop.h"
#include "screen.h"
#include "script.h"
#include "transcript.h"
#include "xmalloc.h"

enum { SPAM_CHUNK = 16384, SPAM_WIDTH = 79, FILL_WIDTH = 64, TOKEN_BYTES = 4 };

enum next { NEXT_STEP, SAME_STEP, NOTHING };

struct turn {
	const struct turn_host *host;
	struct script script;
	size_t at;
	int64_t round;
	struct timer *timer;
	struct buf text; /* said since the last tool, and not in the transcript yet */
	struct usage usage;
	bool usage_given;
	size_t prompt_len;
	bool no_hook;
	int64_t started;
	char tool_id[ID_MAX];
};

static void turn_go(void *arg);

struct turn *
turn_start(const struct turn_host *host, const char *prompt)
{
	struct turn *t = xcalloc(1, sizeof(*t));

	t->host = host;
	t->started = mono_ms();
	t->prompt_len = strlen(prompt);
	t->timer = timer_new(host->loop, turn_go, t);
	script_parse(&t->script, prompt);
	timer_in(t->timer, 0);
	return t;
}

void
turn_free(struct turn *t)
{
	if (t == NULL)
		return;
	timer_free(t->timer);
	script_clear(&t->script);
	buf_free(&t->text);
	free(t);
}

/* ---- saying things ---- */

static void
say(struct turn *t, const char *text)
{
	if (t->text.len > 0)
		buf_addc(&t->text, '\n');
	buf_adds(&t->text, text);
	screen_print(t->host->screen, SCREEN_PLAIN, text, strlen(text));
}

/* What was said goes into the transcript, as one message. */
static void
record(struct turn *t)
{
	if (!t->usage_given) {
		t->usage.in = (int64_t)t->prompt_len / TOKEN_BYTES + 1;
		t->usage.out = (int64_t)t->text.len / TOKEN_BYTES + 1;
	}
	if (t->text.len > 0)
		transcript_assistant(t->host->transcript, t->text.data, &t->usage);
}

static void
end(struct turn *t, const char *error, const char *text)
{
	struct turn_result result = {
	    .error = error,
	    .text = text,
	    .no_hook = t->no_hook,
	    .duration_ms = mono_ms() - t->started,
	};

	t->host->done(&result, t->host->arg);
}

static enum next
fail(struct turn *t, const char *error, int status, const char *text, int64_t resets_at)
{
	record(t);
	transcript_api_error(t->host->transcript, error, status, text, resets_at);
	screen_print(t->host->screen, SCREEN_BOLD, text, strlen(text));
	end(t, error, text);
	return NOTHING;
}

static enum next
again_in(struct turn *t, int64_t ms)
{
	timer_in(t->timer, ms);
	return SAME_STEP;
}

/* ---- the steps ---- */

static enum next
do_say(struct turn *t, const struct step *step)
{
	say(t, step->text);
	return NEXT_STEP;
}

static enum next
do_sleep(struct turn *t, const struct step *step)
{
	return t->round == 0 ? again_in(t, step->n[0]) : NEXT_STEP;
}

static enum next
do_stream(struct turn *t, const struct step *step)
{
	if (t->round > 0) {
		char *line = xasprintf("line %lld", (long long)t->round);
		say(t, line);
		free(line);
	}
	return t->round < step->n[0] ? again_in(t, step->n[1]) : NEXT_STEP;
}

/* Readable, so that a piece that is missing can be told: 0123456789 over and over. */
static enum next
do_fill(struct turn *t, const struct step *step)
{
	size_t len = (size_t)step->n[0];
	char *text = xmalloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = i % FILL_WIDTH == FILL_WIDTH - 1 ? '\n' : (char)('0' + i % 10);
	text[len] = '\0';
	say(t, text);
	free(text);
	return NEXT_STEP;
}

static enum next
do_tool(struct turn *t, const struct step *step)
{
	record(t);
	buf_clear(&t->text);
	id_new(t->tool_id, "toolu_");
	transcript_tool_use(t->host->transcript, t->tool_id, step->text, step->input);
	t->host->ask(step->text, step->input, t->host->arg);
	return NOTHING;
}

static enum next
do_usage(struct turn *t, const struct step *step)
{
	t->usage = (struct usage){step->n[0], step->n[1], step->n[2], step->n[3]};
	t->usage_given = true;
	return NEXT_STEP;
}

static enum next
do_limit(struct turn *t, const struct step *step)
{
	int64_t now = wall_ms() / 1000;
	char text[LIMIT_TEXT_MAX];

	turn_limit_text(now + step->n[0], now, text);
	return fail(t, "rate_limit", 429, text, now + step->n[0]);
}

static enum next
do_auth(struct turn *t, const struct step *step)
{
	(void)step;
	return fail(t, "authentication_failed", 401,
	    "Not logged in \xc2\xb7 Please run /login", 0);
}

static enum next
do_error(struct turn *t, const struct step *step)
{
	char *text = xasprintf("API Error: %s", step->text);
	enum next next = fail(t, "unknown", 400, text, 0);

	free(text);
	return next;
}

/* Its steps are done next, before what is left of this turn's own. */
static enum next
do_absorb(struct turn *t, const struct step *step)
{
	char *prompt = t->host->absorb(t->host->arg);
	struct script more;
	size_t after = t->at + 1, left = t->script.count - after;

	(void)step;
	if (prompt == NULL)
		return NEXT_STEP;
	script_parse(&more, prompt);
	t->script.steps = xreallocarray(
	    t->script.steps, t->script.count + more.count, sizeof(*more.steps));
	struct step *at = t->script.steps + after;
	memmove(at + more.count, at, left * sizeof(*at));
	memcpy(at, more.steps, more.count * sizeof(*at));
	t->script.count += more.count;
	free(more.steps);
	free(prompt);
	return NEXT_STEP;
}

static enum next
do_deaf(struct turn *t, const struct step *step)
{
	t->host->deaf(step->n[0], t->host->arg);
	return NEXT_STEP;
}

/* In pieces, so that the terminal is still read between them. */
static enum next
do_spam(struct turn *t, const struct step *step)
{
	char line[SPAM_WIDTH];
	int64_t left = step->n[0] - t->round * SPAM_CHUNK;
	int64_t chunk = left < SPAM_CHUNK ? left : SPAM_CHUNK;

	for (int64_t done = 0; done < chunk; done += SPAM_WIDTH + 1) {
		int64_t len = chunk - done < SPAM_WIDTH ? chunk - done : SPAM_WIDTH;
		memset(line, 'a' + (int)(t->round % 26), (size_t)len);
		screen_print(t->host->screen, SCREEN_PLAIN, line, (size_t)len);
	}
	t->host->draw(t->host->arg);
	return left > SPAM_CHUNK ? again_in(t, 0) : NEXT_STEP;
}

static enum next
do_nohook(struct turn *t, const struct step *step)
{
	(void)step;
	t->no_hook = true;
	return NEXT_STEP;
}

static enum next
do_crash(struct turn *t, const struct step *step)
{
	(void)step;
	t->host->draw(t->host->arg);
	kill(getpid(), SIGKILL);
	return NOTHING;
}

static enum next
do_abort(struct turn *t, const struct step *step)
{
	(void)step;
	t->host->draw(t->host->arg);
	signal(SIGABRT, SIG_DFL);
	abort();
}

static enum next
do_exit(struct turn *t, const struct step *step)
{
	record(t);
	t->host->exit((int)step->n[0], t->host->arg);
	return NOTHING;
}

static enum next (*const actions[STEPS])(struct turn *, const struct step *) = {
    [STEP_SAY] = do_say,
    [STEP_SLEEP] = do_sleep,
    [STEP_STREAM] = do_stream,
    [STEP_FILL] = do_fill,
    [STEP_TOOL] = do_tool,
    [STEP_USAGE] = do_usage,
    [STEP_LIMIT] = do_limit,
    [STEP_AUTH] = do_auth,
    [STEP_ERROR] = do_error,
    [STEP_ABSORB] = do_absorb,
    [STEP_DEAF] = do_deaf,
    [STEP_SPAM] = do_spam,
    [STEP_NOHOOK] = do_nohook,
    [STEP_CRASH] = do_crash,
    [STEP_ABORT] = do_abort,
    [STEP_EXIT] = do_exit,
};

static void
step_over(struct turn *t)
{
	t->at++;
	t->round = 0;
}

static void
turn_go(void *arg)
{
	struct turn *t = arg;

	while (t->at < t->script.count) {
		struct step step = t->script.steps[t->at];
		enum next next = actions[step.type](t, &step);
		if (next == NOTHING)
			return;
		if (next == SAME_STEP) {
			t->round++;
			t->host->draw(t->host->arg);
			return;
		}
		step_over(t);
	}
	record(t);
	end(t, NULL, buf_str(&t->text));
}

/* ---- from outside ---- */

void
turn_answer(struct turn *t, bool allowed, const char *text)
{
	const char *tool = t->script.steps[t->at].text;
	char *words = xasprintf("%s was %s%s%s", tool, allowed ? "allowed" : "denied",
	    text == NULL ? "" : ": ", text == NULL ? "" : text);

	transcript_tool_result(t->host->transcript, t->tool_id, words, !allowed);
	say(t, words);
	free(words);
	step_over(t);
	timer_in(t->timer, 0);
}

void
turn_interrupt(struct turn *t)
{
	record(t);
	timer_cancel(t->timer);
}

const char *
turn_limit_text(int64_t resets_at, int64_t now, char out[static LIMIT_TEXT_MAX])
{
	time_t at = (time_t)((resets_at + 59) / 60 * 60);
	struct tm tm;
	char day[16] = "", clock[16];

	gmtime_r(&at, &tm);
	if (resets_at - now > 24 * 3600)
		strftime(day, sizeof(day), "%b %-d, ", &tm);
	snprintf(clock, sizeof(clock), tm.tm_min == 0 ? "%d" : "%d:%02d",
	    tm.tm_hour % 12 == 0 ? 12 : tm.tm_hour % 12, tm.tm_min);
	snprintf(out, LIMIT_TEXT_MAX,
	    "You've hit your 5-hour limit \xc2\xb7 resets %s%s%s (UTC)", day, clock,
	    tm.tm_hour < 12 ? "am" : "pm");
	return out;
}
