/* SPDX-License-Identifier: Apache-2.0 */
/* See forms.h. */
#include "collector/api/forms.h"

#include <string.h>

#include "collector/api/internal.h"

enum rw_form rw_form_of(const struct rw_route *route)
{
	static const struct {
		const char *prefix;
		enum rw_form form;
	} forms[] = {{"/v1/flagger/", RW_FORM_FLAGGER},
		     {"/fleetlock/", RW_FORM_FLEETLOCK},
		     {"/api/v1/", RW_FORM_PROMETHEUS}};

	for (size_t i = 0; route != NULL && i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strncmp(route->path, forms[i].prefix, strlen(forms[i].prefix)) == 0)
			return forms[i].form;
	}
	return RW_FORM_OWN;
}

const char *rw_form_media_type(enum rw_form form)
{
	if (form == RW_FORM_FLEETLOCK)
		return NULL; /* its clients name none */
	return form == RW_FORM_PROMETHEUS ? "application/x-www-form-urlencoded"
					  : "application/json";
}

json_t *rw_form_error(enum rw_form form, unsigned status, const char *code, const char *message)
{
	if (form == RW_FORM_FLEETLOCK)
		return json_pack("{s:s, s:s}", "kind", code, "value", message);
	if (form == RW_FORM_PROMETHEUS)
		return json_pack("{s:s, s:s, s:s}", "status", "error", "errorType",
				 status == 503  ? "unavailable"
				 : status < 500 ? "bad_data"
						: "internal",
				 "error", message);
	return json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message);
}
