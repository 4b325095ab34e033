/* SPDX-License-Identifier: Apache-2.0 */
/* Query parameters as names, numbers and times; a wrong one is refused by its name. */
#include <string.h>

#include "collector/api/internal.h"
#include "lib/clock.h"
#include "lib/units.h"

static bool is_name(const char *text)
{
	return rw_name_is_valid(text, strlen(text));
}

bool rw_name_param(struct rw_request *request, const char *name, const char **out)
{
	const char *value = rw_uri_value(&request->uri, name);

	*out = value == NULL ? "" : value;
	if (value == NULL || is_name(value))
		return true;
	rw_fail(request, 400, "bad_request", "%s: expected " RW_NAME_EXPECTED, name);
	return false;
}

bool rw_number_param(struct rw_request *request, const char *name, uint64_t least, uint64_t most,
		     uint64_t preset, uint64_t *out)
{
	const char *value = rw_uri_value(&request->uri, name);

	*out = preset;
	if (value == NULL)
		return true;
	if (rw_units_parse_uint(value, out) == 0 && *out >= least && *out <= most)
		return true;
	rw_fail(request, 400, "bad_request", "%s: expected a number from %llu to %llu", name,
		(unsigned long long)least, (unsigned long long)most);
	return false;
}

bool rw_time_param(struct rw_request *request, const char *name, uint64_t *out)
{
	const char *value = rw_uri_value(&request->uri, name);

	*out = 0;
	if (value == NULL || rw_clock_parse_wall(value, out) == 0)
		return true;
	rw_fail(request, 400, "bad_request", "%s: expected a time such as 2024-07-19T04:09:00Z",
		name);
	return false;
}

bool rw_page_params(struct rw_request *request, uint64_t *limit, uint64_t *cursor)
{
	return rw_number_param(request, "limit", 1, RW_LIST_MAX, RW_LIST_DEFAULT, limit) &&
	       rw_number_param(request, "cursor", 1, INT64_MAX, 0, cursor);
}
