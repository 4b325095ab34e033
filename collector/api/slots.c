/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots in memory, in no order; the store has the same, for the next start. There are as many as
 * hosts may be exposed at a time, and they are asked for at the pace of reboots, so a walk over
 * them is cheap enough.
 */
#include "collector/api/slots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rw_slots {
	uint32_t count, room;
	struct rw_slot *rows;
};

struct rw_slots *rw_slots_new(void)
{
	return calloc(1, sizeof(struct rw_slots));
}

void rw_slots_free(struct rw_slots *slots)
{
	if (slots != NULL)
		free(slots->rows);
	free(slots);
}

const struct rw_slot *rw_slots_find(const struct rw_slots *slots, const char *ring,
				    const char *holder)
{
	for (uint32_t i = 0; i < slots->count; i++) {
		if (strcmp(slots->rows[i].holder, holder) == 0 &&
		    strcmp(slots->rows[i].ring, ring) == 0)
			return &slots->rows[i];
	}
	return NULL;
}

uint64_t rw_slots_held(const struct rw_slots *slots, const char *ring)
{
	uint64_t held = 0;

	for (uint32_t i = 0; i < slots->count; i++)
		held += strcmp(slots->rows[i].ring, ring) == 0;
	return held;
}

int rw_slots_take(struct rw_slots *slots, const struct rw_slot *slot, struct rw_slot **out)
{
	if (slots->count == RW_SLOTS_MAX)
		return -ENOSPC;
	if (slots->count == slots->room) {
		uint32_t room = slots->room == 0 ? 16 : 2 * slots->room;
		struct rw_slot *rows = realloc(slots->rows, room * sizeof(*rows));

		if (rows == NULL)
			return -ENOMEM;
		slots->rows = rows;
		slots->room = room;
	}
	*out = &slots->rows[slots->count++];
	**out = *slot;
	return 0;
}

bool rw_slots_drop(struct rw_slots *slots, const char *holder, struct rw_slot *out)
{
	for (uint32_t i = 0; i < slots->count; i++) {
		if (strcmp(slots->rows[i].holder, holder) != 0)
			continue;
		*out = slots->rows[i];
		slots->rows[i] = slots->rows[--slots->count];
		return true;
	}
	return false;
}

static int add_stored(void *context, const struct rw_slot_row *row)
{
	struct rw_slot slot = {.since_wall_ms = row->reserved_wall_ms};
	struct rw_slot *kept;

	snprintf(slot.ring, sizeof(slot.ring), "%s", row->ring);
	snprintf(slot.holder, sizeof(slot.holder), "%s", row->holder);
	return rw_slots_take(context, &slot, &kept);
}

int rw_slots_load(struct rw_slots *slots, const char *store_path, char error[RW_STORE_ERROR_BYTES])
{
	struct rw_store_reader *reader;
	int err = rw_store_reader_open(store_path, &reader, error);

	if (err != 0)
		return err;
	err = rw_store_reader_slots(reader, add_stored, slots);
	rw_store_reader_close(reader);
	if (err != 0)
		snprintf(error, RW_STORE_ERROR_BYTES, "%.200s: the slots cannot be read: %s",
			 store_path, strerror(-err));
	return err;
}
