/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict loading of YAML configuration.
 *
 * A program describes its file as a table of keys over a plain struct; the
 * loader fills the struct or says in one line, `FILE:LINE: key: what is wrong,
 * what is expected`, why not. Every key must be there once; unknown and
 * duplicate keys, anchors, aliases, tags, second documents, octal or loose
 * booleans are errors. `schema: N` comes first and must match exactly. A thing
 * that may be left out is written `none`.
 *
 * On any error the struct is untouched. Files are at most 1 MiB.
 */
#ifndef RINGWATCH_LIB_CONF_H
#define RINGWATCH_LIB_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rw_conf_type {
	RW_CONF_NAME,     /* char[RW_NAME_MAX + 1] */
	RW_CONF_STRING,   /* char[size]: 1 … size-1 bytes of clean UTF-8 */
	RW_CONF_PATH,     /* char[size]: absolute, or taken relative to the file's folder */
	RW_CONF_ADDRESS,  /* char[size]: HOST:PORT or [V6]:PORT, port 0 … 65535 */
	RW_CONF_UINT,     /* uint64_t in min … max */
	RW_CONF_BOOL,     /* bool: true or false, nothing else */
	RW_CONF_DURATION, /* uint64_t milliseconds in min … max */
	RW_CONF_BYTES,    /* uint64_t bytes in min … max */
	RW_CONF_RATIO,    /* uint32_t parts per million in min … max */
	RW_CONF_ENUM,     /* uint32_t index into choices */
	RW_CONF_MAP,      /* struct at offset, keys in children */
	RW_CONF_LIST,     /* array at offset of element[0], count at count_offset */
};

struct rw_conf_key {
	const char *name;
	enum rw_conf_type type;
	size_t offset;         /* of the value in the enclosing struct */
	size_t size;           /* of the value: whole char array, or one list element */
	bool none_allowed;     /* `none` leaves the value's bytes zero; the program tells by that
				  or by `present_offset` */
	size_t present_offset; /* of a bool set true when given, false when `none`; 0 = not kept
				  (so it must never be a struct's first member) */
	uint64_t min;
	uint64_t max;                       /* 0 or UINT64_MAX: no upper bound */
	const char *const *choices;         /* RW_CONF_ENUM: NULL-terminated */
	const struct rw_conf_key *children; /* RW_CONF_MAP: ends with name == NULL */
	const struct rw_conf_key *element;  /* RW_CONF_LIST: one key; its offset is 0, name "" */
	size_t count_offset;                /* RW_CONF_LIST: of a uint32_t */
	uint32_t count_min;
	uint32_t count_max; /* RW_CONF_LIST: elements in the array */
};

enum { RW_CONF_ERROR_BYTES = 512 };

/*
 * Loads `path` into `out` (of `out_size` bytes, zeroed first). Returns 0, or
 * -EINVAL (the file's content), or another negative errno (it could not be
 * read). `error` always holds one line then, starting `FILE:LINE: key: `
 * (`FILE: ` when no line is to blame). A nested key is named with dots and
 * brackets, `rings[1].limits.offline`.
 */
int rw_conf_load(const char *path, uint64_t schema, const struct rw_conf_key *keys, void *out,
		 size_t out_size, char error[RW_CONF_ERROR_BYTES]);

/*
 * For checks across keys after loading: the line on which `key` stands, as
 * `FILE:LINE: key: ` + message, into `error`. Returns -EINVAL always. The file
 * is read again, so only call it when something is wrong.
 */
__attribute__((format(printf, 4, 5))) int rw_conf_complain(const char *path, const char *key,
							   char error[RW_CONF_ERROR_BYTES],
							   const char *fmt, ...);

#endif
