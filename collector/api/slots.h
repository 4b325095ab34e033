/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a slot: a host that was told that it may reboot into the new version and has
 * not said that it is well since. Only the loop's thread touches them once the server runs.
 */
#ifndef RINGWATCH_API_SLOTS_H
#define RINGWATCH_API_SLOTS_H

#include <stdint.h>

#include "collector/core/core.h"
#include "collector/store/store.h"

enum {
	RW_SLOT_HOLDER_MAX = 128, /* bytes of a holder's id */
	RW_SLOTS_MAX = 65536,
};

struct rw_slot {
	char ring[RW_CORE_NAME_BYTES];
	char holder[RW_SLOT_HOLDER_MAX + 1];
	uint64_t since_wall_ms;
	uint64_t sequence; /* of the store: it is only told once that is on disk */
};

struct rw_slots;
struct rw_slots *rw_slots_new(void); /* NULL: no memory */
void rw_slots_free(struct rw_slots *slots);

/*
 * Before the server runs: those that the store holds. 0, or negative errno with a line in
 * `error`.
 */
int rw_slots_load(struct rw_slots *slots, const char *store_path, char error[RW_STORE_ERROR_BYTES]);

/* The holder's, in that ring; NULL: none. Lives until the next take or drop. */
const struct rw_slot *rw_slots_find(const struct rw_slots *slots, const char *ring,
				    const char *holder);
/* How many are held in the ring. */
uint64_t rw_slots_held(const struct rw_slots *slots, const char *ring);
/*
 * One more; the caller knows that the holder has none there. 0 with where it is kept in
 * *out, which lives as above; -ENOSPC, -ENOMEM.
 */
int rw_slots_take(struct rw_slots *slots, const struct rw_slot *slot, struct rw_slot **out);
/* The holder's, in whichever ring; whether there was one, and then which in `out`. */
bool rw_slots_drop(struct rw_slots *slots, const char *holder, struct rw_slot *out);

#endif
