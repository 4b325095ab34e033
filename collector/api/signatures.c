/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/signatures: what kernels died or complained of, one row a signature. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collector/api/internal.h"
#include "lib/units.h"

enum { CURSOR_BYTES = 64 };

struct page {
	json_t *list;
	uint64_t limit;
	bool more;
	char cursor[CURSOR_BYTES]; /* behind the last row that was taken */
};

/* "a,b" → ["a","b"]; names hold no comma. */
static json_t *names_of(const char *text)
{
	json_t *list = json_array();

	while (*text != '\0') {
		size_t length = strcspn(text, ",");

		json_array_append_new(list, json_stringn(text, length));
		text += length + (text[length] == ',');
	}
	return list;
}

static int add_signature(void *context, const struct rw_signature_read *row)
{
	struct page *page = context;

	page->more = json_array_size(page->list) == page->limit;
	if (page->more)
		return 1;
	snprintf(page->cursor, sizeof(page->cursor), "%" PRIu64 ".%" PRIu64 ".%" PRIu64, row->bound,
		 row->last_wall_ms, row->last_row);
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}",
				 "signature", row->signature, "kind", row->kind, "symbol",
				 row->symbol, "module", row->module, "detail", row->detail, "hosts",
				 rw_json_count(row->hosts), "events", rw_json_count(row->events),
				 "first_at", rw_json_time(row->first_wall_ms), "last_at",
				 rw_json_time(row->last_wall_ms), "rings", names_of(row->rings),
				 "new_since", names_of(row->new_since));
	return json_array_append_new(page->list, json) == 0 ? 0 : -ENOMEM;
}

/* "BOUND.LAST_AT.LAST_ROW" of the page before. */
static bool cursor_param(struct rw_request *request, struct rw_signature_query *query)
{
	const char *text = rw_uri_value(&request->uri, "cursor");
	uint64_t *const parts[] = {&query->bound, &query->last_wall_ms, &query->last_row};
	char word[CURSOR_BYTES];

	if (text == NULL)
		return true;
	for (int i = 0; i < 3; i++) {
		size_t length = strcspn(text, ".");
		bool ends = i == 2;

		if (length >= sizeof(word) || (text[length] == '\0') != ends)
			break;
		memcpy(word, text, length);
		word[length] = '\0';
		if (rw_units_parse_uint(word, parts[i]) != 0 || *parts[i] == 0 ||
		    *parts[i] > INT64_MAX)
			break;
		if (ends)
			return true;
		text += length + 1;
	}
	rw_fail(request, 400, "bad_request", "cursor: expected a page's next_cursor");
	return false;
}

void rw_get_signatures(struct rw_request *request)
{
	struct rw_signature_query query = {0};
	struct page page = {0};
	struct rw_store_reader *reader;

	if (!rw_name_param(request, "ring", &query.ring) ||
	    !rw_name_param(request, "deployment", &query.deployment) ||
	    !rw_time_param(request, "since", &query.since_wall_ms) ||
	    !rw_number_param(request, "limit", 1, RW_LIST_MAX, RW_LIST_DEFAULT, &page.limit) ||
	    !cursor_param(request, &query))
		return;
	query.limit = (uint32_t)page.limit + 1;
	reader = rw_api_take_reader(request);
	if (reader == NULL)
		return;
	page.list = json_array();
	int err = rw_store_reader_signatures(reader, &query, add_signature, &page);
	rw_api_give_reader(request->api, reader);
	if (err >= 0) {
		rw_answer_tagged(request, json_pack("{s:o, s:s}", "signatures", page.list,
						    "next_cursor", page.more ? page.cursor : ""));
		return;
	}
	json_decref(page.list);
	rw_fail(request, 503, "unavailable", "the store cannot be read: %s", strerror(-err));
}
