/*
 * The configuration as TOML that reads back to the same values, each with where it came
 * from. Secrets are only references here; what may hold one all the same (a password in a
 * proxy's URL, an entry of env that is named like a secret) is shown as ***.
 */
#include "config_impl.h"
#include "buf.h"
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

/* "http://user:password@host" without what is before the @. */
static void
add_url(struct buf *out, const char *url)
{
	struct buf safe = BUF_INIT;
	const char *begin = strstr(url, "://");
	const char *at = strrchr(url, '@');

	if (begin != NULL && at != NULL)
		buf_addf(&safe, "%.*s***%s", (int)(begin + 3 - url), url, at);
	else
		buf_adds(&safe, url);
	add_string(out, buf_str(&safe));
	buf_free(&safe);
}

static void
add_items(struct buf *out, const struct config_value *v)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < v->count; i++) {
		buf_adds(out, i == 0 ? "" : ", ");
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
		add_items(out, v);
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
		add_string(out, mask ? "***" : item->text);
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
