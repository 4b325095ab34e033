/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves the dashboard. Its files stand in the program itself, so that a page is
 * never of another version than its collector. The policy in its headers lets the
 * browser load from this collector and nowhere else, and run nothing but app.js.
 */
#include <microhttpd.h>
#include <string.h>

#include "collector/api/page.h"
#include "dashboard.h"

static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const struct rw_page pages[] = {
	{"/", "text/html; charset=utf-8", dashboard_index_html_tag, dashboard_index_html,
	 sizeof(dashboard_index_html)},
	{"/dashboard/app.js", "text/javascript; charset=utf-8", dashboard_app_js_tag,
	 dashboard_app_js, sizeof(dashboard_app_js)},
	{"/dashboard/style.css", "text/css; charset=utf-8", dashboard_style_css_tag,
	 dashboard_style_css, sizeof(dashboard_style_css)},
};

const struct rw_page *rw_page_of(const struct rw_request *request, const char *accept)
{
	if (request->status != 200 || request->route == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(pages[i].path, request->route->path) == 0)
			return i > 0 || (accept != NULL && strstr(accept, "text/html") != NULL)
				       ? &pages[i]
				       : NULL;
	}
	return NULL;
}

bool rw_page_is_known(const struct rw_page *page, const char *if_none_match)
{
	return if_none_match != NULL && strstr(if_none_match, page->etag) != NULL;
}

void rw_page_headers(const struct rw_page *page, struct MHD_Response *response)
{
	MHD_add_response_header(response, "Content-Type", page->content_type);
	MHD_add_response_header(response, "ETag", page->etag);
	MHD_add_response_header(response, "Cache-Control", "no-cache");
	MHD_add_response_header(response, "Vary", "Accept");
	MHD_add_response_header(response, "Content-Security-Policy", policy);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
}

/* What is sent is the file, which respond() finds by the route. */
void rw_get_page(struct rw_request *request)
{
	rw_answer_text(request, 200, "text/plain", NULL, 0);
}
