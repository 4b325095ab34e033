/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging of the programs (the libraries never log): one line an event on
 * stderr, `level=info event=listening addr=…`. The caller writes the fields;
 * control characters, line breaks and invalid UTF-8 in them come out as
 * `\xNN`, so that nothing a host sends can forge a line or drive a terminal.
 * When stderr is not a terminal a line starts with journald's priority prefix,
 * `<6>`. Safe from any thread: one write(2) a line.
 */
#ifndef RINGWATCH_LIB_LOG_H
#define RINGWATCH_LIB_LOG_H

enum rw_log_level {
	RW_LOG_ERROR = 3, /* syslog(3) numbers */
	RW_LOG_WARNING = 4,
	RW_LOG_INFO = 6,
	RW_LOG_DEBUG = 7,
};

/* Lines above `level` are dropped. Default RW_LOG_INFO. */
void rw_log_set_level(enum rw_log_level level);
/* "error", "warning", "info", "debug" → level, or -EINVAL. */
int rw_log_parse_level(const char *name, enum rw_log_level *out);

__attribute__((format(printf, 2, 3))) void rw_log(enum rw_log_level level, const char *fmt, ...);

enum { RW_LOG_QUOTED_BYTES = 512 };
/* A value from outside as one quoted field: `"` and `\` in it come out as \xNN, so
 * that it cannot end its field and begin another. Returns `out`. */
char *rw_log_quoted(const char *text, char out[RW_LOG_QUOTED_BYTES]);

#define rw_error(...) rw_log(RW_LOG_ERROR, __VA_ARGS__)
#define rw_warning(...) rw_log(RW_LOG_WARNING, __VA_ARGS__)
#define rw_info(...) rw_log(RW_LOG_INFO, __VA_ARGS__)
#define rw_debug(...) rw_log(RW_LOG_DEBUG, __VA_ARGS__)

#endif
