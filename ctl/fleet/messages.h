/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's frames, packed with their heads into `out`. All return the bytes
 * written or -EMSGSIZE.
 */
#ifndef RINGWATCH_CTL_FLEET_MESSAGES_H
#define RINGWATCH_CTL_FLEET_MESSAGES_H

#include "ctl/fleet/host.h"

long rw_fleet_pack_hello(const struct rw_fleet_host *host, uint64_t now_ms, uint8_t *out,
			 size_t size);
long rw_fleet_pack_heartbeat(const struct rw_fleet_host *host, uint64_t now_ms, uint8_t *out,
			     size_t size);
/* At most `most` of the first events that are not acked; *last is the last one's sequence. */
long rw_fleet_pack_batch(const struct rw_fleet_host *host, size_t most, uint64_t now_ms,
			 uint8_t *out, size_t size, uint64_t *last);
long rw_fleet_pack_probe_reply(uint64_t nonce, uint8_t *out, size_t size);
long rw_fleet_pack_versions(const struct rw_fleet_host *host, uint8_t *out, size_t size);
long rw_fleet_pack_goodbye(Ringwatch__V1__GoodbyeKind kind, uint32_t back_in_s, uint8_t *out,
			   size_t size);

#endif
