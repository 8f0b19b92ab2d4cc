/* What no single key can know: keys that need, exclude or contradict each other. */
#include "config_impl.h"
#include "buf.h"
#include <stdio.h>
#include <string.h>

/* One table's key, and what errors call it. */
static struct config_value *
value(const struct config_table *t, const char *key, char path[static 128])
{
	snprintf(path, 128, "%s.%s", t->path, key);
	return config_table_value(t, key);
}

static void
check_backoff(struct config *c)
{
	const struct config_table *t = config_table_find(c, "restart");
	const struct config_value *min = config_table_value(t, "backoff_min");
	const struct config_value *max = config_table_value(t, "backoff_max");
	char least[64], most[64];

	if (min->number > max->number)
		config_fail(c, max->given ? max->from : min->from, "restart.backoff_max",
		    "%s is less than backoff_min (%s)",
		    config_duration(max->number, most, sizeof(most)),
		    config_duration(min->number, least, sizeof(least)));
}

bool
config_row_applies(const struct config_row *row, const struct config_table *t)
{
	const struct config_value *driver;

	if (row->drivers == NULL)
		return true;
	driver = config_table_value(t, "driver");
	for (const char *const *d = row->drivers; driver->text != NULL; d++)
		if (*d == NULL || strcmp(driver->text, *d) == 0)
			return *d != NULL;
	return true;
}

void
config_drivers(const struct config_row *row, const char *quote, struct buf *out)
{
	for (const char *const *d = row->drivers; *d != NULL; d++)
		buf_addf(
		    out, "%s%s%s%s", d == row->drivers ? "" : " or ", quote, *d, quote);
}

static void
check_driver(struct config *c, const struct config_table *t)
{
	for (size_t i = 0; i < config_row_keys(t->row); i++) {
		const struct config_row *row = &t->row[i + 1];
		struct buf who = BUF_INIT;
		char path[128];

		if (config_row_applies(row, t) || !t->values[i].given)
			continue;
		value(t, config_row_key(row), path);
		config_drivers(row, "\"", &who);
		config_fail(c, t->values[i].from, path,
		    "is for driver %s only, and this is driver \"%s\"", buf_str(&who),
		    config_table_value(t, "driver")->text);
		buf_free(&who);
	}
}

static void
check_command(struct config *c, const struct config_table *t)
{
	const char *driver = config_table_value(t, "driver")->text;
	char path[128];
	const struct config_value *command = value(t, "command", path);

	if (driver == NULL || strcmp(driver, "command") != 0 || command->count > 0)
		return;
	if (command->given || !command->mentioned)
		config_fail(c, command->given ? command->from : t->from, path,
		    "driver \"command\" needs the program to run, such as "
		    "[\"/usr/bin/my-agent\"]");
}

static void
check_danger(struct config *c, const struct config_table *t)
{
	char path[128];
	const struct config_value *accepted = value(t, "i_accept_the_danger", path);
	const struct config_value *mode = value(t, "permissions", path);

	if (strcmp(mode->text, "dangerous") == 0 && accepted->number == 0)
		config_fail(c, mode->from, path,
		    "\"dangerous\" lets the agent do whatever it wants without asking "
		    "anybody; if you "
		    "accept that, write i_accept_the_danger = true into the same table");
}

static void
check_secrets(struct config *c, const struct config_table *t)
{
	char path[128];
	const struct config_value *secrets = value(t, "secrets", path);
	const struct config_value *env = value(t, "env", path);

	for (size_t i = 0; i < secrets->count; i++)
		for (size_t k = 0; k < env->count; k++)
			if (strcmp(secrets->items[i].name, env->items[k].name) == 0)
				config_fail(c, env->items[k].from, path,
				    "%.64s stands in secrets too: leave one of them out",
				    env->items[k].name);
}

static void
default_gid(const struct config_table *t)
{
	const struct config_value *uid = config_table_value(t, "uid");
	struct config_value *gid = config_table_value(t, "gid");

	if (uid->given && !gid->given)
		gid->number = uid->number;
}

static void
check_agent(struct config *c, const struct config_table *t)
{
	check_driver(c, t);
	check_command(c, t);
	check_danger(c, t);
	check_secrets(c, t);
	default_gid(t);
}

void
config_cross_check(struct config *c)
{
	check_backoff(c);
	for (const struct config_table *t = c->tables; t != NULL; t = t->next)
		if (strcmp(t->row->path, "agents.*") == 0)
			check_agent(c, t);
}
