/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log excerpts: what comes from the wire never unpacks to more than it said,
 * and what was packed comes back, its head and its tail at least.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/events/excerpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

static void unpack(const uint8_t *data, size_t size)
{
	uint32_t plain;

	if (size < sizeof(plain))
		return;
	memcpy(&plain, data, sizeof(plain));
	plain %= RW_LOG_PLAIN_MAX + 2;
	/* exactly so large: the sanitizer sees a byte too many */
	char *out = malloc(plain > 0 ? plain : 1);
	must(out != NULL);
	long length = rw_excerpt_unpack(data + sizeof(plain), size - sizeof(plain), plain, out);
	must(length == -EBADMSG || (length >= 0 && length <= (long)plain));
	must(plain <= RW_LOG_PLAIN_MAX || length == -EBADMSG);
	free(out);
}

static void pack(const char *text, size_t length)
{
	static char out[RW_LOG_PLAIN_MAX];
	struct rw_log_excerpt log;

	must(rw_excerpt_pack(text, length, &log) == 0);
	must(log.packed_bytes > 0 && log.packed_bytes <= RW_LOG_PACKED_MAX);
	must(log.plain_bytes <= RW_LOG_PLAIN_MAX);
	long n = rw_excerpt_unpack(log.packed, log.packed_bytes, log.plain_bytes, out);
	must(n == (long)log.plain_bytes);
	if ((size_t)n == length && length <= RW_LOG_PLAIN_MAX)
		must(memcmp(out, text, length) == 0);
	size_t ends = length < 64 ? length : 64;
	must(memcmp(out, text, ends) == 0 || length > 3000);
	must(n < 1 || length < 1 || out[n - 1] == text[length - 1]);
}

static void keep(const uint8_t *data, size_t size)
{
	struct rw_excerpt *e = rw_excerpt_new();
	struct rw_log_excerpt log;
	uint64_t sequence = 0;

	must(e != NULL);
	for (size_t at = 0; at < size; sequence++) {
		size_t length = (size_t)data[at] * 16;
		at++;
		if (length > size - at)
			length = size - at;
		rw_excerpt_line(e, sequence, sequence * 1000, (const char *)data + at, length);
		at += length;
	}
	int err = rw_excerpt_cut(e, 0, UINT64_MAX, &log);
	must(err == (sequence > 0 ? 0 : -ENOENT));
	must(sequence == 0 || rw_excerpt_cut(e, sequence - 1, sequence - 1, &log) == 0);
	rw_excerpt_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unpack(data, size);
	pack((const char *)data, size);
	keep(data, size);
	return 0;
}
