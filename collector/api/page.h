/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dashboard's files, as they were when the program was built. They hold no
 * data: what the page shows it asks for under /v1, with the reader's token.
 */
#ifndef RINGWATCH_API_PAGE_H
#define RINGWATCH_API_PAGE_H

#include <stddef.h>

#include "collector/api/internal.h"

struct rw_page {
	const char *path; /* "/dashboard/app.js" */
	const char *content_type;
	const char *etag; /* with its quotes */
	const unsigned char *bytes;
	size_t length;
};

struct MHD_Connection;
struct MHD_Response;

/*
 * The file that answers this request, or NULL: the request's own answer does. At `/`
 * that depends on the client's Accept header (NULL: none): a browser, which names
 * text/html there, gets the page, and all others JSON.
 */
const struct rw_page *rw_page_of(const struct rw_request *request, const char *accept);
/* Whether an If-None-Match header (NULL: none) names the file as it is. */
bool rw_page_is_known(const struct rw_page *page, const char *if_none_match);
/* Content type, tag, and what the browser may do with the page. */
void rw_page_headers(const struct rw_page *page, struct MHD_Response *response);

#endif
