/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/openapi.json: openapi.json as it stands in the source, taken in by the build. */
#include <string.h>

#include "collector/api/internal.h"

static const char openapi_text[] =
#include "openapi.h"
	;

void rw_get_openapi(struct rw_request *request)
{
	rw_answer_text(request, 200, "application/json", strdup(openapi_text),
		       sizeof(openapi_text) - 1);
	request->tagged = request->text != NULL;
}
