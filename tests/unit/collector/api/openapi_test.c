/* SPDX-License-Identifier: Apache-2.0 */
/* The description of the API against the table of routes, each way round. */
#include "tests/unit/collector/api/fixture.h"

#include <strings.h>

#include "collector/api/forms.h"
#include "collector/api/internal.h"

/* "/v1/hosts/{host}" → "/v1/hosts/:"; how many names stand in it. */
static unsigned plain_path(const char *described, char out[128])
{
	unsigned names = 0;

	for (; *described != '\0'; described++) {
		*out++ = *described == '{' ? ':' : *described;
		if (*described == '{') {
			described = strchr(described, '}');
			assert_non_null(described);
			names++;
		}
	}
	*out = '\0';
	return names;
}

static const struct rw_route *find_route(const char *method, const char *path)
{
	for (size_t i = 0; i < rw_route_count; i++) {
		const struct rw_route *route = &rw_routes[i];

		if (strcasecmp(route->method, method) == 0 && strcmp(route->path, path) == 0)
			return route;
	}
	return NULL;
}

static bool has_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at++) {
		if ((at == words || at[-1] == ' ') && strchr(" =", at[length]) != NULL)
			return true;
	}
	return false;
}

static size_t count_words(const char *words)
{
	size_t count = *words != '\0';

	for (; *words != '\0'; words++)
		count += *words == ' ';
	return count;
}

static void check_params(const struct rw_route *route, const json_t *operation, unsigned names)
{
	size_t in_query = 0, in_path = 0, at;
	json_t *param;

	json_array_foreach(json_object_get(operation, "parameters"), at, param)
	{
		const char *name = json_string_value(json_object_get(param, "name"));
		const char *in = json_string_value(json_object_get(param, "in"));

		if (strcmp(in, "path") == 0) {
			in_path++;
			continue;
		}
		in_query++;
		if (!has_word(route->params, name))
			fail_msg("%s does not take %s", route->path, name);
	}
	if (in_query != count_words(route->params))
		fail_msg("%s: %s is not all described", route->path, route->params);
	assert_int_equal(in_path, names);
}

static const char *type_name(char type)
{
	return type == 's' ? "string" : type == 'i' ? "integer" : "array";
}

static void check_body(const struct rw_route *route, const json_t *operation, const json_t *schemas)
{
	json_t *properties = NULL;
	const char *name;
	json_t *property;

	if (rw_form_of(route) != RW_FORM_OWN)
		return; /* another program's; controllers_test.py sends it */
	if (route->fields == NULL) {
		assert_null(json_object_get(operation, "requestBody"));
		return;
	}
	assert_int_equal(json_unpack((json_t *)(uintptr_t)operation, "{s:{s:{s:{s:{s:o}}}}}",
				     "requestBody", "content", "application/json", "schema",
				     "properties", &properties),
			 0);
	assert_int_equal(json_object_size(properties), count_words(route->fields));
	json_object_foreach(properties, name, property)
	{
		const char *ref = json_string_value(json_object_get(property, "$ref"));
		const json_t *schema =
			ref == NULL ? property : json_object_get(schemas, strrchr(ref, '/') + 1);
		const char *type = json_string_value(json_object_get(schema, "type"));
		const char *field = strstr(route->fields, name);

		if (!has_word(route->fields, name) || type == NULL ||
		    strcmp(type, type_name(field[strlen(name) + 1])) != 0)
			fail_msg("%s: field %s is described otherwise", route->path, name);
	}
}

static void check_role(const struct rw_route *route, const json_t *operation)
{
	const char *role = json_string_value(json_object_get(operation, "x-role"));
	const json_t *security = json_object_get(operation, "security");

	if (route->role == RW_ROLE_NONE) {
		assert_true(json_is_array(security) && json_array_size(security) == 0);
		assert_null(role);
		return;
	}
	assert_null(security);
	assert_string_equal(role, rw_role_name(route->role));
}

static void test_description_and_routes_are_the_same(void **state)
{
	const struct ax *f = *state;
	struct ax_reply reply = ax_get(f, "/v1/openapi.json");
	const json_t *paths = json_object_get(reply.json, "paths");
	const json_t *schemas =
		json_object_get(json_object_get(reply.json, "components"), "schemas");
	const char *described, *method;
	json_t *operations, *operation;
	size_t found = 0;

	json_object_foreach((json_t *)(uintptr_t)paths, described, operations)
	{
		char path[128];
		unsigned names = plain_path(described, path);

		json_object_foreach(operations, method, operation)
		{
			const struct rw_route *route = find_route(method, path);

			if (route == NULL)
				fail_msg("%s %s is no route", method, path);
			check_params(route, operation, names);
			check_body(route, operation, schemas);
			check_role(route, operation);
			found++;
		}
	}
	assert_int_equal(found, rw_route_count); /* each is described, none twice */
	ax_release(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_description_and_routes_are_the_same),
	};

	return cmocka_run_group_tests(tests, ax_setup, ax_teardown);
}
