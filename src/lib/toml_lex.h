/*
 * The inside of the TOML parser, for toml*.c only: a cursor over the text that knows its
 * line and column, and what is read with it. Functions that return false have filled
 * lex->error.
 */
#ifndef TOML_LEX_H
#define TOML_LEX_H
#include "buf.h"
#include "toml.h"

struct arena;

struct toml_text {
	const char *data;
	size_t len;
};

struct toml_pos {
	unsigned line, column;
};

struct toml_lex {
	const char *p, *end;
	struct toml_pos at; /* of p */
	const char *name;
	struct toml_error *error;
	struct arena *arena; /* where keys and strings go */
	struct buf scratch;
};

enum toml_made { /* how a table or an array came to be: decides what may be added to it */
	MADE_IMPLICIT, /* [a.b] made a */
	MADE_HEADER,   /* [a] */
	MADE_DOTTED,   /* a.b = 1 made a */
	MADE_INLINE,   /* { } or [ ]: complete as written */
	MADE_TABLES    /* [[a]]: an array of tables */
};

struct toml_node {
	struct toml_node *parent, *next;
	const char *key;
	uint32_t key_len;
	uint32_t line, column, key_column;
	uint8_t type; /* enum toml_type */
	uint8_t made; /* enum toml_made */
	uint16_t depth;
	union {
		struct {
			struct toml_node *first, *last;
			size_t count;
		} children;
		struct toml_text string;
		int64_t integer;
		double real;
		bool boolean;
		struct toml_time time;
	} u;
};

bool toml_fail(struct toml_lex *lex, struct toml_pos at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The whole text at once: UTF-8, and no control character but tab and newline (LF or
 * CRLF). With that known, nothing after it has to look for them again. */
bool toml_check_bytes(struct toml_lex *lex);

int toml_peek(
    const struct toml_lex *lex); /* the byte at p, -1 at the end; "\r\n" shows as '\n' */
bool toml_ahead(const struct toml_lex *lex, const char *text);
void toml_step(struct toml_lex *lex);         /* over one byte, or one "\r\n" */
bool toml_take(struct toml_lex *lex, char c); /* steps over c if it is there */
void toml_skip_space(struct toml_lex *lex);   /* spaces and tabs */
void toml_skip_lines(struct toml_lex *lex);   /* and newlines and comments */
bool toml_end_of_line(
    struct toml_lex *lex, const char *after); /* comment, newline or end must follow */

bool toml_read_string(
    struct toml_lex *lex, struct toml_text *out); /* at a quote, any of the four kinds */
bool toml_read_key(struct toml_lex *lex, struct toml_text *out); /* one part of a key */
/* A number, boolean, date or time: sets node's type and value. `where` completes
 * "expected a value". */
bool toml_read_scalar(struct toml_lex *lex, struct toml_node *node, const char *where);
/* toml_time.c: all of token, strictly; false without an error. */
bool toml_scan_time(struct toml_text token, enum toml_type *type, struct toml_time *time);
#endif
