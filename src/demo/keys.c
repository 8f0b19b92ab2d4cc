/*
 * A byte at a time through six states. Invariants: `run` holds whole typed characters
 * and, at its end, at most one unfinished one; a paste ends at the first ESC[201~ and
 * nowhere else, so whatever follows that is typed, as dangerous as it is in the real CLI.
 */
#include "keys.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "utf8.h"
#include "xmalloc.h"

enum { PASTE_MAX = 16 << 20, SEQUENCE_MAX = 32 };
#define PASTE_END "\033[201~"

enum keys_state { GROUND, ESCAPE, CSI, SS3, CHORD, PASTE, STATES };

struct keys {
	enum keys_state state;
	struct buf run;   /* typed text, not yet handed over */
	struct buf paste; /* what the bracketed paste holds so far */
	size_t ending;    /* how much of PASTE_END was seen */
	char sequence[SEQUENCE_MAX];
	size_t sequence_len;
	keys_cb *cb;
	void *arg;
};

struct keys *
keys_new(keys_cb *cb, void *arg)
{
	struct keys *k = xcalloc(1, sizeof(*k));

	k->cb = cb;
	k->arg = arg;
	return k;
}

void
keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	buf_free(&k->run);
	buf_free(&k->paste);
	free(k);
}

bool
keys_unsettled(const struct keys *k)
{
	return k->state == ESCAPE;
}

bool
keys_pasting(const struct keys *k)
{
	return k->state == PASTE;
}

/* ---- handing over ---- */

static size_t
unfinished(const struct buf *b)
{
	size_t back = 0;

	while (back < 3 && back < b->len) {
		unsigned char c = (unsigned char)b->data[b->len - ++back];
		if (c >= 0xc0)
			return back < (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) ? back : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

/* Text as a message holds it: no control character but newline; C1 controls and DEL go
 * too. */
static void
clean(struct buf *out, const char *text, size_t len)
{
	uint32_t scalar;

	for (size_t i = 0; i < len;) {
		int step = utf8_next(text + i, len - i, &scalar);
		if (text[i] == '\t')
			buf_adds(out, "    ");
		else if (text[i] == '\r')
			buf_addc(out, '\n');
		else if (step < 0)
			buf_adds(out, "\xef\xbf\xbd");
		else if (text[i] == '\n' ||
			 (scalar >= 0x20 && (scalar < 0x7f || scalar >= 0xa0)))
			buf_add(out, text + i, (size_t)step);
		i += step < 0 ? 1 : (size_t)step;
	}
}

static void
hand_over(struct keys *k, enum key_type type, const char *text, size_t len)
{
	struct buf cleaned = BUF_INIT;

	clean(&cleaned, text, len);
	struct key key = {.type = type, .text = buf_str(&cleaned), .len = cleaned.len};
	if (cleaned.len > 0)
		k->cb(&key, k->arg);
	buf_free(&cleaned);
}

/* `all`: an unfinished character will not be finished any more. */
static void
flush_text(struct keys *k, bool all)
{
	size_t keep = all ? 0 : unfinished(&k->run);
	size_t len = k->run.len - keep;

	if (len == 0)
		return;
	hand_over(k, KEY_TEXT, k->run.data, len);
	buf_cut_front(&k->run, len);
}

static void
press(struct keys *k, enum key_type type)
{
	flush_text(k, true);
	k->cb(&(struct key){.type = type, .text = ""}, k->arg);
}

/* ---- the states ---- */

static const struct {
	char byte;
	unsigned char type;
} controls[] = {
    {'\001', KEY_HOME},
    {'\002', KEY_LEFT},
    {'\003', KEY_CTRL_C},
    {'\004', KEY_CTRL_D},
    {'\005', KEY_END},
    {'\006', KEY_RIGHT},
    {'\010', KEY_BACKSPACE},
    {'\012', KEY_NEWLINE},
    {'\013', KEY_KILL_END},
    {'\014', KEY_REDRAW},
    {'\015', KEY_ENTER},
    {'\016', KEY_DOWN},
    {'\020', KEY_UP},
    {'\023', KEY_STASH},
    {'\025', KEY_KILL_START},
    {'\027', KEY_KILL_WORD},
    {'\177', KEY_BACKSPACE},
};

static void
in_ground(struct keys *k, char c)
{
	if (c == '\033' || c == '\030') {
		flush_text(k, true);
		k->state = c == '\033' ? ESCAPE : CHORD;
		return;
	}
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		if (controls[i].byte == c) {
			press(k, (enum key_type)controls[i].type);
			return;
		}
	if ((unsigned char)c >= 0x20)
		buf_addc(&k->run, c);
}

static void
in_chord(struct keys *k, char c)
{
	k->state = GROUND;
	if (c == '\031')
		press(k, KEY_SUBMIT);
	else
		in_ground(k, c);
}

static void
in_escape(struct keys *k, char c)
{
	k->sequence_len = 0;
	k->state = GROUND;
	if (c == '[') {
		k->state = CSI;
	} else if (c == 'O') {
		k->state = SS3;
	} else if (c == '\r') {
		press(k, KEY_NEWLINE);
	} else {
		/* Meta and a key comes as ESC and the key, and counts as both. */
		press(k, KEY_ESC);
		in_ground(k, c);
	}
}

static const struct {
	const char *text;
	enum key_type type;
} sequences[] = {
    {"A", KEY_UP},
    {"B", KEY_DOWN},
    {"C", KEY_RIGHT},
    {"D", KEY_LEFT},
    {"H", KEY_HOME},
    {"F", KEY_END},
    {"1~", KEY_HOME},
    {"7~", KEY_HOME},
    {"4~", KEY_END},
    {"8~", KEY_END},
    {"3~", KEY_DELETE},
    {"13;2u", KEY_NEWLINE},
    {"27;2;13~", KEY_NEWLINE},
};

static void
sequence_done(struct keys *k)
{
	k->state = GROUND;
	k->sequence[k->sequence_len] = '\0';
	if (strcmp(k->sequence, "200~") == 0) {
		k->state = PASTE;
		k->ending = 0;
		return;
	}
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
		if (strcmp(k->sequence, sequences[i].text) == 0)
			press(k, sequences[i].type);
}

/* A sequence that is too long, or broken off by another control, is dropped. */
static void
in_csi(struct keys *k, char c)
{
	if (k->sequence_len < SEQUENCE_MAX - 1)
		k->sequence[k->sequence_len++] = c;
	if (c >= 0x40 && c <= 0x7e)
		sequence_done(k);
	else if (c < 0x20 || c == 0x7f) {
		k->state = GROUND;
		in_ground(k, c);
	}
}

static void
in_ss3(struct keys *k, char c)
{
	k->sequence[k->sequence_len++] = c;
	sequence_done(k);
}

static void
paste_done(struct keys *k)
{
	k->state = GROUND;
	hand_over(k, KEY_PASTE, buf_str(&k->paste), k->paste.len);
	buf_free(&k->paste);
}

static void
paste_add(struct keys *k, const char *bytes, size_t len)
{
	if (k->paste.len + len <= PASTE_MAX)
		buf_add(&k->paste, bytes, len);
}

/* What looked like the end and was not belongs to the paste. ESC can only start the end
 * anew. */
static void
in_paste(struct keys *k, char c)
{
	if (c == PASTE_END[k->ending]) {
		if (PASTE_END[++k->ending] == '\0')
			paste_done(k);
		return;
	}
	paste_add(k, PASTE_END, k->ending);
	k->ending = c == '\033';
	if (c != '\033')
		paste_add(k, &c, 1);
}

static void (*const states[STATES])(struct keys *, char) = {
    [GROUND] = in_ground,
    [ESCAPE] = in_escape,
    [CSI] = in_csi,
    [SS3] = in_ss3,
    [CHORD] = in_chord,
    [PASTE] = in_paste,
};

void
keys_feed(struct keys *k, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		states[k->state](k, bytes[i]);
	flush_text(k, false);
}

void
keys_settle(struct keys *k)
{
	if (k->state != ESCAPE)
		return;
	k->state = GROUND;
	press(k, KEY_ESC);
}
