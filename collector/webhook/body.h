/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told, in the words of who is told: docs/webhooks.md shows each. Names of hosts and
 * signatures of crashes are words of strangers: in JSON they are strings, and in a chat they
 * are shown as they are, never as its markup.
 */
#ifndef RINGWATCH_WEBHOOK_BODY_H
#define RINGWATCH_WEBHOOK_BODY_H

#include "collector/core/core.h"
#include "collector/webhook/config.h"

enum { RW_WEBHOOK_ID_BYTES = 33 };

struct rw_webhook_news {
	const char *id;        /* of the delivery */
	const char *collector; /* its name */
	bool is_breaker;       /* a breaker opened; else the verdict changed */
	bool has_ended;        /* the deployment: its abort is over with it */
	const char *previous;  /* the verdict told before; "" none */
	const struct rw_verdict *verdict;
};

/* Whether it aborts because of a staged failure, and not of a real one. */
bool rw_webhook_is_drill(const struct rw_verdict *verdict);

/* New text that the caller frees, or NULL without memory. hawkBit takes no body: "". */
char *rw_webhook_render(enum rw_webhook_body body, const struct rw_webhook_news *news);

/* The stored text with what must not be stored; likewise. */
char *rw_webhook_complete(const struct rw_webhook_target *target, const char *body);

/* `text` as chat shows it: no markup, no mention, on one line. At most size - 1 bytes. */
void rw_webhook_chat_escape(char *out, size_t size, const char *text);

#endif
