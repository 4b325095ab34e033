/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a target apart; see uri.h. Works in place: decoding never lengthens. */
#include "collector/api/uri.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"

enum { NAME_MAX_BYTES = 32 };

static int refuse(char error[RW_URI_ERROR_BYTES], const char *name, const char *fault)
{
	snprintf(error, RW_URI_ERROR_BYTES, "%s: %s", name, fault);
	return -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes within `text`; false on a broken escape or one of a control character. */
static bool decode(char *text)
{
	char *out = text;

	for (const char *at = text; *at != '\0'; at++) {
		if (*at != '%') {
			*out++ = (char)(*at == '+' ? ' ' : *at);
			continue;
		}
		int high = hex_digit(at[1]);
		int low = high < 0 ? -1 : hex_digit(at[2]);

		if (low < 0 || high * 16 + low < 0x20 || high * 16 + low == 0x7f)
			return false;
		*out++ = (char)(high * 16 + low);
		at += 2;
	}
	*out = '\0';
	return rw_text_is_clean(text, strlen(text));
}

/* Ours are lower-case words; anything else is not worth repeating to anyone. */
static bool is_parameter_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz_");

	return length > 0 && length <= NAME_MAX_BYTES && name[length] == '\0';
}

static int take_param(struct rw_uri *uri, char *pair, char error[RW_URI_ERROR_BYTES])
{
	char *value = strchr(pair, '=');

	if (value != NULL)
		*value++ = '\0';
	if (!is_parameter_name(pair))
		return refuse(error, "a parameter's name", "expected lower-case letters");
	if (strcmp(pair, "token") == 0 || strcmp(pair, "access_token") == 0)
		return refuse(error, pair, "a token is never taken from a URL");
	if (rw_uri_value(uri, pair) != NULL)
		return refuse(error, pair, "stands more than once");
	if (value == NULL || !decode(value) || *value == '\0' || strlen(value) > RW_URI_VALUE_MAX)
		return refuse(error, pair, "expected 1 to 256 bytes of text");
	if (uri->param_count == RW_URI_PARAMS_MAX)
		return refuse(error, pair, "too many parameters");
	uri->params[uri->param_count++] = (struct rw_uri_param){pair, value};
	return 0;
}

static int take_query(struct rw_uri *uri, char *query, char error[RW_URI_ERROR_BYTES])
{
	int err = 0;

	while (err == 0 && query != NULL) {
		char *pair = strsep(&query, "&");

		if (*pair != '\0')
			err = take_param(uri, pair, error);
	}
	return err;
}

int rw_uri_parse(const char *target, struct rw_uri *out, char error[RW_URI_ERROR_BYTES])
{
	size_t length = strnlen(target, RW_URI_MAX + 1);

	if (length > RW_URI_MAX) {
		snprintf(error, RW_URI_ERROR_BYTES, "the address is longer than %d bytes",
			 RW_URI_MAX);
		return -E2BIG;
	}
	memcpy(out->text, target, length + 1);
	out->path = out->text;
	out->param_count = 0;
	if (out->text[0] != '/')
		return refuse(error, "path", "expected to begin with /");

	char *query = strchr(out->text, '?');

	if (query != NULL)
		*query++ = '\0';
	return take_query(out, query, error);
}

const char *rw_uri_value(const struct rw_uri *uri, const char *name)
{
	for (uint32_t i = 0; i < uri->param_count; i++) {
		if (strcmp(uri->params[i].name, name) == 0)
			return uri->params[i].value;
	}
	return NULL;
}
