/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt to tell: what proves where it came from, and what its end means. Nothing here
 * reads a clock or sends anything.
 */
#ifndef RINGWATCH_WEBHOOK_ATTEMPT_H
#define RINGWATCH_WEBHOOK_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/store/store.h"

enum {
	RW_WEBHOOK_SIGNATURE_BYTES = 96,
	RW_WEBHOOK_FIRST_MS = 1000,
	RW_WEBHOOK_SLOWEST_MS = 5 * 60 * 1000,
	RW_WEBHOOK_RETRY_AFTER_MAX_MS = 15 * 60 * 1000,
	/* Both: the collector may have been down for the day, or its clock set. */
	RW_WEBHOOK_GIVE_UP_MS = 24 * 60 * 60 * 1000,
	RW_WEBHOOK_GIVE_UP_ATTEMPTS = 20,
};

/*
 * The value of Ringwatch-Signature: "t=SECONDS,v1=HEX", where HEX is the HMAC-SHA256 of
 * "SECONDS.BODY" under `key`. False when OpenSSL fails.
 */
bool rw_webhook_sign(const char *key, uint64_t unix_s, const char *body,
		     char out[RW_WEBHOOK_SIGNATURE_BYTES]);

struct rw_webhook_end {
	long status;            /* of HTTP; 0: no answer came */
	uint64_t retry_after_s; /* 0: it did not say */
	uint64_t attempts;      /* made, this one too */
	uint64_t age_ms;        /* of the delivery */
	uint32_t dice;          /* any number: jitter */
};

/*
 * Delivered with any 2xx. Dead with a 4xx that will not go away (all but 408, 425 and 429),
 * and with anything else after RW_WEBHOOK_GIVE_UP_MS and as many attempts. Else pending: again in
 * *again_ms, which is half to all of 1 s, 2 s, 4 s … 5 min; not before Retry-After, if that is not
 * too long.
 */
enum rw_delivery_state rw_webhook_judge(const struct rw_webhook_end *end, uint64_t *again_ms);

#endif
