/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz targets hold true of what comes out: a broken promise ends the program. */
#ifndef RINGWATCH_TESTS_FUZZ_H
#define RINGWATCH_TESTS_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

static inline void must(int condition)
{
	if (!condition)
		abort();
}

/* Ends within its array of `size` bytes, and is clean UTF-8. */
static inline void check_text(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	must(length < size);
	must(rw_text_is_clean(text, length));
}

#endif
