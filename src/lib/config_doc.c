/* docs/configuration.md, from the table of keys. */
#include "config_impl.h"
#include "buf.h"
#include <string.h>

/* clang-format off */
static const char head[] =
    "<!-- config_doc() writes this from src/lib/config_table.c; see tests/golden/README.md. -->\n"
    "# Configuration\n"
    "\n"
    "berth reads `/data/berth.toml`, a [TOML 1.0](https://toml.io/en/v1.0.0) file; the first start\n"
    "writes one with comments. A key that berth doesn't know is an error, so a slip of the pen\n"
    "can't pass for a setting.\n"
    "\n"
    "- **Durations** are strings with units: `\"500ms\"`, `\"30s\"`, `\"15m\"`, `\"2h\"`, `\"1d\"`, and sums\n"
    "  such as `\"1h30m\"`.\n"
    "- **Variables** override the file: `BERTH__SECTION__KEY`, in the environment that the container\n"
    "  is started with. `BERTH__AGENTS__DEMO__CWD=/projects/x` sets `cwd` in `[agents.demo]`. Case\n"
    "  doesn't matter, and `-` is `_`. Strings, durations and words are written as they are, all\n"
    "  else as in the file: `BERTH__AGENTS__DEMO__ARGS='[\"-v\"]'`. One entry of a table of strings is\n"
    "  `BERTH__AGENTS__DEMO__ENV__EDITOR=vi`. An empty text takes back what has no default.\n"
    "- **Secrets** never stand in the file: `secrets` names a file in `/data/secrets` or `env:NAME`.\n"
    "- `berth config check` tells all that is wrong, by line; `berth config show` prints every value\n"
    "  and where it came from.\n";
/* clang-format on */

static const char *
when_text(enum config_when when)
{
	static const char *const texts[] = {
	    [CONFIG_AT_ONCE] = "at once",
	    [CONFIG_AGENT_START] = "the agent's next start",
	    [CONFIG_BERTH_START] = "berth's next start",
	};

	return texts[when];
}

static void
add_range(struct buf *out, const struct config_row *row, const char *noun)
{
	buf_addf(out, "%s, ", noun);
	config_range(row, out);
}

static void
add_type(struct buf *out, const struct config_row *row)
{
	switch (row->type) {
	case CONFIG_INTEGER:
		add_range(out, row, "integer");
		break;
	case CONFIG_DURATION:
		add_range(out, row, "duration");
		break;
	case CONFIG_BOOLEAN:
		buf_adds(out, "true or false");
		break;
	case CONFIG_ENUM:
		config_words(row, "`", out);
		break;
	case CONFIG_LIST:
		buf_adds(out, row->flags & CONFIG_ONE ? "string or list of strings"
						      : "list of strings");
		break;
	case CONFIG_MAP:
		buf_adds(out, "table of strings");
		break;
	default:
		buf_adds(out, "string");
	}
}

static void
add_default(struct buf *out, const struct config_row *row)
{
	bool bare = row->type == CONFIG_INTEGER || row->type == CONFIG_BOOLEAN;

	if (row->flags & CONFIG_REQUIRED)
		buf_adds(out, "required");
	else if (row->unset != NULL)
		buf_adds(out, row->unset);
	else if (row->type == CONFIG_LIST || row->type == CONFIG_MAP)
		buf_adds(out, "empty");
	else
		buf_addf(out, bare ? "`%s`" : "`\"%s\"`", row->initial);
}

static void
add_row(struct buf *out, const struct config_row *row)
{
	buf_addf(out, "| `%s` | ", config_row_key(row));
	add_type(out, row);
	buf_adds(out, " | ");
	add_default(out, row);
	buf_adds(out, " | ");
	if (row->drivers != NULL) {
		buf_adds(out, "Driver ");
		config_drivers(row, "`", out);
		buf_adds(out, " only. ");
	}
	buf_addf(out, "%s | %s |\n", row->help, when_text(row->when));
}

char *
config_doc(void)
{
	struct buf out = BUF_INIT;
	char title[128];

	buf_adds(&out, head);
	for (const struct config_row *row = config_rows; row->path != NULL; row++) {
		if (row->type == CONFIG_TABLE)
			buf_addf(&out,
			    "\n## `[%s]`\n\n%s\n\n| key | value | default | what it does "
			    "| "
			    "takes effect |\n"
			    "|---|---|---|---|---|\n",
			    config_row_title(row, title, sizeof(title)), row->help);
		else
			add_row(&out, row);
	}
	return buf_take(&out);
}
