/* The folder that an agent can't write to: what is said to do depends on whose it is. */
#include "world.h"

#include "launcher/folder.h"

int64_t
agent_spec_int(const struct agent *a, const char *key, int64_t otherwise)
{
	return json_int(yyjson_doc_get_root(a->spec), key, otherwise);
}

/* args: with ' for ". */
static void
told(struct agent *a, const char *args)
{
	char *json = xstrdup(args);
	const char *why;
	yyjson_doc *doc;

	for (char *p = json; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	doc = json_parse(json, strlen(json), &why);
	assert_non_null(doc);
	folder_told(a, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	free(json);
}

static void
the_hint_is_what_can_be_done(void **state)
{
	static const struct {
		const char *args, *hint, *never;
	} cases[] = {
	    {"{'why':'w','uid':1234,'gid':55}",
		"chown it to 2001:2002, or let its owner be the agent's user (PUID=1234 "
		"PGID=55,",
		"ro"},
	    {"{'why':'w','uid':0,'gid':0}", "chown it to 2001:2002 (uid 0 can't be",
		"PUID"},
	    {"{'why':'w','uid':900,'gid':0}", "(uid 900 can't be", "PUID"},
	    {"{'why':'w','uid':-1,'gid':0}", "(uid -1 can't be", "PUID"},
	    {"{'why':'w','uid':4294967296,'gid':0}", "(uid 4294967296 can't be", "PUID"},
	    {"{'why':'w','read_only':true,'uid':0,'gid':0}", "mount it without ro",
		"chown"},
	};
	struct agent *a = world_agent("main", NULL, "{\"uid\":2001,\"gid\":2002}");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		folder_forget(a);
		told(a, cases[i].args);
		assert_string_equal(a->folder_why, "w");
		if (strstr(a->folder_hint, cases[i].hint) == NULL ||
		    strstr(a->folder_hint, cases[i].never) != NULL)
			fail_msg("%s: %s", cases[i].args, a->folder_hint);
	}
}

static struct agent *talker;

static void
tell_again_and_again(void *arg)
{
	(void)arg;
	told(talker, "{'why':'one'}");
	told(talker, "{'why':'one'}");
	told(talker, "{'why':'two'}");
	told(talker, "{'why':null}");
	told(talker, "{'why':null}");
}

/* After every hello it is told again. */
static void
only_what_is_new_is_logged(void **state)
{
	char said[1024];

	(void)state;
	talker = world_agent("main", NULL, "{}");
	assert_int_equal(
	    unit_in_child(tell_again_and_again, NULL, said, sizeof(said)), 0);
	assert_string_equal(said,
	    "berth: warning: agent=main can't write to its folder: one\n"
	    "berth: warning: agent=main can't write to its folder: two\n"
	    "berth: info: agent=main can write to its folder now\n");
}

static void
it_is_over_when_it_can_write(void **state)
{
	struct agent *a = world_agent("main", NULL, "{}");

	(void)state;
	told(a, "{'why':null}");
	assert_null(a->folder_why);
	told(a, "{'why':'no','uid':0}");
	assert_string_equal(a->folder_why, "no");
	told(a, "{'why':null,'read_only':false,'uid':0,'gid':0}");
	assert_null(a->folder_why);
	assert_null(a->folder_hint);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(the_hint_is_what_can_be_done),
	    WORLD_TEST(only_what_is_new_is_logged),
	    WORLD_TEST(it_is_over_when_it_can_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
