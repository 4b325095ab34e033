/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing by exact shape; nothing is normalised, so no two texts mean one identity. */
#include "lib/spiffe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_trust_domain_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool rw_trust_domain_is_valid(const char *text, size_t length)
{
	if (length == 0 || length > RW_TRUST_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_trust_domain_character(text[i]))
			return false;
	return true;
}

struct span {
	const char *at;
	size_t length;
};

/* Takes the text up to the next slash off `rest`, and the slash. */
static struct span take_segment(struct span *rest)
{
	const char *slash = rest->length == 0 ? NULL : memchr(rest->at, '/', rest->length);
	struct span segment = {rest->at, slash == NULL ? rest->length : (size_t)(slash - rest->at)};
	size_t taken = segment.length + (slash == NULL ? 0 : 1);

	rest->at += taken;
	rest->length -= taken;
	return segment;
}

static bool span_is(struct span span, const char *text)
{
	return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

/* `out` has been zeroed and is larger than any span that passed its check. */
static void span_copy(struct span span, char *out)
{
	memcpy(out, span.at, span.length);
}

static int refuse(const char **reason, const char *sentence)
{
	*reason = sentence;
	return -EINVAL;
}

enum { SEGMENTS_MAX = 5 }; /* ringwatch/ring/RING/host/HOST_ID */

int rw_spiffe_parse(const char *uri, size_t length, struct rw_identity *out, const char **reason)
{
	static const char scheme[] = "spiffe://";
	struct rw_identity identity = {0};
	struct span segments[SEGMENTS_MAX];
	size_t count = 0;

	if (length >= RW_SPIFFE_MAX)
		return refuse(reason, "the SPIFFE ID is too long");
	if (length < strlen(scheme) || memcmp(uri, scheme, strlen(scheme)) != 0)
		return refuse(reason, "the URI name does not begin with spiffe://");
	struct span rest = {uri + strlen(scheme), length - strlen(scheme)};
	if (rest.length > 0 && rest.at[rest.length - 1] == '/')
		return refuse(reason, "the SPIFFE ID ends with a slash");
	struct span domain = take_segment(&rest);
	if (!rw_trust_domain_is_valid(domain.at, domain.length))
		return refuse(reason,
			      "the SPIFFE ID's trust domain is not " RW_TRUST_DOMAIN_EXPECTED);
	span_copy(domain, identity.trust_domain);

	while (rest.length > 0) {
		if (count == SEGMENTS_MAX)
			return refuse(reason,
				      "the SPIFFE ID's path is neither a host's nor a collector's");
		segments[count++] = take_segment(&rest);
	}
	if (count == 3 && span_is(segments[0], "ringwatch") && span_is(segments[1], "collector")) {
		identity.role = RW_IDENTITY_COLLECTOR;
	} else if (count == 5 && span_is(segments[0], "ringwatch") &&
		   span_is(segments[1], "ring") && span_is(segments[3], "host")) {
		identity.role = RW_IDENTITY_HOST;
		if (!rw_name_is_valid(segments[2].at, segments[2].length))
			return refuse(reason, "the SPIFFE ID's ring is not " RW_NAME_EXPECTED);
		span_copy(segments[2], identity.ring);
	} else {
		return refuse(reason, "the SPIFFE ID's path is neither a host's nor a collector's");
	}
	struct span name = segments[count - 1];
	if (!rw_name_is_valid(name.at, name.length))
		return refuse(reason, "the SPIFFE ID's last part is not " RW_NAME_EXPECTED);
	span_copy(name, identity.name);
	*out = identity;
	return 0;
}

size_t rw_spiffe_format(const struct rw_identity *identity, char out[RW_SPIFFE_MAX])
{
	int n;

	if (identity->role == RW_IDENTITY_COLLECTOR)
		n = snprintf(out, RW_SPIFFE_MAX, "spiffe://%s/ringwatch/collector/%s",
			     identity->trust_domain, identity->name);
	else
		n = snprintf(out, RW_SPIFFE_MAX, "spiffe://%s/ringwatch/ring/%s/host/%s",
			     identity->trust_domain, identity->ring, identity->name);
	return n < 0 ? 0 : (size_t)n;
}
