/*
 * TOML's values without quotes: booleans, numbers, dates and times. The whole run of
 * characters is taken first and then has to fit one grammar to its last character. An
 * error repeats the text only where it begins like a number, and little of it: what
 * stands there without quotes may be a secret.
 */
#include "toml_lex.h"
#include "arena.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 24 };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
ends_token(int c)
{
	return c == -1 || strchr(" \t\n,]}#=", c) != NULL;
}

static struct toml_text
take_token(struct toml_lex *lex)
{
	struct toml_text t = {lex->p, 0};

	while (!ends_token(toml_peek(lex)))
		toml_step(lex);
	t.len = (size_t)(lex->p - t.data);
	/* "1979-05-27 07:32:00": one space may stand for the T */
	if (t.len == 10 && is_digit(t.data[0]) && t.data[4] == '-' &&
	    lex->end - lex->p > 1 && lex->p[0] == ' ' && is_digit(lex->p[1])) {
		toml_step(lex);
		while (!ends_token(toml_peek(lex)))
			toml_step(lex);
		t.len = (size_t)(lex->p - t.data);
	}
	return t;
}

static bool
is(struct toml_text t, const char *word)
{
	return t.len == strlen(word) && memcmp(t.data, word, t.len) == 0;
}

/* Digits of `base` with single underscores between them; how many characters, 0 if it is
 * not so. */
static size_t
run_of_digits(struct toml_text t, int base)
{
	static const char all[] = "0123456789abcdefABCDEF";
	size_t usable = base == 16 ? 22 : (size_t)base;
	size_t i = 0;

	while (i < t.len) {
		if (t.data[i] == '_' && i > 0 && t.data[i - 1] != '_' && i + 1 < t.len)
			i++;
		else if (t.data[i] != '\0' && memchr(all, t.data[i], usable) != NULL)
			i++;
		else
			break;
	}
	return i > 0 && t.data[i - 1] == '_' ? 0 : i;
}

static struct toml_text
after(struct toml_text t, size_t count)
{
	return (struct toml_text){t.data + count, t.len - count};
}

static size_t
sign_of(struct toml_text t)
{
	return t.len > 0 && (t.data[0] == '+' || t.data[0] == '-');
}

/* 10 also for what has no prefix */
static int
base_of(struct toml_text t)
{
	if (t.len < 2 || t.data[0] != '0')
		return 10;
	return t.data[1] == 'x' ? 16 : t.data[1] == 'o' ? 8 : t.data[1] == 'b' ? 2 : 10;
}

static bool
is_integer(struct toml_text t)
{
	struct toml_text body = after(t, sign_of(t));
	int base = base_of(t); /* with a sign there is no prefix */

	if (base != 10)
		body = after(t, 2);
	else if (body.len > 1 && body.data[0] == '0')
		return false;
	return body.len > 0 && run_of_digits(body, base) == body.len;
}

static bool
is_exponent(struct toml_text t)
{
	struct toml_text body;

	if (t.len < 2 || (t.data[0] != 'e' && t.data[0] != 'E'))
		return false;
	body = after(t, 1);
	body = after(body, sign_of(body));
	return body.len > 0 && run_of_digits(body, 10) == body.len;
}

static bool
is_float(struct toml_text t)
{
	struct toml_text body = after(t, sign_of(t));
	size_t count;

	if (is(body, "inf") || is(body, "nan"))
		return true;
	count = run_of_digits(body, 10);
	if (count == 0 || (count > 1 && body.data[0] == '0'))
		return false;
	body = after(body, count);
	if (body.len == 0 || body.data[0] != '.')
		return is_exponent(body);
	body = after(body, 1);
	count = run_of_digits(body, 10);
	body = after(body, count);
	return count > 0 && (body.len == 0 || is_exponent(body));
}

/* Without underscores and prefix, as strtoll and strtod want it. */
static char *
plain_number(struct toml_lex *lex, struct toml_text t)
{
	char *out = arena_alloc(lex->arena, t.len + 1);
	size_t used = 0;

	for (size_t i = base_of(t) == 10 ? 0 : 2; i < t.len; i++)
		if (t.data[i] != '_')
			out[used++] = t.data[i];
	return out;
}

static const char *
shown(char out[static TOML_QUOTE_MAX], struct toml_text t)
{
	if (t.len > SHOWN)
		return "this";
	return toml_quote(out, t.data, t.len);
}

static bool
fail_token(
    struct toml_lex *lex, struct toml_pos at, struct toml_text t, const char *where)
{
	char quoted[TOML_QUOTE_MAX];
	struct toml_text body = after(t, sign_of(t));

	if (t.len == 0)
		return toml_fail(lex, at, "expected a value %s", where);
	if (is(t, "True") || is(t, "TRUE") || is(t, "False") || is(t, "FALSE"))
		return toml_fail(lex, at, "expected true or false, in lower case");
	if (!is_digit(t.data[0]) &&
	    !(sign_of(t) && body.len > 0 && is_digit(body.data[0])))
		return toml_fail(lex, at,
		    "expected a value %s: text needs quotes (\"...\"), a switch is true "
		    "or false",
		    where);
	if (body.data[0] == '0' && run_of_digits(body, 10) == body.len)
		return toml_fail(lex, at,
		    "%s begins with a zero: write the number without it, or quotes "
		    "around text",
		    shown(quoted, t));
	if (t.len > 4 && (t.data[2] == ':' || t.data[4] == '-'))
		return toml_fail(lex, at,
		    "%s is not a date or time (2024-05-27, 07:32:00, "
		    "2024-05-27T07:32:00Z)",
		    shown(quoted, t));
	return toml_fail(lex, at,
	    "%s is not a number (1000, 1_000, 0xff, 0.5, 1e6); text needs quotes",
	    shown(quoted, t));
}

static bool
read_integer(
    struct toml_lex *lex, struct toml_pos at, struct toml_text t, struct toml_node *node)
{
	errno = 0;
	node->type = TOML_INTEGER;
	node->u.integer = strtoll(plain_number(lex, t), NULL, base_of(t));
	if (errno == ERANGE)
		return toml_fail(lex, at,
		    "this integer is out of range (-9223372036854775808 to "
		    "9223372036854775807)");
	return true;
}

static bool
read_float(struct toml_lex *lex, struct toml_text t, struct toml_node *node)
{
	char *text = plain_number(lex, t);

	node->type = TOML_FLOAT;
	node->u.real =
	    strtod(text, NULL); /* no service calls setlocale(): the point is a point */
	return true;
}

bool
toml_read_scalar(struct toml_lex *lex, struct toml_node *node, const char *where)
{
	struct toml_pos at = lex->at;
	struct toml_text t = take_token(lex);
	enum toml_type type;

	if (is(t, "true") || is(t, "false")) {
		node->type = TOML_BOOLEAN;
		node->u.boolean = t.len == 4;
		return true;
	}
	if (is_integer(t))
		return read_integer(lex, at, t, node);
	if (is_float(t))
		return read_float(lex, t, node);
	if (toml_scan_time(t, &type, &node->u.time)) {
		node->type = (uint8_t)type;
		return true;
	}
	return fail_token(lex, at, t, where);
}
