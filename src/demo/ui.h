/*
 * The person's side: reads the terminal, edits the input line, draws. What is submitted,
 * interrupted or answered goes to the session; keys in an open dialog answer it, as
 * dangerous as in the real CLI.
 */
#ifndef DEMO_UI_H
#define DEMO_UI_H
#include <stdint.h>

struct loop;
struct screen;
struct session;
struct ui;

struct ui *ui_new(struct loop *loop); /* NULL if standard input is no terminal */
void ui_free(struct ui *ui);          /* restores the terminal */
void ui_attach(struct ui *ui, struct session *session); /* reads from here on */
struct screen *ui_screen(struct ui *ui); /* to print on; then ui_changed() */
void ui_changed(struct ui *ui);          /* something is to be drawn, soon */
void ui_draw(struct ui *ui);             /* now */
void ui_resized(struct ui *ui);
void ui_deaf(struct ui *ui, int64_t ms); /* does not read the terminal for so long */
void ui_remember(struct ui *ui, const char *text); /* for Up */
void ui_put_back(
    struct ui *ui, const char *text); /* into the input line, if that is empty */
#endif
