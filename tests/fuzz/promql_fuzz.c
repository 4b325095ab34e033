/* SPDX-License-Identifier: Apache-2.0 */
/* An instant query as a controller sends it: understood, or refused by one line. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "collector/api/promql.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_BYTES = 2 * RW_PROMQL_TEXT_MAX };

/* Ends within what was understood. */
static void check_part(const struct rw_promql *query, const char *part)
{
	must(part >= query->text && part < query->text + sizeof(query->text));
	must(memchr(part, '\0', (size_t)(query->text + sizeof(query->text) - part)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TEXT_BYTES + 1];
	static struct rw_promql query;
	char error[RW_PROMQL_ERROR_BYTES] = "";
	size_t length = size < TEXT_BYTES ? size : TEXT_BYTES;

	memcpy(text, data, length);
	text[length] = '\0';
	int err = rw_promql_parse(text, &query, error);
	must(err == 0 || err == -EINVAL);
	must((err != 0) == (error[0] != '\0'));
	must(strnlen(error, sizeof(error)) < sizeof(error) && strchr(error, '\n') == NULL);
	if (err != 0 || query.is_vector)
		return 0;
	check_part(&query, query.series);
	must(query.matcher_count <= RW_PROMQL_MATCHERS_MAX);
	for (size_t i = 0; i < query.matcher_count; i++) {
		check_part(&query, query.matchers[i].name);
		check_part(&query, query.matchers[i].value);
	}
	return 0;
}
