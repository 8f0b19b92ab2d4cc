/*
 * The official TOML test suite (github.com/toml-lang/toml-test), where it lies:
 * TOML_TEST_DIR is its checkout, or its folder `tests`. Takes the files that the suite
 * lists for TOML 1.0.0; prints `N passed, N failed`. With the argument `decode` it is the
 * decoder which that suite's own runner wants.
 */
#include "json.h"
#include "toml.h"
#include "xmalloc.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static yyjson_mut_val *encode(yyjson_mut_doc *doc, const struct toml_node *node);

/* ---- the tree as the suite's tagged JSON ---- */

static const char *
time_text(const struct toml_node *node, char *out, size_t size)
{
	const struct toml_time *t = toml_time(node);
	enum toml_type type = toml_type(node);
	int off = t->offset_min;
	size_t n = 0;

	if (type != TOML_LOCAL_TIME)
		n += (size_t)snprintf(
		    out, size, "%04d-%02d-%02d", t->year, t->month, t->day);
	if (type == TOML_DATETIME || type == TOML_LOCAL_DATETIME)
		n += (size_t)snprintf(out + n, size - n, "T");
	if (type != TOML_LOCAL_DATE)
		n += (size_t)snprintf(
		    out + n, size - n, "%02d:%02d:%02d", t->hour, t->minute, t->second);
	if (t->nanosecond != 0)
		n += (size_t)snprintf(out + n, size - n, ".%09d", t->nanosecond);
	while (t->nanosecond != 0 && out[n - 1] == '0')
		out[--n] = '\0';
	if (type == TOML_DATETIME && off == 0)
		snprintf(out + n, size - n, "Z");
	else if (type == TOML_DATETIME)
		snprintf(out + n, size - n, "%c%02d:%02d", off < 0 ? '-' : '+',
		    abs(off) / 60, abs(off) % 60);
	return out;
}

static const char *
scalar_text(const struct toml_node *node, char *out, size_t size)
{
	switch (toml_type(node)) {
	case TOML_INTEGER:
		snprintf(out, size, "%lld", (long long)toml_int(node));
		return out;
	case TOML_FLOAT:
		snprintf(out, size, "%.17g", toml_float(node));
		return isnan(toml_float(node)) ? "nan" : out;
	case TOML_BOOLEAN:
		return toml_bool(node) ? "true" : "false";
	default:
		return time_text(node, out, size);
	}
}

static yyjson_mut_val *
encode_scalar(yyjson_mut_doc *doc, const struct toml_node *node)
{
	static const char *const tags[] = {
	    [TOML_STRING] = "string",
	    [TOML_INTEGER] = "integer",
	    [TOML_FLOAT] = "float",
	    [TOML_BOOLEAN] = "bool",
	    [TOML_DATETIME] = "datetime",
	    [TOML_LOCAL_DATETIME] = "datetime-local",
	    [TOML_LOCAL_DATE] = "date-local",
	    [TOML_LOCAL_TIME] = "time-local",
	};
	yyjson_mut_val *out = yyjson_mut_obj(doc);
	char text[64];
	size_t len;

	yyjson_mut_obj_add_str(doc, out, "type", tags[toml_type(node)]);
	if (toml_type(node) == TOML_STRING) {
		const char *s = toml_str(node, &len);

		yyjson_mut_obj_add_strncpy(doc, out, "value", s, len);
	} else {
		yyjson_mut_obj_add_strcpy(
		    doc, out, "value", scalar_text(node, text, sizeof(text)));
	}
	return out;
}

static yyjson_mut_val *
encode_table(yyjson_mut_doc *doc, const struct toml_node *node)
{
	yyjson_mut_val *out = yyjson_mut_obj(doc);

	for (const struct toml_node *n = toml_first(node); n != NULL; n = toml_next(n)) {
		size_t len;
		const char *key = toml_key(n, &len);

		yyjson_mut_obj_add(
		    out, yyjson_mut_strncpy(doc, key, len), encode(doc, n));
	}
	return out;
}

static yyjson_mut_val *
encode(yyjson_mut_doc *doc, const struct toml_node *node)
{
	yyjson_mut_val *out;

	if (toml_type(node) == TOML_TABLE)
		return encode_table(doc, node);
	if (toml_type(node) != TOML_ARRAY)
		return encode_scalar(doc, node);
	out = yyjson_mut_arr(doc);
	for (const struct toml_node *n = toml_first(node); n != NULL; n = toml_next(n))
		yyjson_mut_arr_append(out, encode(doc, n));
	return out;
}

static char *
to_json(const struct toml *toml)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	char *text;

	yyjson_mut_doc_set_root(doc, encode(doc, toml_root(toml)));
	text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

/* ---- comparing ---- */

/* Trailing zeros of a fraction of a second say nothing. */
static bool
same_time(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b)
		a++, b++;
	while (*a == '0')
		a++;
	while (*b == '0')
		b++;
	if (*a == '.') /* .000 against nothing */
		a += 1 + strspn(a + 1, "0");
	if (*b == '.')
		b += 1 + strspn(b + 1, "0");
	return strcmp(a, b) == 0;
}

static bool
same_scalar(yyjson_val *a, yyjson_val *b)
{
	const char *type = json_str(a, "type", "");
	yyjson_val *av = yyjson_obj_get(a, "value");
	yyjson_val *bv = yyjson_obj_get(b, "value");

	if (strcmp(type, json_str(b, "type", "?")) != 0)
		return false;
	if (strcmp(type, "float") == 0) {
		double x = strtod(yyjson_get_str(av), NULL);
		double y = strtod(yyjson_get_str(bv), NULL);

		return (isnan(x) && isnan(y)) ||
		       !(x < y || x > y || isnan(x) || isnan(y));
	}
	if (strstr(type, "time") != NULL)
		return same_time(yyjson_get_str(av), yyjson_get_str(bv));
	return yyjson_equals(av, bv);
}

static bool
is_scalar(yyjson_val *v)
{
	return yyjson_obj_size(v) == 2 && yyjson_is_str(yyjson_obj_get(v, "type")) &&
	       yyjson_is_str(yyjson_obj_get(v, "value"));
}

static bool
same(yyjson_val *a, yyjson_val *b)
{
	yyjson_val *key, *item;
	size_t i, n;

	if (yyjson_get_type(a) != yyjson_get_type(b) ||
	    yyjson_get_len(a) != yyjson_get_len(b))
		return false;
	if (yyjson_is_arr(a)) {
		yyjson_arr_foreach(
		    a, i, n, item) if (!same(item, yyjson_arr_get(b, i))) return false;
		return true;
	}
	if (is_scalar(a))
		return is_scalar(b) && same_scalar(a, b);
	yyjson_obj_foreach(a, i, n, key, item)
	{
		yyjson_val *other =
		    yyjson_obj_getn(b, yyjson_get_str(key), yyjson_get_len(key));

		if (other == NULL || !same(item, other))
			return false;
	}
	return true;
}

/* ---- running ---- */

static char *
slurp(FILE *f, size_t *len)
{
	char *text = xmalloc(TOML_MAX_BYTES + 2);

	*len = fread(text, 1, TOML_MAX_BYTES + 1, f);
	text[*len] = '\0';
	return text;
}

static char *
read_path(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text;

	if (f == NULL)
		return NULL;
	text = slurp(f, len);
	fclose(f);
	return text;
}

static bool
matches(const struct toml *toml, const char *toml_path)
{
	char *path = xasprintf("%.*s.json", (int)(strlen(toml_path) - 5), toml_path);
	size_t len;
	char *wanted_text = read_path(path, &len);
	char *got_text = to_json(toml);
	yyjson_doc *wanted = yyjson_read(wanted_text, wanted_text == NULL ? 0 : len, 0);
	yyjson_doc *got = yyjson_read(got_text, strlen(got_text), 0);
	bool ok = wanted != NULL && got != NULL &&
		  same(yyjson_doc_get_root(wanted), yyjson_doc_get_root(got));

	if (!ok)
		printf("FAILED %s: got %s\n", toml_path, got_text);
	yyjson_doc_free(wanted);
	yyjson_doc_free(got);
	free(wanted_text);
	free(got_text);
	free(path);
	return ok;
}

static bool
run(const char *root, const char *file)
{
	bool valid = strncmp(file, "valid/", 6) == 0;
	char *path = xasprintf("%s/%s", root, file);
	struct toml_error error;
	struct toml *toml;
	size_t len = 0;
	char *text = read_path(path, &len);
	bool ok;

	toml = text == NULL ? NULL : toml_parse(file, text, len, &error);
	if (text == NULL)
		ok = (printf("FAILED %s: %s\n", path, strerror(errno)), false);
	else if (toml == NULL)
		ok = !valid ||
		     (printf("FAILED %s: refused: %s\n", file, error.text), false);
	else
		ok = valid ? matches(toml, path)
			   : (printf("FAILED %s: accepted\n", file), false);
	if (toml == NULL && text != NULL && !valid && getenv("TOML_TEST_VERBOSE") != NULL)
		printf("%s\n", error.text);
	toml_free(toml);
	free(text);
	free(path);
	return ok;
}

static int
run_suite(const char *dir)
{
	char *root = xasprintf("%s/tests", dir);
	char *list = xasprintf("%s/files-toml-1.0.0", root);
	FILE *f = fopen(list, "r");
	int passed = 0, failed = 0;
	char line[512];

	if (f == NULL) {
		root[strlen(root) - strlen("/tests")] = '\0';
		free(list);
		list = xasprintf("%s/files-toml-1.0.0", root);
		f = fopen(list, "r");
	}
	if (f == NULL)
		printf("FAILED TOML_TEST_DIR holds no files-toml-1.0.0: %s\n",
		    strerror(errno));
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		size_t len = strcspn(line, "\r\n");

		line[len] = '\0';
		if (len > 5 && strcmp(line + len - 5, ".toml") == 0)
			*(run(root, line) ? &passed : &failed) += 1;
	}
	if (f != NULL)
		fclose(f);
	free(list);
	free(root);
	printf("%d passed, %d failed\n", passed, failed);
	return passed == 0 || failed > 0;
}

static int
decode(void)
{
	struct toml_error error;
	struct toml *toml;
	size_t len;
	char *text = slurp(stdin, &len);
	char *json;

	toml = toml_parse("stdin", text, len, &error);
	free(text);
	if (toml == NULL) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	json = to_json(toml);
	puts(json);
	free(json);
	toml_free(toml);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *dir = getenv("TOML_TEST_DIR");

	if (argc > 1 && strcmp(argv[1], "decode") == 0)
		return decode();
	if (dir == NULL || *dir == '\0') {
		puts("SKIPPED: TOML_TEST_DIR does not say where the official TOML tests "
		     "are");
		return 0;
	}
	return run_suite(dir);
}
