/*
 * What single texts and numbers of the configuration may be. Each check answers NULL, or
 * what is wrong in words that follow the quoted text: `"x" is not an absolute path`.
 */
#include "config_impl.h"
#include <string.h>
#include "paths.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool
is_name(const char *text, size_t max)
{
	size_t len = strspn(text, LOWER DIGITS "-");

	return len > 0 && len <= max && text[len] == '\0' &&
	       strchr(LOWER, text[0]) != NULL;
}

const char *
config_check_agent_name(const char *text)
{
	if (strcmp(text, "all") == 0 || strcmp(text, "berth") == 0 ||
	    strcmp(text, "none") == 0)
		return "cannot name an agent: \"all\", \"berth\" and \"none\" have a "
		       "meaning of their own";
	if (!is_name(text, 32))
		return "cannot name an agent: it must begin with a letter, be of a-z, "
		       "0-9 and \"-\" only, "
		       "and have 32 characters at most";
	return NULL;
}

const char *
config_check_host_name(const char *text)
{
	if (!is_name(text, 63))
		return "cannot name a host: it must begin with a letter, be of a-z, 0-9 "
		       "and \"-\" only, "
		       "and have 63 characters at most";
	return NULL;
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

const char *
config_check_path(const char *text)
{
	if (text[0] != '/')
		return "is not an absolute path (one that begins with \"/\")";
	if (has_control(text))
		return "holds a control character, which no path here may";
	return strlen(text) >= 4096 ? "is longer than a path can be (4095 bytes)" : NULL;
}

const char *
config_check_url(const char *text)
{
	static const char *const schemes[] = {"http://", "https://", "socks5://"};
	static const char wrong[] = "is not the URL of a proxy (http://, https:// or "
				    "socks5://, then host and port)";

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncmp(text, schemes[i], len) == 0)
			return text[len] == '\0' || text[len] == '/' ||
				       text[len] == ':' || strchr(text, ' ') != NULL ||
				       has_control(text)
				   ? wrong
				   : NULL;
	}
	return wrong;
}

const char *
config_check_env_name(const char *text)
{
	size_t len = strspn(text, LOWER UPPER DIGITS "_");

	if (len == 0 || text[len] != '\0' || strchr(DIGITS, text[0]) != NULL)
		return "is not the name of an environment variable (letters, digits and "
		       "\"_\", no digit "
		       "first)";
	return NULL;
}

/* A reference, not the secret. Tokens pasted here by mistake are longer than any sensible
 * file name. */
const char *
config_check_secret(const char *text)
{
	static const char wrong[] =
	    "is not a file's name in /data/secrets (letters, digits, \".\", \"_\" "
	    "and \"-\", 64 at most) or env:NAME";
	size_t len = strspn(text, LOWER UPPER DIGITS "._-");

	if (strncmp(text, "env:", 4) == 0)
		return config_check_env_name(text + 4) == NULL ? NULL : wrong;
	if (len > 64 && text[len] == '\0')
		return "is too long for a file's name in /data/secrets: if it is the "
		       "secret itself, put it "
		       "into a file there and write the file's name here";
	return len == 0 || text[len] != '\0' || text[0] == '.' || text[0] == '-' ? wrong
										 : NULL;
}

const char *
config_check_filled(const char *text)
{
	return *text == '\0' ? "is empty: leave it out" : NULL;
}

const char *
config_check_uid(int64_t number)
{
	if (number == 0)
		return "is root, and an agent never runs as root: leave the key out for "
		       "the appliance's "
		       "agent user";
	if (number >= 900 && number <= 999)
		return "is taken: 900 to 999 are berth's own users; 1000 to 63999 are "
		       "free";
	if (number >= GID_TERMINALS && number < GID_TERMINALS + TERMINALS)
		return "is taken: 64000 to 64999 are the groups of terminals, and a "
		       "user's "
		       "group has its number; 1000 to 63999 are free";
	return NULL;
}

const char *
config_check_gid(int64_t number)
{
	if (number == 0)
		return "is root's group: leave the key out for the agent group";
	if (number >= 900 && number <= 999)
		return "is taken: 900 to 999 are berth's own groups; 1000 to 63999 are "
		       "free";
	if (number >= GID_TERMINALS && number < GID_TERMINALS + TERMINALS)
		return "is taken: 64000 to 64999 are the groups of terminals; 1000 to "
		       "63999 "
		       "are free";
	return NULL;
}
