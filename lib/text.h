/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that came from outside. A kernel log is written by attackers too: what
 * reaches a terminal or a log line goes through rw_text_escape().
 */
#ifndef RINGWATCH_LIB_TEXT_H
#define RINGWATCH_LIB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length in bytes (1 … 4) of the UTF-8 character at `text`, or 0 when it is
 * not valid (overlong, surrogate, above U+10FFFF, cut short). */
size_t rw_utf8_length(const char *text, size_t length);

/* Whether all of it is valid UTF-8 without a NUL. */
bool rw_text_is_clean(const char *text, size_t length);

/*
 * Writes `text` to `out` for a terminal or a log line: control characters
 * (C0, DEL, C1), bidirectional overrides, line separators and bytes that are
 * not UTF-8 come out as `\xNN` each. Never cuts a character in two; what does
 * not fit is left off. Returns the bytes written; `out` is NUL-terminated when
 * size > 0. At most 4 bytes out for each byte in.
 */
size_t rw_text_escape(char *out, size_t size, const char *text, size_t length);

/* As above, but only NULs and invalid bytes are escaped: what a protobuf
 * string may hold, with all that was in the kernel's text. */
size_t rw_text_to_utf8(char *out, size_t size, const char *text, size_t length);

#endif
