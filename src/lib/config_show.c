/*
 * The configuration as TOML that reads back to the same values, each with where it came
 * from. Secrets are only references here; what may hold one all the same (a password in a
 * URL, an entry of env or an argument that is named like a secret) is shown as ***.
 */
#include "config_impl.h"
#include "buf.h"
#include "xmalloc.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void
add_string(struct buf *out, const char *text)
{
	static const char from[] = "\b\t\n\f\r\"\\", to[] = "btnfr\"\\";

	buf_addc(out, '"');
	for (; *text != '\0'; text++) {
		const char *special = strchr(from, *text);

		if (special != NULL)
			buf_addf(out, "\\%c", to[special - from]);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			buf_addf(out, "\\u%04X", (unsigned)*text);
		else
			buf_addc(out, *text);
	}
	buf_addc(out, '"');
}

static bool
sounds_secret(const char *name)
{
	static const char *const words[] = {
	    "KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasestr(name, words[i]) != NULL)
			return true;
	return false;
}

/* "http://user:password@host" without what is before the @, wherever it stands; the
 * password itself may have an @ or a slash in it, badly written. */
static void
add_url(struct buf *out, const char *text)
{
	struct buf safe = BUF_INIT;
	const char *begin;

	while ((begin = strstr(text, "://")) != NULL) {
		size_t word, len;

		begin += 3;
		word = strcspn(begin, " \t\n\"'");
		for (len = word; len > 0 && begin[len - 1] != '@'; len--)
			continue;
		buf_add(&safe, text, (size_t)(begin - text));
		if (len > 0)
			buf_addf(&safe, "***@");
		text = begin + len;
	}
	buf_adds(&safe, text);
	add_string(out, buf_str(&safe));
	buf_free(&safe);
}

/* What of "--api-key=VALUE", "-key=VALUE" or "API_KEY=VALUE" may be shown; 0 if the name
 * isn't a secret's. */
static size_t
shown_of(const char *word)
{
	size_t name = strcspn(word, "=");
	char *text = xstrndup(word, name);
	bool secret =
	    word[name] == '=' && strcspn(text, " \t\n/") == name && sounds_secret(text);

	free(text);
	return secret ? name + 1 : 0;
}

/* "--api-key", behind which the key itself comes. */
static bool
announces_secret(const char *word)
{
	return word[0] == '-' && strpbrk(word, "= \t\n") == NULL && sounds_secret(word);
}

static void
add_word(struct buf *out, const char *word, const char *before)
{
	size_t shown = shown_of(word);
	struct buf safe = BUF_INIT;

	if (before != NULL && announces_secret(before) && strncmp(word, "--", 2) != 0)
		add_string(out, "***");
	else if (shown > 0) {
		buf_addf(&safe, "%.*s***", (int)shown, word);
		add_string(out, buf_str(&safe));
	} else
		add_url(out, word);
	buf_free(&safe);
}

static void
add_items(struct buf *out, const struct config_row *row, const struct config_value *v)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < v->count; i++) {
		buf_adds(out, i == 0 ? "" : ", ");
		if (row->flags & CONFIG_MASK)
			add_word(
			    out, v->items[i].text, i > 0 ? v->items[i - 1].text : NULL);
		else
			add_string(out, v->items[i].text);
	}
	buf_addc(out, ']');
}

static void
add_value(struct buf *out, const struct config_row *row, const struct config_value *v)
{
	char text[64];

	switch (row->type) {
	case CONFIG_INTEGER:
		buf_addf(out, "%lld", (long long)v->number);
		break;
	case CONFIG_BOOLEAN:
		buf_adds(out, v->number != 0 ? "true" : "false");
		break;
	case CONFIG_DURATION:
		add_string(out, config_duration(v->number, text, sizeof(text)));
		break;
	case CONFIG_LIST:
		add_items(out, row, v);
		break;
	case CONFIG_MAP:
		buf_adds(out, "{}");
		break;
	default:
		if (row->flags & CONFIG_MASK)
			add_url(out, v->text);
		else
			add_string(out, v->text);
	}
}

static void
add_from(struct buf *out, struct config_from from)
{
	if (from.origin == FROM_LINE)
		buf_addf(out, " # line %u\n", from.line);
	else
		buf_addf(out, " # %s\n", from.where);
}

static void
add_entries(struct buf *out, const struct config_row *row, const struct config_value *v)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct config_item *item = &v->items[i];
		bool mask = (row->flags & CONFIG_MASK) && sounds_secret(item->name);

		buf_addf(out, "%s.%s = ", config_row_key(row), item->name);
		if (mask)
			add_string(out, "***");
		else if (row->flags & CONFIG_MASK)
			add_url(out, item->text);
		else
			add_string(out, item->text);
		add_from(out, item->from);
	}
}

/* Not set, nothing derived either: nothing that could be written as a value. */
static bool
is_unset(const struct config_row *row, const struct config_value *v)
{
	if (row->initial != NULL || v->given)
		return false;
	return row->type == CONFIG_INTEGER                              ? v->number == 0
	       : row->type == CONFIG_STRING || row->type == CONFIG_ENUM ? v->text == NULL
									: false;
}

static void
add_key(struct buf *out, const struct config_row *row, const struct config_value *v)
{
	const char *key = config_row_key(row);

	if (is_unset(row, v)) {
		buf_addf(out, "# %s is not set: %s\n", key,
		    row->unset == NULL ? "missing" : row->unset);
		return;
	}
	if (row->type == CONFIG_MAP && v->count > 0) {
		add_entries(out, row, v);
		return;
	}
	buf_addf(out, "%s = ", key);
	add_value(out, row, v);
	if (v->from.origin == FROM_DEFAULT && row->unset != NULL)
		buf_addf(out, " # default: %s\n", row->unset);
	else
		add_from(out, v->from);
}

char *
config_show(const struct config *c)
{
	struct buf out = BUF_INIT;

	for (const struct config_table *t = c->tables; t != NULL; t = t->next) {
		buf_addf(&out, "%s[%s]\n", t == c->tables ? "" : "\n", t->path);
		for (size_t i = 0; i < config_row_keys(t->row); i++)
			if (config_row_applies(&t->row[i + 1], t))
				add_key(&out, &t->row[i + 1], &t->values[i]);
	}
	return buf_take(&out);
}
