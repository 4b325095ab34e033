/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal as one screen that is drawn anew: the alternate screen, keys
 * one by one, and the terminal as it was before on every way out, by a signal
 * too. There is one terminal, and so one screen.
 */
#ifndef RINGWATCH_CTL_SCREEN_H
#define RINGWATCH_CTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/lines.h"

enum rw_key {
	RW_KEY_NONE, /* none came in time, or the size changed */
	RW_KEY_QUIT,
	RW_KEY_REFRESH,
	RW_KEY_UP,
	RW_KEY_DOWN,
	RW_KEY_ENTER,
	RW_KEY_BACK,
	RW_KEY_HELP,
	RW_KEY_OTHER,
};

/* Takes stdout over. Without a terminal on stdin there are no keys. */
void rw_screen_enter(void);
/* Gives it back as it was; again, or not entered: nothing. */
void rw_screen_leave(void);

/* Columns and lines, at least 1; 80 by 24 when the terminal does not tell. */
void rw_screen_size(size_t *width, size_t *height);

/* 0, or -errno: nobody reads the terminal any more. */
int rw_screen_draw(const struct rw_lines *lines);

/* Waits for a key, a change of size or `timeout_ms`. */
enum rw_key rw_screen_wait(uint64_t timeout_ms);

/* What a key's bytes mean; *used: how many of them, 0 when more must come. */
enum rw_key rw_screen_key(const char *bytes, size_t length, size_t *used);

#endif
