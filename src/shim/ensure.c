/*
 * A file is parsed, changed in memory, and replaced by rename only if something changed.
 * Numbers keep their value, members their order, the file its mode and whether it is laid
 * out over several lines. What isn't as expected is left alone and reported: it is the
 * user's file.
 */
#include "ensure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "xmalloc.h"

enum { LOCK_POLL_US = 20000 };

__attribute__((format(printf, 2, 3))) static void
complain(struct buf *warning, const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	buf_addf(warning, "%s%s", warning->len > 0 ? "; " : "", text);
	free(text);
}

int
ensure_dir(const char *path)
{
	char *copy = xstrdup(path);
	int result = 0;

	for (char *p = copy + 1; result == 0; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) == -1 && errno != EEXIST && errno != EROFS &&
		    errno != EACCES)
			result = -1;
		if (c == '\0')
			break;
		*p = c;
	}
	if (result == 0 && access(copy, X_OK) == -1)
		result = -1;
	free(copy);
	return result;
}

/* ---- the lock: a directory, as the CLI's own lock is ---- */

static bool
lock_stale(const char *lock)
{
	struct stat st;

	if (lstat(lock, &st) == -1)
		return false;
	return wall_ms() -
		   ((int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000) >
	       ENSURE_STALE_MS;
}

static int
lock_take(const char *lock)
{
	int64_t deadline = mono_ms() + ENSURE_WAIT_MS;

	while (mkdir(lock, 0700) == -1) {
		if (errno != EEXIST)
			return -1;
		if (lock_stale(lock) && rmdir(lock) == 0)
			continue;
		if (mono_ms() >= deadline) {
			errno = EBUSY;
			return -1;
		}
		usleep(LOCK_POLL_US);
	}
	return 0;
}

/* ---- walking to the place ---- */

struct edit {
	yyjson_mut_doc *doc;
	yyjson_val *path, *value;
	const char *how;
	bool changed;
	const char *why; /* it can't be done */
};

/* Has `element` all members of `where`, with their values? */
static bool
has_members(yyjson_mut_val *element, yyjson_mut_val *where)
{
	size_t i, max;
	yyjson_mut_val *key, *value;

	if (!yyjson_mut_is_obj(element))
		return false;
	yyjson_mut_obj_foreach(where, i, max, key, value)
	{
		yyjson_mut_val *have = yyjson_mut_obj_getn(
		    element, yyjson_mut_get_str(key), yyjson_mut_get_len(key));

		if (have == NULL || !yyjson_mut_equals(have, value))
			return false;
	}
	return true;
}

static yyjson_mut_val *
find_element(yyjson_mut_val *array, yyjson_mut_val *where)
{
	size_t i, max;
	yyjson_mut_val *element;

	yyjson_mut_arr_foreach(
	    array, i, max, element) if (has_members(element, where)) return element;
	return NULL;
}

static yyjson_mut_val *
member_of(struct edit *e, yyjson_mut_val *at, yyjson_val *step, yyjson_val *after)
{
	yyjson_mut_val *found;

	if (!yyjson_mut_is_obj(at)) {
		e->why = "something on the way is no object";
		return NULL;
	}
	found = yyjson_mut_obj_getn(at, yyjson_get_str(step), yyjson_get_len(step));
	if (found != NULL)
		return found;
	found = yyjson_is_str(after) ? yyjson_mut_obj(e->doc) : yyjson_mut_arr(e->doc);
	yyjson_mut_obj_add(at, yyjson_val_mut_copy(e->doc, step), found);
	e->changed = true;
	return found;
}

static yyjson_mut_val *
element_of(struct edit *e, yyjson_mut_val *at, yyjson_val *step)
{
	yyjson_mut_val *where = yyjson_val_mut_copy(e->doc, json_get(step, "where"));
	yyjson_mut_val *found;

	if (!yyjson_mut_is_arr(at)) {
		e->why = "something on the way is no array";
		return NULL;
	}
	found = find_element(at, where);
	if (found == NULL) {
		yyjson_mut_arr_append(at, where);
		e->changed = true;
		found = where;
	}
	return found;
}

/* ---- changing it ---- */

static bool
in_array(yyjson_mut_val *array, yyjson_mut_val *value)
{
	size_t i, max;
	yyjson_mut_val *element;

	yyjson_mut_arr_foreach(
	    array, i, max, element) if (yyjson_mut_equals(element, value)) return true;
	return false;
}

static void
append_to(struct edit *e, yyjson_mut_val *array, yyjson_mut_val *value)
{
	if (!yyjson_mut_is_arr(array))
		e->why = "what is to be appended to is no array";
	else if (!in_array(array, value)) {
		yyjson_mut_arr_append(array, value);
		e->changed = true;
	}
}

static void
set_member(struct edit *e, yyjson_mut_val *at, yyjson_val *name)
{
	yyjson_mut_val *value = yyjson_val_mut_copy(e->doc, e->value), *have;

	if (!yyjson_mut_is_obj(at)) {
		e->why = "something on the way is no object";
		return;
	}
	have = yyjson_mut_obj_getn(at, yyjson_get_str(name), yyjson_get_len(name));
	if (strcmp(e->how, "append") == 0) {
		append_to(e, member_of(e, at, name, NULL), value);
		return;
	}
	if (have != NULL &&
	    (strcmp(e->how, "default") == 0 || yyjson_mut_equals(have, value)))
		return;
	e->changed = true;
	if (have == NULL)
		yyjson_mut_obj_add(at, yyjson_val_mut_copy(e->doc, name), value);
	else /* in its place */
		yyjson_mut_obj_replace(at, yyjson_val_mut_copy(e->doc, name), value);
}

static bool
step_ok(yyjson_val *step)
{
	return yyjson_is_str(step) || yyjson_is_obj(json_get(step, "where"));
}

/* The last step names a member: an array's element is reached by its own members. */
static bool
edit_ok(const struct edit *e)
{
	size_t i, max;
	yyjson_val *step;

	yyjson_arr_foreach(e->path, i, max, step) if (!step_ok(step)) return false;
	return yyjson_is_str(yyjson_arr_get_last(e->path)) && e->value != NULL &&
	       (strcmp(e->how, "set") == 0 || strcmp(e->how, "default") == 0 ||
		   strcmp(e->how, "append") == 0);
}

static void
apply(struct edit *e)
{
	yyjson_mut_val *at = yyjson_mut_doc_get_root(e->doc);
	size_t last = yyjson_arr_size(e->path) - 1;

	if (!edit_ok(e)) {
		e->why = "the launcher's edit has no such form";
		return;
	}
	for (size_t i = 0; i < last && at != NULL; i++) {
		yyjson_val *step = yyjson_arr_get(e->path, i);

		at = yyjson_is_str(step)
			 ? member_of(e, at, step, yyjson_arr_get(e->path, i + 1))
			 : element_of(e, at, step);
	}
	if (at != NULL)
		set_member(e, at, yyjson_arr_get(e->path, last));
}

/* ---- the file ---- */

struct original {
	struct buf text;
	mode_t mode;
	bool pretty;
};

/* Empty, or not there, is {}. NULL: left alone, and why. */
static yyjson_mut_doc *
read_document(const char *file, struct original *o, struct buf *warning)
{
	struct stat st;
	yyjson_doc *doc;
	yyjson_mut_doc *out = NULL;
	const char *why;

	if (buf_read_file(&o->text, file, ENSURE_FILE_MAX) == -1 && errno != ENOENT) {
		complain(warning, "%s: left alone: %s", file,
		    errno == ELOOP ? "a symbolic link" : strerror(errno));
		return NULL;
	}
	o->mode = lstat(file, &st) == 0 ? st.st_mode & 07777 : 0600;
	o->pretty =
	    o->text.len == 0 || memchr(o->text.data, '\n', o->text.len - 1) != NULL;
	if (strspn(buf_str(&o->text), " \t\r\n") == o->text.len)
		return json_object();
	doc = json_parse(o->text.data, o->text.len, &why);
	yyjson_doc_free(doc);
	if (doc != NULL) /* json_parse() guards; this keeps numbers that fit no C type */
		doc = yyjson_read(o->text.data, o->text.len, YYJSON_READ_BIGNUM_AS_RAW);
	if (doc == NULL)
		complain(warning, "%s: left alone: not JSON (%s)", file, why);
	else if (!yyjson_is_obj(yyjson_doc_get_root(doc)))
		complain(warning, "%s: left alone: not a JSON object", file);
	else
		out = yyjson_doc_mut_copy(doc, NULL);
	yyjson_doc_free(doc);
	return out;
}

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t wrote = write(fd, text, len);

		if (wrote == -1 && errno == EINTR)
			continue;
		if (wrote == -1)
			return -1;
		text += wrote;
		len -= (size_t)wrote;
	}
	return 0;
}

static int
replace_file(const char *file, mode_t mode, const char *text, size_t len)
{
	char *beside = xasprintf("%s.berth.%d", file, (int)getpid());
	int fd, result = -1;

	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd != -1) {
		if (write_all(fd, text, len) == 0 && fchmod(fd, mode) == 0 &&
		    fsync(fd) == 0)
			result = 0;
		if (close(fd) == -1)
			result = -1;
		if (result == 0)
			result = rename(beside, file);
		if (result == -1)
			unlink(beside);
	}
	free(beside);
	return result;
}

static void
write_document(
    const char *file, const struct original *o, yyjson_mut_doc *doc, struct buf *warning)
{
	yyjson_write_flag flags = o->pretty ? YYJSON_WRITE_PRETTY_TWO_SPACES : 0;
	size_t len;
	char *text;

	if (o->text.len == 0 || o->text.data[o->text.len - 1] == '\n')
		flags |= YYJSON_WRITE_NEWLINE_AT_END;
	text = yyjson_mut_write(doc, flags, &len);
	if (text == NULL)
		complain(warning, "%s: left alone: cannot be written as JSON", file);
	else if (replace_file(file, o->mode, text, len) == -1)
		complain(warning, "%s: cannot be written: %s", file, strerror(errno));
	free(text);
}

/* The document with its edits made; NULL: left alone. */
static yyjson_mut_doc *
edit(const char *file, yyjson_val *set, struct original *o, bool *changed,
    struct buf *warning)
{
	yyjson_mut_doc *doc = read_document(file, o, warning);
	size_t i, max;
	yyjson_val *one;

	*changed = false;
	yyjson_arr_foreach(set, i, max, one)
	{
		struct edit e = {.doc = doc,
		    .path = json_get(one, "path"),
		    .value = json_get(one, "value"),
		    .how = json_str(one, "how", "set")};

		if (doc == NULL)
			break;
		apply(&e);
		*changed |= e.changed;
		if (e.why != NULL)
			complain(
			    warning, "%s: edit %zu not made: %s", file, i + 1, e.why);
	}
	return doc;
}

/* Then no lock is needed; a CLI that was killed may have left one behind. */
static bool
nothing_to_do(const char *file, yyjson_val *set)
{
	struct original o = {.text = BUF_INIT};
	struct buf warning = BUF_INIT;
	bool changed;
	yyjson_mut_doc *doc = edit(file, set, &o, &changed, &warning);
	bool nothing = doc != NULL && !changed && warning.len == 0;

	yyjson_mut_doc_free(doc);
	buf_free(&o.text);
	buf_free(&warning);
	return nothing;
}

static void
edit_file(const char *file, yyjson_val *set, struct buf *warning)
{
	struct original o = {.text = BUF_INIT};
	bool changed;
	yyjson_mut_doc *doc = edit(file, set, &o, &changed, warning);

	if (changed)
		write_document(file, &o, doc, warning);
	yyjson_mut_doc_free(doc);
	buf_free(&o.text);
}

static void
ensure_file(yyjson_val *entry, struct buf *warning)
{
	const char *file = json_str(entry, "file", NULL),
		   *lock = json_str(entry, "lock", NULL);
	yyjson_val *set = json_get(entry, "set");

	if (file == NULL || nothing_to_do(file, set))
		return;
	if (lock != NULL && lock_take(lock) == -1) {
		complain(warning, "%s: left alone: lock %s: %s", file, lock,
		    errno == EBUSY ? "held by another" : strerror(errno));
		return;
	}
	edit_file(file, set, warning);
	if (lock != NULL && rmdir(lock) == -1)
		log_warn("remove the lock %s", lock);
}

void
ensure_files(yyjson_val *list, struct buf *warning)
{
	size_t i, max;
	yyjson_val *entry;

	yyjson_arr_foreach(list, i, max, entry) ensure_file(entry, warning);
}
