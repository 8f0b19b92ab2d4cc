/* Terminal to keys to actions, and the picture. Nothing here knows what a turn is. */
#include "ui.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "editor.h"
#include "keys.h"
#include "log.h"
#include "loop.h"
#include "screen.h"
#include "session.h"
#include "xmalloc.h"

enum {
	ESC_MS = 50,      /* an ESC that nothing follows for so long was the key */
	CTRL_C_MS = 2000, /* the second one within this time ends the program */
	READ_BYTES = 65536,
};

struct ui {
	struct loop *loop;
	struct session *session;
	struct screen *screen;
	struct keys *keys;
	struct editor *editor;
	struct watch *in;
	struct timer *draw, *escape, *ctrl_c, *deaf;
};

static void ui_key(const struct key *key, void *arg);
static void ui_read(int fd, int what, void *arg);

/* ---- drawing ---- */

static const char *
placeholder(const struct ui *ui)
{
	if (timer_armed(ui->ctrl_c))
		return "Press Ctrl-C again to end";
	if (session_queued(ui->session))
		return "Press up to edit queued messages";
	return "Say something, or /help";
}

void
ui_draw(struct ui *ui)
{
	struct buf above = BUF_INIT;
	struct screen_view view = {.input = !session_asking(ui->session)};

	timer_cancel(ui->draw);
	session_describe(ui->session, &above);
	view.above = buf_str(&above);
	view.text = editor_text(ui->editor, &view.len, &view.cursor);
	view.placeholder = placeholder(ui);
	screen_draw(ui->screen, &view);
	buf_free(&above);
}

/* A paste comes in many reads, and is shown once. */
static void
draw_due(void *arg)
{
	struct ui *ui = arg;

	if (!keys_pasting(ui->keys))
		ui_draw(ui);
}

void
ui_changed(struct ui *ui)
{
	if (!timer_armed(ui->draw))
		timer_in(ui->draw, 0);
}

void
ui_resized(struct ui *ui)
{
	screen_resized(ui->screen);
	ui_changed(ui);
}

/* ---- reading ---- */

/* What is on its way (a sequence cut in two by the kernel's buffer) must not look like
 * the Esc key. */
static void
escape_due(void *arg)
{
	struct ui *ui = arg;
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	if (!timer_armed(ui->deaf) && poll(&in, 1, 0) == 1)
		ui_read(STDIN_FILENO, LOOP_READ, ui);
	else
		keys_settle(ui->keys);
	ui_changed(ui);
}

static void
ui_read(int fd, int what, void *arg)
{
	struct ui *ui = arg;
	static char bytes[READ_BYTES];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	(void)what;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		watch_set(ui->in, 0);
		session_end(ui->session, "other", SESSION_HUP);
		return;
	}
	keys_feed(ui->keys, bytes, (size_t)n);
	if (keys_unsettled(ui->keys))
		timer_in(ui->escape, ESC_MS);
	else
		timer_cancel(ui->escape);
	ui_changed(ui);
}

static void
deaf_over(void *arg)
{
	struct ui *ui = arg;

	watch_set(ui->in, LOOP_READ);
}

void
ui_deaf(struct ui *ui, int64_t ms)
{
	watch_set(ui->in, 0);
	timer_in(ui->deaf, ms);
}

/* ---- life ---- */

static void
ctrl_c_over(void *arg)
{
	ui_changed(arg);
}

struct ui *
ui_new(struct loop *loop)
{
	struct screen *screen = screen_new(STDIN_FILENO, STDOUT_FILENO);

	if (screen == NULL)
		return NULL;
	struct ui *ui = xcalloc(1, sizeof(*ui));
	ui->loop = loop;
	ui->screen = screen;
	ui->keys = keys_new(ui_key, ui);
	ui->editor = editor_new();
	ui->draw = timer_new(loop, draw_due, ui);
	ui->escape = timer_new(loop, escape_due, ui);
	ui->ctrl_c = timer_new(loop, ctrl_c_over, ui);
	ui->deaf = timer_new(loop, deaf_over, ui);
	ui->in = watch_new(loop, STDIN_FILENO, 0, ui_read, ui);
	return ui;
}

void
ui_free(struct ui *ui)
{
	if (ui == NULL)
		return;
	watch_free(ui->in);
	timer_free(ui->draw);
	timer_free(ui->escape);
	timer_free(ui->ctrl_c);
	timer_free(ui->deaf);
	screen_free(ui->screen);
	keys_free(ui->keys);
	editor_free(ui->editor);
	free(ui);
}

void
ui_attach(struct ui *ui, struct session *session)
{
	ui->session = session;
	watch_set(ui->in, LOOP_READ);
	ui_changed(ui);
}

struct screen *
ui_screen(struct ui *ui)
{
	return ui->screen;
}

void
ui_remember(struct ui *ui, const char *text)
{
	editor_remember(ui->editor, text);
}

void
ui_put_back(struct ui *ui, const char *text)
{
	if (editor_empty(ui->editor))
		editor_set(ui->editor, text);
	ui_changed(ui);
}

/* ---- keys ---- */

static void
key_submit(struct ui *ui)
{
	char *text = editor_submit(ui->editor);

	if (text == NULL)
		return;
	editor_remember(ui->editor, text);
	session_submit(ui->session, text);
	free(text);
}

static void
key_ctrl_c(struct ui *ui)
{
	if (timer_armed(ui->ctrl_c)) {
		session_end(ui->session, "prompt_input_exit", 0);
		return;
	}
	if (!session_interrupt(ui->session))
		editor_set(ui->editor, "");
	timer_in(ui->ctrl_c, CTRL_C_MS);
}

/* Up on an empty line takes back what waits, as in the CLI. */
static bool
key_up(struct ui *ui)
{
	char *text = editor_empty(ui->editor) ? session_unqueue(ui->session) : NULL;

	if (text == NULL)
		return false;
	editor_set(ui->editor, text);
	free(text);
	return true;
}

static void
key_in_dialog(struct ui *ui, const struct key *key)
{
	const char *digit = key->type == KEY_TEXT ? strpbrk(key->text, "12") : NULL;

	if (key->type == KEY_ENTER || (digit != NULL && *digit == '1'))
		session_answer(ui->session, true);
	else if (key->type == KEY_ESC || key->type == KEY_CTRL_C || digit != NULL)
		session_answer(ui->session, false);
}

static void
key_in_prompt(struct ui *ui, const struct key *key)
{
	if (key->type == KEY_ENTER || key->type == KEY_SUBMIT)
		key_submit(ui);
	else if (key->type == KEY_ESC)
		session_interrupt(ui->session);
	else if (key->type == KEY_CTRL_C ||
		 (key->type == KEY_CTRL_D && editor_empty(ui->editor)))
		key_ctrl_c(ui);
	else if (key->type == KEY_STASH)
		editor_stash(ui->editor);
	else if (key->type == KEY_CTRL_D)
		editor_key(ui->editor, &(struct key){.type = KEY_DELETE});
	else if (key->type != KEY_UP || !key_up(ui))
		editor_key(ui->editor, key);
}

static void
ui_key(const struct key *key, void *arg)
{
	struct ui *ui = arg;

	if (key->type != KEY_CTRL_C && key->type != KEY_CTRL_D)
		timer_cancel(ui->ctrl_c);
	if (session_asking(ui->session))
		key_in_dialog(ui, key);
	else
		key_in_prompt(ui, key);
	ui_changed(ui);
}
