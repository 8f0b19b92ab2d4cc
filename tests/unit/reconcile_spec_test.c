/* An agent as the launcher is told, and which changes of the configuration restart it. */
#include "unit.h"

#include "config.h"
#include "json.h"
#include "paths.h"
#include "reconcile/spec.h"

static char *const no_env[] = {NULL};

static struct agent_spec
spec_of(const char *agent_lines, char *const *env, uint64_t secrets)
{
	char text[2000];
	struct config_source source = {
	    .name = "berth.toml", .text = text, .environ = env, .host_name = "box"};
	struct agent_spec s = {0};
	struct config *c;

	snprintf(text, sizeof(text), "[agents.main]\n%s%s\n",
	    strstr(agent_lines, "driver") != NULL ? "" : "driver = \"claude\"\n",
	    agent_lines);
	source.len = strlen(text);
	c = config_load(&source);
	if (config_errors(c) > 0)
		fail_msg("%s: %s", agent_lines, config_error(c, 0));
	spec_make(c, "main", env, secrets, &s);
	config_free(c);
	return s;
}

static void
all_of_it_is_told(void **state)
{
	struct agent_spec s =
	    spec_of("args = [\"-x\", \"a b\"]\nenv.EDITOR = \"vi\"\n"
		    "secrets.KEY = \"file\"\ncwd = \"/projects/x\"\nnice = 3\n"
		    "permission_timeout = \"2m\"\nallow = [\"Bash(ls)\"]\n"
		    "proxy = \"http://u:p@h:1\"\nbatch = \"single\"\n",
		no_env, 7);
	const char *why;
	yyjson_doc *doc = json_parse(s.json, strlen(s.json), &why);
	yyjson_val *root = yyjson_doc_get_root(doc);

	(void)state;
	assert_non_null(doc);
	assert_string_equal(json_str(root, "driver", ""), "claude");
	assert_string_equal(json_str(root, "cwd", ""), "/projects/x");
	assert_string_equal(json_str(root, "batch", ""), "single");
	assert_string_equal(json_str(root, "start", ""), "always");
	assert_string_equal(json_str(root, "proxy", ""), "http://u:p@h:1");
	assert_string_equal(
	    yyjson_get_str(yyjson_arr_get(json_get(root, "args"), 1)), "a b");
	assert_string_equal(json_str(json_get(root, "env"), "EDITOR", ""), "vi");
	assert_string_equal(json_str(json_get(root, "secrets"), "KEY", ""), "file");
	assert_int_equal(json_int(root, "permission_timeout_ms", 0), 120000);
	assert_int_equal(json_int(root, "nice", 0), 3);
	assert_int_equal(json_int(root, "uid", 0), UID_AGENT);
	assert_string_equal(json_str(root, "user", ""), "agent");
	assert_string_equal(json_str(root, "home", ""), HOME_DIR "/agent");
	yyjson_doc_free(doc);
	spec_free(&s);
}

static void
users_are_the_files_or_the_environments(void **state)
{
	static char *const env[] = {"PUID=1234", "PGID=55", NULL};
	struct agent_spec s = spec_of("", env, 0);

	(void)state;
	assert_int_equal(s.uid, 1234);
	assert_int_equal(s.gid, 55);
	assert_string_equal(s.user, "agent");
	spec_free(&s);
	s = spec_of("uid = 2000", env, 0);
	assert_int_equal(s.uid, 2000);
	assert_int_equal(s.gid, 2000);
	assert_string_equal(s.user, "agent2000");
	assert_string_equal(s.home, HOME_DIR "/agent2000");
	spec_free(&s);
	s = spec_of("uid = 2000\ngid = 7", env, 0);
	assert_int_equal(s.gid, 7);
	spec_free(&s);
	s = spec_of(
	    "uid = 1234", env, 0); /* the default one, named: its gid is as documented */
	assert_int_equal(s.gid, 1234);
	assert_string_equal(s.user, "agent");
	spec_free(&s);
}

/* Each key, and whether its change needs a restart. */
static void
only_what_a_start_decides_changes_the_hash(void **state)
{
	static const struct {
		const char *before, *after;
		bool restarts;
	} changes[] = {
	    {"", "batch = \"single\"", false},
	    {"", "start = \"manual\"", false},
	    {"", "on_cut = \"drop\"", false},
	    {"", "driver = \"demo\"", true},
	    {"driver = \"command\"\ncommand = [\"/bin/a\"]",
		"driver = \"command\"\ncommand = [\"/bin/b\"]", true},
	    {"driver = \"command\"\ncommand = [\"/bin/a\"]",
		"driver = \"command\"\ncommand = [\"/bin/a\"]\nsilence = \"9s\"", false},
	    {"args = [\"a\", \"b\"]", "args = [\"a b\"]", true},
	    {"args = [\"a\", \"b\"]", "args = [\"b\", \"a\"]", true},
	    {"", "cwd = \"/x\"", true},
	    {"env.A = \"1\"", "env.A = \"2\"", true},
	    {"env.A = \"1\"", "env.B = \"1\"", true},
	    {"", "secrets.A = \"x\"", true},
	    {"secrets.A = \"x\"", "secrets.A = \"y\"", true},
	    {"", "proxy = \"http://h:1\"", true},
	    {"", "no_proxy = \"x\"", true},
	    {"", "mcp = [\"/x.json\"]", true},
	    {"", "permissions = \"sandbox\"", true},
	    {"", "allow = [\"Bash(ls)\"]", true},
	    {"", "deny = [\"Bash(ls)\"]", true},
	    {"allow = [\"Bash(ls)\"]", "deny = [\"Bash(ls)\"]", true},
	    {"", "conversation = \"fresh\"", true},
	    {"", "permission_timeout = \"2m\"", true},
	    {"", "open_files = 100", true},
	    {"", "nice = 1", true},
	    {"", "uid = 2000", true},
	    {"", "gid = 2000", true},
	    {"", "cwd = \"/projects\"", false}, /* as it was */
	    {"nice = 1\ncwd = \"/x\"", "cwd = \"/x\"\nnice = 1 # order", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(changes); i++) {
		struct agent_spec a = spec_of(changes[i].before, no_env, 7),
				  b = spec_of(changes[i].after, no_env, 7);

		if ((strcmp(a.hash, b.hash) != 0) != changes[i].restarts)
			fail_msg("%s -> %s: %s", changes[i].before, changes[i].after,
			    changes[i].restarts ? "no restart" : "a restart");
		assert_int_equal(strlen(a.hash), 16);
		spec_free(&a);
		spec_free(&b);
	}
}

static void
secrets_and_users_restart(void **state)
{
	static char *const env[] = {"PUID=1234", NULL};
	struct agent_spec a = spec_of("", no_env, 7), same = spec_of("", no_env, 7),
			  secret = spec_of("", no_env, 8), user = spec_of("", env, 7);

	(void)state;
	assert_string_equal(a.hash, same.hash);
	assert_string_equal(a.json, same.json);
	assert_string_not_equal(a.hash, secret.hash);
	assert_string_equal(a.json, secret.json);
	assert_string_not_equal(a.hash, user.hash);
	spec_free(&a);
	spec_free(&same);
	spec_free(&secret);
	spec_free(&user);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_of_it_is_told),
	    cmocka_unit_test(users_are_the_files_or_the_environments),
	    cmocka_unit_test(only_what_a_start_decides_changes_the_hash),
	    cmocka_unit_test(secrets_and_users_restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
