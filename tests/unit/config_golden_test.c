/*
 * tests/golden/config: each NAME.toml is loaded as berth.toml (lines `#env NAME=value`
 * are its environment); NAME.out is what it must say: its errors, one a line, or, without
 * any, config_show(). And docs/configuration.md must be what config_doc() writes.
 * BERTH_GOLDEN_UPDATE=1 rewrites the expected files.
 */
#include "buf.h"
#include "config.h"
#include "xmalloc.h"
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ENV = 16, MAX_FILE = 1 << 21 };

static bool
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool ok = f != NULL && fputs(text, f) >= 0;

	return f != NULL && fclose(f) == 0 && ok;
}

/* Compares with the file, or, when asked to update, writes it. */
static bool
matches(const char *path, const char *got)
{
	struct buf wanted = BUF_INIT;
	bool ok;

	if (getenv("BERTH_GOLDEN_UPDATE") != NULL)
		return write_file(path, got);
	if (buf_read_file(&wanted, path, MAX_FILE) != 0)
		printf("FAILED %s: %s\n", path, strerror(errno));
	ok = wanted.data != NULL && strcmp(buf_str(&wanted), got) == 0;
	if (!ok)
		printf("FAILED %s\n--- expected\n%s--- got\n%s---\n", path,
		    buf_str(&wanted), got);
	buf_free(&wanted);
	return ok;
}

/* The environment in the comments of a case. */
static char **
take_environ(const char *text)
{
	char **environ = xcalloc(MAX_ENV + 1, sizeof(*environ));
	size_t count = 0;

	for (const char *p = strstr(text, "#env "); p != NULL && count < MAX_ENV;
	    p = strstr(p, "#env ")) {
		p += strlen("#env ");
		environ[count++] = xstrndup(p, strcspn(p, "\n"));
	}
	return environ;
}

static char *
say(const struct config *c)
{
	struct buf out = BUF_INIT;

	if (config_errors(c) == 0)
		return config_show(c);
	for (size_t i = 0; i < config_errors(c); i++)
		buf_addf(&out, "%s\n", config_error(c, i));
	return buf_take(&out);
}

/* The text without its comments (no string of ours holds " # "). */
static char *
bare(const char *text)
{
	struct buf out = BUF_INIT;

	while (*text != '\0') {
		size_t line = strcspn(text, "\n");
		const char *comment = strstr(text, " # ");
		size_t keep = comment != NULL && comment < text + line
				  ? (size_t)(comment - text)
				  : line;

		if (*text != '#') {
			buf_add(&out, text, keep);
			buf_addc(&out, '\n');
		}
		text += line + (text[line] == '\n');
	}
	return buf_take(&out);
}

/* What config_show() prints must load, and print the same again. */
static bool
reads_back(const char *path, const char *shown)
{
	struct config_source source = {.name = "shown",
	    .text = shown,
	    .len = strlen(shown),
	    .host_name = "otherhost"};
	struct config *c = config_load(&source);
	char *again = say(c);
	char *before = bare(shown), *after = bare(again);
	bool ok = config_errors(c) == 0 && strcmp(before, after) == 0;

	if (!ok)
		printf("FAILED %s: what config_show() printed reads back as\n%s", path,
		    again);
	free(before);
	free(after);
	free(again);
	config_free(c);
	return ok;
}

static bool
run_case(const char *path)
{
	char *out_path = xasprintf("%.*s.out", (int)strlen(path) - 5, path);
	struct buf text = BUF_INIT;
	struct config_source source = {.name = "berth.toml", .host_name = "testhost"};
	struct config *c;
	char **environ, *got;
	bool ok;

	if (buf_read_file(&text, path, MAX_FILE) != 0)
		return (printf("FAILED %s: %s\n", path, strerror(errno)), false);
	environ = take_environ(buf_str(&text));
	source.text = buf_str(&text);
	source.len = text.len;
	source.environ = environ;
	c = config_load(&source);
	got = say(c);
	ok = matches(out_path, got) && (config_errors(c) > 0 || reads_back(path, got));
	for (size_t i = 0; environ[i] != NULL; i++)
		free(environ[i]);
	free(environ);
	config_free(c);
	free(got);
	free(out_path);
	buf_free(&text);
	return ok;
}

static bool
check_doc(void)
{
	char *doc = config_doc();
	bool ok = matches("docs/configuration.md", doc);

	free(doc);
	return ok;
}

int
main(void)
{
	int passed = 0, failed = 0;
	glob_t found;

	if (glob("tests/golden/config/*.toml", 0, NULL, &found) != 0) {
		puts("FAILED: no tests/golden/config/*.toml here (run it in the "
		     "repository's root)");
		return 1;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		*(run_case(found.gl_pathv[i]) ? &passed : &failed) += 1;
	globfree(&found);
	*(check_doc() ? &passed : &failed) += 1;
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
