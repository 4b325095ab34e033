/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/webhook/attempt.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

bool rw_webhook_sign(const char *key, uint64_t unix_s, const char *body,
		     char out[RW_WEBHOOK_SIGNATURE_BYTES])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	unsigned digest_length = 0;
	rw_autofree char *signed_text = NULL;
	int length = asprintf(&signed_text, "%" PRIu64 ".%s", unix_s, body);

	if (length < 0) {
		signed_text = NULL;
		return false;
	}
	if (HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)signed_text,
		 (size_t)length, digest, &digest_length) == NULL ||
	    digest_length != sizeof(digest))
		return false;
	size_t used =
		(size_t)snprintf(out, RW_WEBHOOK_SIGNATURE_BYTES, "t=%" PRIu64 ",v1=", unix_s);
	for (size_t i = 0; i < sizeof(digest); i++)
		used += (size_t)snprintf(out + used, RW_WEBHOOK_SIGNATURE_BYTES - used, "%02x",
					 digest[i]);
	return true;
}

static bool is_permanent(long status)
{
	return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
}

static uint64_t back_off_ms(uint64_t attempts, uint32_t dice)
{
	uint64_t ms = RW_WEBHOOK_FIRST_MS;

	for (uint64_t i = 1; i < attempts && ms < RW_WEBHOOK_SLOWEST_MS; i++)
		ms *= 2;
	if (ms > RW_WEBHOOK_SLOWEST_MS)
		ms = RW_WEBHOOK_SLOWEST_MS;
	return ms / 2 + dice % (ms / 2 + 1);
}

enum rw_delivery_state rw_webhook_judge(const struct rw_webhook_end *end, uint64_t *again_ms)
{
	*again_ms = 0;
	if (end->status >= 200 && end->status < 300)
		return RW_DELIVERY_DELIVERED;
	if (is_permanent(end->status) ||
	    (end->age_ms >= RW_WEBHOOK_GIVE_UP_MS && end->attempts >= RW_WEBHOOK_GIVE_UP_ATTEMPTS))
		return RW_DELIVERY_DEAD;

	uint64_t asked_ms = end->retry_after_s > RW_WEBHOOK_RETRY_AFTER_MAX_MS / 1000
				    ? RW_WEBHOOK_RETRY_AFTER_MAX_MS
				    : end->retry_after_s * 1000;
	uint64_t ms = back_off_ms(end->attempts, end->dice);
	*again_ms = ms > asked_ms ? ms : asked_ms;
	return RW_DELIVERY_PENDING;
}
