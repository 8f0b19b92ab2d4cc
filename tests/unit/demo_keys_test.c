/*
 * Keys out of bytes: whatever way the kernel cuts them, the keys are the same. Each case
 * is fed whole, byte by byte, and cut in two at every place.
 */
#include "unit.h"

#include "buf.h"
#include "demo/keys.h"

static const char *const names[] = {
    [KEY_TEXT] = "text",
    [KEY_PASTE] = "paste",
    [KEY_ENTER] = "enter",
    [KEY_NEWLINE] = "newline",
    [KEY_SUBMIT] = "submit",
    [KEY_STASH] = "stash",
    [KEY_ESC] = "esc",
    [KEY_CTRL_C] = "ctrl-c",
    [KEY_CTRL_D] = "ctrl-d",
    [KEY_REDRAW] = "redraw",
    [KEY_BACKSPACE] = "backspace",
    [KEY_DELETE] = "delete",
    [KEY_LEFT] = "left",
    [KEY_RIGHT] = "right",
    [KEY_UP] = "up",
    [KEY_DOWN] = "down",
    [KEY_HOME] = "home",
    [KEY_END] = "end",
    [KEY_KILL_START] = "kill-start",
    [KEY_KILL_END] = "kill-end",
    [KEY_KILL_WORD] = "kill-word",
};

/* "text(ab) enter ": what came. Text may come in pieces: neighbours are joined. */
static void
note(const struct key *key, void *arg)
{
	struct buf *seen = arg;
	const char *tail = "\x01 ";

	if (key->type == KEY_TEXT && seen->len > 2 &&
	    memcmp(seen->data + seen->len - 2, tail, 2) == 0) {
		seen->len -= 2;
		buf_addf(seen, "%s\x01 ", key->text);
	} else if (key->type == KEY_TEXT) {
		buf_addf(seen, "text:%s\x01 ", key->text);
	} else if (key->type == KEY_PASTE) {
		buf_addf(seen, "paste:%s\x02 ", key->text);
	} else {
		buf_addf(seen, "%s ", names[key->type]);
	}
}

static void
feed_cut(const char *bytes, size_t len, size_t cut, size_t step, struct buf *seen)
{
	struct keys *k = keys_new(note, seen);

	keys_feed(k, bytes, cut);
	for (size_t i = cut; i < len; i += step)
		keys_feed(k, bytes + i, step < len - i ? step : len - i);
	keys_settle(k);
	keys_free(k);
}

static void
gives_bytes(const char *bytes, size_t len, const char *wanted)
{
	for (size_t cut = 0; cut <= len; cut++) {
		for (size_t step = 1; step <= len; step += len > 1 ? len - 1 : 1) {
			struct buf seen = BUF_INIT;
			feed_cut(bytes, len, cut, step, &seen);
			assert_string_equal(buf_str(&seen), wanted);
			buf_free(&seen);
		}
	}
}

static void
gives(const char *bytes, const char *wanted)
{
	gives_bytes(bytes, strlen(bytes), wanted);
}

static void
sequences_may_be_cut_anywhere(void **state)
{
	(void)state;
	gives("a\033[A\033[B\033OC\033[1~\033[F\033[3~b",
	    "text:a\x01 up down right home end delete text:b\x01 ");
	gives("\033[13;2u\r\n\033\r", "newline enter newline newline ");
	gives("\033[1;5C\033[?62;c\033[99~x", "text:x\x01 ");
}

static void
characters_may_be_cut_anywhere(void **state)
{
	(void)state;
	gives("\xe6\x97\xa5 \xc3\xa4 \xf0\x9f\x98\x80\r",
	    "text:\xe6\x97\xa5 \xc3\xa4 \xf0\x9f\x98\x80\x01 enter ");
}

static void
what_is_no_utf8_becomes_a_replacement(void **state)
{
	(void)state;
	gives("a\xff"
	      "b\r",
	    "text:a\xef\xbf\xbd"
	    "b\x01 enter ");
	gives("\xe6\x97\r", "text:\xef\xbf\xbd\xef\xbf\xbd\x01 enter ");
}

static void
a_paste_ends_at_its_end_and_the_rest_is_typed(void **state)
{
	(void)state;
	gives("\033[200~one\rtwo\nthree\tx\033[201~\r",
	    "paste:one\ntwo\nthree    x\x02 enter ");
	gives("\033[200~evil\033[201~\rrm -rf\r",
	    "paste:evil\x02 enter text:rm -rf\x01 enter ");
	gives("\033[200~\033[20\033[201~x", "paste:[20\x02 text:x\x01 ");
	gives("\033[200~\033\033[201~x", "text:x\x01 ");
}

static void
nothing_in_a_paste_is_a_key(void **state)
{
	(void)state;
	gives("\033[200~a\x03"
	      "b\x18\x19"
	      "c\x13\x04\033[Ad\x7f"
	      "e\xc2\x9b"
	      "f\033[201~",
	    "paste:abc[Adef\x02 ");
	gives("\033[200~\033[200~x\033[201~", "paste:[200~x\x02 ");
	gives_bytes("\033[200~a\0b\033[201~", 15, "paste:ab\x02 ");
}

static void
the_chord_is_two_keys(void **state)
{
	(void)state;
	gives("\x18\x19", "submit ");
	gives("\x19", "");
	gives("\x18"
	      "a\x19",
	    "text:a\x01 ");
	gives("\x18\x18\x19", "submit ");
	gives("\x18\r", "enter ");
}

static void
a_lone_escape_waits_until_it_is_settled(void **state)
{
	struct buf seen = BUF_INIT;
	struct keys *k = keys_new(note, &seen);

	(void)state;
	keys_feed(k, "\033", 1);
	assert_true(keys_unsettled(k));
	assert_string_equal(buf_str(&seen), "");
	keys_settle(k);
	assert_false(keys_unsettled(k));
	keys_feed(k, "[A", 2);
	assert_string_equal(buf_str(&seen), "esc text:[A\x01 ");
	keys_free(k);
	buf_free(&seen);
	gives("\033\033", "esc esc ");
	gives("\033x", "esc text:x\x01 ");
}

static void
a_megabyte_pasted_comes_whole(void **state)
{
	enum { LEN = 1 << 20 };
	struct buf bytes = BUF_INIT, seen = BUF_INIT;
	struct keys *k = keys_new(note, &seen);

	(void)state;
	buf_adds(&bytes, "\033[200~");
	for (size_t i = 0; i < LEN; i++)
		buf_addc(&bytes, (char)('a' + i % 23));
	buf_adds(&bytes, "\033[201~");
	for (size_t i = 0; i < bytes.len; i += 4095)
		keys_feed(k, bytes.data + i, bytes.len - i < 4095 ? bytes.len - i : 4095);
	assert_int_equal(seen.len, strlen("paste:\x02 ") + LEN);
	assert_memory_equal(seen.data + 6, bytes.data + 6, LEN);
	keys_free(k);
	buf_free(&bytes);
	buf_free(&seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sequences_may_be_cut_anywhere),
	    cmocka_unit_test(characters_may_be_cut_anywhere),
	    cmocka_unit_test(what_is_no_utf8_becomes_a_replacement),
	    cmocka_unit_test(a_paste_ends_at_its_end_and_the_rest_is_typed),
	    cmocka_unit_test(nothing_in_a_paste_is_a_key),
	    cmocka_unit_test(the_chord_is_two_keys),
	    cmocka_unit_test(a_lone_escape_waits_until_it_is_settled),
	    cmocka_unit_test(a_megabyte_pasted_comes_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
