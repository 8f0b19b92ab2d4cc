#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <utime.h>

#include "buf.h"
#include "clock.h"
#include "json.h"
#include "shim/ensure.h"

static char dir[64];
static char file[128], lock[128];
static struct buf warning;

static int
setup(void **state)
{
	(void)state;
	unit_tmpdir(dir);
	snprintf(file, sizeof(file), "%s/f.json", dir);
	snprintf(lock, sizeof(lock), "%s/f.json.lock", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&warning);
	unit_rmdir(dir);
	return 0;
}

static void
put(const char *text)
{
	unit_put(file, text);
}

static void
assert_file(const char *text)
{
	struct buf have = BUF_INIT;

	assert_int_equal(buf_read_file(&have, file, 1 << 20), 0);
	assert_string_equal(buf_str(&have), text);
	buf_free(&have);
}

/* set: the list of edits, with ' for " */
static void
ensure(const char *set, bool locked)
{
	struct buf list = BUF_INIT;
	const char *why;

	buf_addf(&list, "[{'file':'%s',", file);
	if (locked)
		buf_addf(&list, "'lock':'%s',", lock);
	buf_addf(&list, "'set':%s}]", set);
	for (size_t i = 0; i < list.len; i++)
		if (list.data[i] == '\'')
			list.data[i] = '"';
	yyjson_doc *doc = json_parse(list.data, list.len, &why);
	assert_non_null(doc);
	ensure_files(yyjson_doc_get_root(doc), &warning);
	yyjson_doc_free(doc);
	buf_free(&list);
}

static void
a_new_file_is_made_private(void **state)
{
	struct stat st;

	(void)state;
	ensure("[{'path':['a','b'],'value':true,'how':'set'}]", false);
	assert_file("{\n  \"a\": {\n    \"b\": true\n  }\n}\n");
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_string_equal(buf_str(&warning), "");
}

static void
the_rest_keeps_order_numbers_layout_and_mode(void **state)
{
	struct stat st;

	(void)state;
	put("{\"z\":1,\"big\":123456789012345678901234567890,\"m\":{\"x\":1.5,\"b\":0},"
	    "\"a\":\"\\u00e9\"}");
	assert_int_equal(chmod(file, 0640), 0);
	ensure("[{'path':['m','b'],'value':7,'how':'set'}]", false);
	assert_file("{\"z\":1,\"big\":123456789012345678901234567890,\"m\":{\"x\":1.5,"
		    "\"b\":7},\"a\":\"é\"}");
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void
nothing_to_change_writes_nothing(void **state)
{
	struct stat before, after;

	(void)state;
	put("{ \"a\" :  [1, {\"k\":\"v\"}], \"b\":\"have\" }");
	assert_int_equal(stat(file, &before), 0);
	ensure("[{'path':['a'],'value':1,'how':'append'},{'path':['a'],'value':{'k':'v'},"
	       "'how':'append'},"
	       "{'path':['b'],'value':'other','how':'default'},{'path':['b'],'value':'"
	       "have','how':'set'}]",
	    false);
	assert_int_equal(stat(file, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_file("{ \"a\" :  [1, {\"k\":\"v\"}], \"b\":\"have\" }");
}

static void
default_and_append(void **state)
{
	(void)state;
	put("{\"list\":[\"x\"],\"nothing\":null}");
	ensure("[{'path':['theme'],'value':'dark','how':'default'},"
	       "{'path':['nothing'],'value':1,'how':'default'},"
	       "{'path':['list'],'value':'y','how':'append'},"
	       "{'path':['c','approved'],'value':'key','how':'append'}]",
	    false);
	assert_file("{\"list\":[\"x\",\"y\"],\"nothing\":null,\"theme\":\"dark\","
		    "\"c\":{\"approved\":[\"key\"]}}");
}

static void
where_finds_an_element_or_makes_it(void **state)
{
	(void)state;
	put("{\"bindings\":[{\"context\":\"Global\",\"bindings\":{\"x\":\"y\"}},"
	    "{\"context\":\"Chat\",\"bindings\":{\"a\":\"b\"}}]}");
	ensure("[{'path':['bindings',{'where':{'context':'Chat'}},'bindings','c'],'value'"
	       ":'d','how':'set'},"
	       "{'path':['bindings',{'where':{'context':'New'}},'bindings','e'],'value':'"
	       "f','how':'set'}]",
	    false);
	assert_file("{\"bindings\":[{\"context\":\"Global\",\"bindings\":{\"x\":\"y\"}},"
		    "{\"context\":\"Chat\",\"bindings\":{\"a\":\"b\",\"c\":\"d\"}},"
		    "{\"context\":\"New\",\"bindings\":{\"e\":\"f\"}}]}");
}

static void
where_makes_the_array_too(void **state)
{
	(void)state;
	put("{}");
	ensure("[{'path':['bindings',{'where':{'context':'Chat'}},'on'],'value':true,'"
	       "how':'set'}]",
	    false);
	assert_file("{\"bindings\":[{\"context\":\"Chat\",\"on\":true}]}");
}

static void
what_is_no_json_is_left_alone(void **state)
{
	static const char *const texts[] = {"{\"a\":", "[1]", "{\"a\":1}}", "nonsense"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		put(texts[i]);
		buf_clear(&warning);
		ensure("[{'path':['a'],'value':2,'how':'set'}]", false);
		assert_file(texts[i]);
		assert_non_null(strstr(buf_str(&warning), "left alone: not "));
	}
}

static void
an_empty_file_is_an_empty_object(void **state)
{
	(void)state;
	put(" \n");
	ensure("[{'path':['a'],'value':2,'how':'set'}]", false);
	assert_file("{\"a\":2}\n");
}

static void
an_edit_in_the_wrong_place_is_reported_the_others_made(void **state)
{
	(void)state;
	put("{\"projects\":\"a string\",\"list\":{}}");
	ensure("[{'path':['projects','/x','t'],'value':true,'how':'set'},"
	       "{'path':['list'],'value':1,'how':'append'},{'path':[],'value':1},"
	       "{'path':['ok'],'value':1,'how':'set'}]",
	    false);
	assert_file("{\"projects\":\"a string\",\"list\":{},\"ok\":1}");
	assert_non_null(strstr(
	    buf_str(&warning), "edit 1 not made: something on the way is no object"));
	assert_non_null(strstr(buf_str(&warning), "edit 2 not made"));
	assert_non_null(strstr(buf_str(&warning), "edit 3 not made"));
}

static void
a_symbolic_link_is_left_alone(void **state)
{
	char target[128];

	(void)state;
	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(symlink(target, file), 0);
	ensure("[{'path':['a'],'value':2,'how':'set'}]", false);
	assert_int_equal(access(target, F_OK), -1);
	assert_non_null(strstr(buf_str(&warning), "a symbolic link"));
}

static void
a_lock_of_another_is_waited_for(void **state)
{
	(void)state;
	put("{}");
	assert_int_equal(mkdir(lock, 0700), 0);
	pid_t pid = fork();
	if (pid == 0) {
		usleep(200000);
		_exit(rmdir(lock) == 0 ? 0 : 1);
	}
	ensure("[{'path':['a'],'value':2,'how':'set'}]", true);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_file("{\"a\":2}");
	assert_int_equal(access(lock, F_OK), -1);
}

static void
a_lock_that_is_kept_leaves_the_file_alone(void **state)
{
	(void)state;
	put("{}");
	assert_int_equal(mkdir(lock, 0700), 0);
	ensure("[{'path':['a'],'value':2,'how':'set'}]", true);
	assert_file("{}");
	assert_non_null(strstr(buf_str(&warning), "held by another"));
	assert_int_equal(access(lock, F_OK), 0);
}

static void
a_lock_is_no_matter_when_there_is_nothing_to_do(void **state)
{
	int64_t began = mono_ms();

	(void)state;
	put("{\"a\":2}");
	assert_int_equal(mkdir(lock, 0700), 0);
	ensure("[{'path':['a'],'value':2,'how':'set'}]", true);
	assert_true(mono_ms() - began < ENSURE_WAIT_MS);
	assert_string_equal(buf_str(&warning), "");
	assert_int_equal(access(lock, F_OK), 0);
}

static void
a_lock_left_behind_is_taken(void **state)
{
	struct utimbuf old = {
	    .actime = 1, .modtime = time(NULL) - ENSURE_STALE_MS / 1000 - 2};

	(void)state;
	put("{}");
	assert_int_equal(mkdir(lock, 0700), 0);
	assert_int_equal(utime(lock, &old), 0);
	ensure("[{'path':['a'],'value':2,'how':'set'}]", true);
	assert_file("{\"a\":2}");
	assert_int_equal(access(lock, F_OK), -1);
}

static void
directories_are_made_with_their_parents(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/a/b/c", dir);
	assert_int_equal(ensure_dir(path), 0);
	assert_int_equal(ensure_dir(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0700);
	put("");
	snprintf(path, sizeof(path), "%s/f.json/x", dir);
	assert_int_equal(ensure_dir(path), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    T(a_new_file_is_made_private),
	    T(the_rest_keeps_order_numbers_layout_and_mode),
	    T(nothing_to_change_writes_nothing),
	    T(default_and_append),
	    T(where_finds_an_element_or_makes_it),
	    T(where_makes_the_array_too),
	    T(what_is_no_json_is_left_alone),
	    T(an_empty_file_is_an_empty_object),
	    T(an_edit_in_the_wrong_place_is_reported_the_others_made),
	    T(a_symbolic_link_is_left_alone),
	    T(a_lock_of_another_is_waited_for),
	    T(a_lock_that_is_kept_leaves_the_file_alone),
	    T(a_lock_is_no_matter_when_there_is_nothing_to_do),
	    T(a_lock_left_behind_is_taken),
	    T(directories_are_made_with_their_parents),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
