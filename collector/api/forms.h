/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths that speak as another program wants it: what their bodies are, and the shape in
 * which they refuse. All others are of our own form.
 */
#ifndef RINGWATCH_API_FORMS_H
#define RINGWATCH_API_FORMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum rw_form {
	RW_FORM_OWN,        /* docs/api.md's rules of bodies, tokens and errors */
	RW_FORM_FLAGGER,    /* JSON of which we read `metadata`; the token stands there */
	RW_FORM_FLEETLOCK,  /* JSON of any media type; errors {"kind","value"} */
	RW_FORM_PROMETHEUS, /* GET, or POST of a form; errors {"status","errorType","error"} */
};

struct rw_route;
enum rw_form rw_form_of(const struct rw_route *route);

/* What the body's Content-Type must be; NULL: any. */
const char *rw_form_media_type(enum rw_form form);

/* An error in the form's shape. NULL: no memory. */
json_t *rw_form_error(enum rw_form form, unsigned status, const char *code, const char *message);

#endif
