/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where events are until a collector has them; see keeper.h.
 *
 * Three lists of packed events. `store` is what is not durable: in disk mode it
 * waits for the thread, its front having been handed over; in memory mode it is
 * the ring. `window` is the part of the spool that the uplink reads: what has
 * just become durable is put behind it, so that nothing is read back from the
 * disk as long as the uplink keeps up.
 *
 * DISK ── append failed, hung, late, store full ──▶ MEMORY
 *      ◀─ tried with success, ring drained or moved ──
 *
 * In memory mode the uplink sends the store, or, while `on_disk`, what is left on
 * a disk that can still be read.
 */
#include "sensor/keeper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/text.h"
#include "sensor/evict.h"
#include "sensor/pack.h"
#include "sensor/writer.h"

_Static_assert((int)RW_WRITER_READ_BYTES <= (int)RW_KEEPER_WINDOW_BYTES,
	       "one reading fills the window");

enum { AGAIN_MS = 100 /* after a want of memory */ };

struct rw_keeper {
	struct rw_writer_place place; /* until the thread has it */
	uint64_t max_bytes;
	struct rw_writer *writer; /* NULL before rw_keeper_start */
	struct rw_writer_facts facts;
	bool set_aside;

	bool memory;  /* mode */
	bool on_disk; /* what the uplink sends is the spool */
	char reason[RW_KEEPER_REASON_BYTES];
	uint32_t generation;
	uint8_t disk_id[RW_SPOOL_ID_BYTES];
	uint8_t memory_id[RW_SPOOL_ID_BYTES];
	bool has_memory_id;
	uint64_t last_given;

	struct rw_packed_list store;
	uint32_t handed;    /* of the store, from the front */
	uint64_t urgent_ms; /* when the first critical one is late; UINT64_MAX: there is none */

	uint64_t now_ms;      /* of the last call that told it */
	uint32_t outstanding; /* jobs with the thread */
	uint32_t states;      /* of them */
	uint64_t progress_ms; /* when it was last seen to get on, or began */
	bool stuck;           /* it has not got on for RW_KEEPER_HUNG_MS */
	bool reading;
	bool renewing;
	bool expiring;
	uint64_t expire_after_ms; /* the last try failed */

	uint64_t acked; /* of what the uplink sends */
	struct rw_packed_list window;
	bool window_valid;
	uint64_t window_from; /* it holds all behind this, */
	uint64_t window_to;   /* up to this */

	/* memory mode */
	uint64_t boundary; /* numbers up to here are on the disk, or were */
	uint64_t retry_ms;
	bool trying;
	bool good; /* the disk answers again, */
	uint64_t good_ms;
	/* A spool that was opened late had higher numbers: what was put before, up to
	 * shift_last, has moved up. */
	uint64_t shift;
	uint64_t shift_last;

	uint64_t evicted; /* from the ring */
	uint64_t unreported;
	uint64_t unwritten;

	struct rw_boot_state state; /* the last that was saved; boot id and order */
	bool has_state;
	uint64_t safe_log_sequence;
	bool state_failing;
	bool ack_failing;
};

/* ---- opening ------------------------------------------------------------------------ */

static void describe(struct rw_keeper *k, int err)
{
	if (err == -EWOULDBLOCK)
		snprintf(k->reason, sizeof(k->reason),
			 "another sensor is running on the state directory");
	else if (err == -ENOSPC || err == -EDQUOT)
		snprintf(k->reason, sizeof(k->reason), "the disk is full: %s", strerror(-err));
	else if (err == -EROFS)
		snprintf(k->reason, sizeof(k->reason), "the disk is read-only");
	else
		snprintf(k->reason, sizeof(k->reason), "the disk fails: %s", strerror(-err));
}

/* Random, so that no spool is ever taken for another. */
static void make_memory_id(struct rw_keeper *k)
{
	if (k->has_memory_id)
		return;
	k->has_memory_id = true;
	if (getrandom(k->memory_id, sizeof(k->memory_id), 0) == sizeof(k->memory_id))
		return;
	/* never on a kernel that BPF runs on; the clock is still nobody else's */
	uint64_t parts[2] = {rw_clock_boot_ns(), rw_clock_wall_ms()};
	memcpy(k->memory_id, parts, sizeof(k->memory_id));
}

static void take_facts(struct rw_keeper *k, const struct rw_writer_facts *facts)
{
	k->facts = *facts;
	if (!facts->open || memcmp(k->disk_id, facts->id, sizeof(k->disk_id)) == 0)
		return;
	memcpy(k->disk_id, facts->id, sizeof(k->disk_id));
	if (k->on_disk)
		k->generation++;
}

static void begin_window(struct rw_keeper *k)
{
	rw_packed_clear(&k->window);
	/* with nothing there it is known without reading */
	k->window_valid = k->facts.pending == 0;
	k->window_from = k->window_to = k->facts.last_sequence;
}

static bool is_fatal(int err)
{
	return err == -EWOULDBLOCK || err == -EACCES || err == -EPERM || err == -ENOTDIR ||
	       err == -ENOENT || err == -ENOMEM;
}

int rw_keeper_open(const struct rw_keeper_config *config, struct rw_keeper **out,
		   char notice[RW_SPOOL_ERROR_BYTES])
{
	struct rw_keeper *k = calloc(1, sizeof(*k));
	int err = -ENOMEM;

	snprintf(notice, RW_SPOOL_ERROR_BYTES, "no memory");
	if (k != NULL) {
		k->place = (struct rw_writer_place){
			.disk = config->disk,
			.folder = strdup(config->folder),
			.max_bytes = config->max_bytes,
			.max_age_ms = config->max_age_ms,
			.lock_fd = -1,
		};
		k->max_bytes = config->max_bytes;
		k->generation = 1;
		k->urgent_ms = UINT64_MAX;
		k->safe_log_sequence = UINT64_MAX;
	}
	if (k != NULL && k->place.folder != NULL)
		err = rw_writer_open(&k->place, &k->set_aside, notice);
	if (is_fatal(err)) {
		if (k != NULL)
			rw_writer_close(&k->place);
		free(k);
		return err;
	}
	if (err != 0) {
		describe(k, err);
		make_memory_id(k);
		k->memory = true;
	}
	k->on_disk = !k->memory;
	*out = k;
	return 0;
}

bool rw_keeper_was_set_aside(const struct rw_keeper *k)
{
	return k->set_aside;
}

struct rw_spool *rw_keeper_spool(struct rw_keeper *k)
{
	return k->place.spool;
}

int rw_keeper_start(struct rw_keeper *k)
{
	struct rw_writer_facts facts = rw_writer_facts(k->place.spool);
	int err = rw_writer_start(&k->place, &k->writer);
	if (err != 0)
		return err;
	memset(&k->place, 0, sizeof(k->place));
	k->place.lock_fd = -1;
	take_facts(k, &facts);
	k->generation = 1;
	if (k->on_disk) {
		k->last_given = facts.last_sequence;
		k->acked = facts.acked;
	}
	begin_window(k);
	return 0;
}

/* ---- handing over ------------------------------------------------------------------------ */

static void hand(struct rw_keeper *k, struct rw_writer_job *job)
{
	if (k->outstanding == 0)
		k->progress_ms = job->now_ms;
	k->outstanding++;
	rw_writer_hand(k->writer, job);
}

static uint32_t drop(struct rw_keeper *k, enum rw_writer_task task, bool keep_next)
{
	uint32_t count = rw_writer_drop(k->writer, task, keep_next);

	k->outstanding -= count;
	return count;
}

static bool hand_append(struct rw_keeper *k, struct rw_packed *p, uint64_t now_ms)
{
	struct rw_writer_job *job = rw_writer_job_new(RW_WRITER_APPEND, now_ms);

	if (job == NULL)
		return false;
	job->packed = p;
	job->sequence = p->sequence;
	job->about = p->about;
	hand(k, job);
	k->handed++;
	return true;
}

/* What waits goes to the thread, as much as it may have at a time. */
static void hand_over(struct rw_keeper *k, uint64_t now_ms, uint32_t limit)
{
	struct rw_packed *p = k->store.first;

	if (k->writer == NULL || k->memory || k->handed >= limit)
		return;
	for (uint32_t i = 0; i < k->handed && p != NULL; i++)
		p = p->next;
	while (p != NULL && k->handed < limit && hand_append(k, p, now_ms))
		p = p->next;
}

static void note_urgent(struct rw_keeper *k)
{
	k->urgent_ms = UINT64_MAX;
	for (const struct rw_packed *p = k->store.first; p != NULL; p = p->next) {
		if (p->severity == RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL) {
			k->urgent_ms = p->put_ms + RW_KEEPER_URGENT_MS;
			return;
		}
	}
}

/* ---- the two modes -------------------------------------------------------------------------- */

static bool store_holds(const struct rw_keeper *k, uint64_t sequence)
{
	const struct rw_packed *p = k->store.first;

	while (p != NULL && p->sequence != sequence)
		p = p->next;
	return p != NULL;
}

static bool disk_is_drained(const struct rw_keeper *k)
{
	return k->facts.pending == 0 || k->acked >= k->facts.last_sequence;
}

/* What the uplink sends is the ring from now on. */
static void leave_disk(struct rw_keeper *k)
{
	if (!k->on_disk)
		return;
	rw_packed_clear(&k->window);
	k->window_valid = false;
	k->on_disk = false;
	k->acked = 0;
	k->generation++;
}

/* `readable`: what waits on the disk can still be had. */
static void turn_to_memory(struct rw_keeper *k, uint64_t now_ms, bool readable)
{
	if (k->memory)
		return;
	k->memory = true;
	k->good = k->trying = false;
	k->retry_ms = now_ms + RW_KEEPER_RETRY_MS;
	k->boundary = k->facts.last_sequence;
	k->generation++;
	k->handed = 0;
	k->urgent_ms = UINT64_MAX;
	make_memory_id(k);
	(void)drop(k, RW_WRITER_APPEND, false);
	rw_writer_abandon(k->writer);
	/* an excerpt of what is on the disk makes sense only there */
	for (struct rw_packed *p = k->store.first; p != NULL; p = p->next)
		p->parked = p->about != 0 && p->about <= k->boundary;
	rw_warning("event=spool_in_memory reason=\"%s\" waiting=%u on_disk=%u", k->reason,
		   k->store.count, k->facts.pending);
	if (!readable || disk_is_drained(k))
		leave_disk(k);
}

/* From a spool that was opened late: it had numbers of its own. */
static void shift_numbers(struct rw_keeper *k)
{
	uint64_t by = k->facts.last_sequence;
	bool below = k->store.first == NULL ? k->last_given < by : k->store.first->sequence <= by;

	if (!below)
		return;
	k->shift = by;
	k->shift_last = k->last_given;
	k->last_given += by;
	for (struct rw_packed *p = k->store.first; p != NULL; p = p->next) {
		p->sequence += by;
		if (p->about != 0) {
			p->about += by;
			p->stale = true;
		}
	}
}

/* An excerpt whose event was acked from memory has nothing to belong to on the disk. */
static void drop_orphans(struct rw_keeper *k)
{
	struct rw_packed_list kept = {0};
	struct rw_packed *p;

	for (p = k->store.first; p != NULL; p = p->next)
		p->orphan = p->about > k->boundary && !store_holds(k, p->about);
	while ((p = rw_packed_pop(&k->store)) != NULL) {
		p->parked = false;
		if (!p->orphan) {
			rw_packed_push(&kept, p);
			continue;
		}
		k->evicted += p->count;
		k->unreported += p->count;
		rw_packed_release(p);
	}
	k->store = kept;
}

static void return_to_disk(struct rw_keeper *k, uint64_t now_ms)
{
	drop_orphans(k);
	shift_numbers(k);
	for (struct rw_packed *p = k->store.first; p != NULL; p = p->next)
		p->put_ms = now_ms; /* none of them is late yet */
	k->memory = k->good = false;
	k->generation++;
	k->reason[0] = '\0';
	if (!k->on_disk) {
		k->on_disk = true;
		k->acked = k->facts.acked;
		begin_window(k);
	}
	note_urgent(k);
	hand_over(k, now_ms, RW_KEEPER_QUEUE);
}

/* ---- the ring -------------------------------------------------------------------- */

static struct rw_evict_event evictable(const struct rw_packed *p)
{
	return (struct rw_evict_event){
		.severity = p->severity,
		.signature = p->signature,
		.sequence = p->sequence,
		.bytes = rw_packed_bytes(p),
	};
}

static void evict(struct rw_keeper *k, struct rw_evict *e)
{
	struct rw_packed_list kept = {0};
	struct rw_packed *p;

	while ((p = rw_packed_pop(&k->store)) != NULL) {
		struct rw_evict_event event = evictable(p);
		if (!rw_evict_takes(e, &event)) {
			rw_packed_push(&kept, p);
			continue;
		}
		k->evicted += p->count;
		k->unreported += p->count;
		rw_packed_release(p);
	}
	k->store = kept;
}

/* Room in memory, an eighth of it at a time; never for the price of what is more severe. */
static bool make_ring_room(struct rw_keeper *k, const struct rw_packed *p)
{
	const uint64_t room = RW_KEEPER_MEMORY_BYTES;
	uint64_t used = k->store.bytes + rw_packed_bytes(p) + RW_SPOOL_LOST_BYTES;

	if (used <= room)
		return true;
	struct rw_evict *e = rw_evict_new();
	if (e == NULL)
		return false;
	for (const struct rw_packed *at = k->store.first; at != NULL; at = at->next) {
		struct rw_evict_event event = evictable(at);
		rw_evict_count(e, &event);
	}
	bool fits = rw_evict_plan(e, used - (room - room / 8), p->severity) <= room / 8;
	if (fits)
		evict(k, e);
	rw_evict_free(e);
	return fits;
}

/* NULL: no memory, or more than a record holds. */
static struct rw_packed *pack(const struct rw_event *event)
{
	rw_autofree uint8_t *bytes = malloc(RW_SPOOL_PAYLOAD_MAX);

	if (bytes == NULL || event->severity <= 0 || (int)event->severity >= RW_EVICT_SEVERITIES)
		return NULL;
	long length = rw_event_pack(event, bytes, RW_SPOOL_PAYLOAD_MAX);
	if (length < 0)
		return NULL;
	struct rw_packed *p = rw_packed_new(event->sequence, bytes, (size_t)length);
	if (p == NULL)
		return NULL;
	p->about = event->about;
	p->severity = (uint8_t)event->severity;
	p->signature = rw_evict_hash(event->signature);
	p->count = event->count;
	return p;
}

/* What went from the ring, in an event of its own. */
static void report_evicted(struct rw_keeper *k, const struct rw_event *like, uint64_t now_ms)
{
	rw_autofree struct rw_event *event = calloc(1, sizeof(*event));

	if (event == NULL || k->unreported == 0)
		return;
	event->sequence = k->last_given + 1;
	event->kind = RINGWATCH__V1__KIND__KIND_EVENTS_LOST;
	event->severity = RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	event->source = RINGWATCH__V1__SOURCE__SOURCE_SENSOR;
	memcpy(event->boot_id, like->boot_id, sizeof(event->boot_id));
	event->boot_order = like->boot_order;
	event->boot_ms = like->boot_ms;
	event->wall_ms = like->wall_ms;
	event->cpu = RW_CPU_UNKNOWN;
	event->count = k->unreported < UINT32_MAX ? (uint32_t)k->unreported : UINT32_MAX;
	snprintf(event->signature, sizeof(event->signature), "events_lost:memory_full");
	snprintf(event->detail, sizeof(event->detail),
		 "%llu events dropped for want of room in memory, the least severe and most "
		 "repeated first; %s",
		 (unsigned long long)k->unreported,
		 k->reason[0] != '\0' ? k->reason : "the disk did not answer");
	rw_event_set_fact(event, RINGWATCH__V1__FACT_NAME__FACT_EVICTED, "%llu",
			  (unsigned long long)k->unreported);
	struct rw_packed *p = pack(event);
	if (p == NULL)
		return;
	p->put_ms = now_ms;
	rw_packed_push(&k->store, p);
	k->last_given++;
	k->unreported = 0;
}

/* ---- putting --------------------------------------------------------------------- */

/* Whether the spool may have to tell of losses before this one: its number is left free. */
static bool is_tight(const struct rw_keeper *k, const struct rw_packed *p)
{
	uint64_t waiting = k->store.bytes + k->outstanding * (uint64_t)RW_SPOOL_LOST_BYTES;
	uint64_t need = p->length + RW_SPOOL_RECORD_BYTES + RW_SPOOL_LOST_BYTES;

	return k->facts.unreported > 0 || k->facts.bytes + waiting + need > k->max_bytes;
}

static void give_number(struct rw_keeper *k, struct rw_packed *p, struct rw_event *event)
{
	k->last_given += !k->memory && is_tight(k, p) ? 2 : 1;
	p->sequence = event->sequence = k->last_given;
}

bool rw_keeper_put(struct rw_keeper *k, struct rw_event *event, uint64_t log_sequence,
		   uint64_t now_ms)
{
	k->now_ms = now_ms;
	if (k->place.spool != NULL) { /* there is no thread yet */
		bool kept = rw_spool_append(k->place.spool, event, log_sequence) == 0;
		k->unwritten += kept ? 0 : event->count;
		return kept;
	}
	if (event->about != 0 && event->about <= k->shift_last)
		event->about += k->shift;
	struct rw_packed *p = pack(event);
	if (p != NULL && !k->memory &&
	    k->store.bytes + rw_packed_bytes(p) > RW_KEEPER_MEMORY_BYTES) {
		snprintf(k->reason, sizeof(k->reason),
			 "the disk is too slow: %u events wait for it", k->store.count);
		turn_to_memory(k, now_ms, false);
	}
	if (p == NULL || (k->memory && !make_ring_room(k, p))) {
		rw_packed_release(p);
		k->unwritten += event->count;
		return false;
	}
	report_evicted(k, event, now_ms);
	give_number(k, p, event);
	p->log_sequence = log_sequence;
	p->put_ms = now_ms;
	p->parked = k->memory && p->about != 0 && p->about <= k->boundary;
	rw_packed_push(&k->store, p);
	if (k->memory)
		return true;
	if (k->urgent_ms == UINT64_MAX &&
	    event->severity == RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL)
		k->urgent_ms = now_ms + RW_KEEPER_URGENT_MS;
	hand_over(k, now_ms, RW_KEEPER_QUEUE);
	return true;
}

void rw_keeper_save_state(struct rw_keeper *k, const struct rw_boot_state *state, uint64_t now_ms)
{
	bool waits = k->memory ? k->store.count > 0 : k->store.count > k->handed;

	if (k->writer == NULL)
		return;
	if (!waits || !k->has_state)
		k->safe_log_sequence = state->log_sequence;
	k->has_state = true;
	k->state = *state;
	k->state.log_sequence = k->safe_log_sequence;
	struct rw_writer_job *job = rw_writer_job_new(RW_WRITER_STATE, now_ms);
	if (job == NULL)
		return; /* the next one comes in a few seconds */
	job->state = k->state;
	k->states -= drop(k, RW_WRITER_STATE, true);
	k->states++;
	hand(k, job);
}

bool rw_keeper_has_room(const struct rw_keeper *k)
{
	return k->memory || k->store.bytes <= RW_KEEPER_MEMORY_BYTES / 2;
}

bool rw_keeper_is_settled(const struct rw_keeper *k)
{
	return k->memory || (k->store.count == 0 && k->states == 0);
}

/* ---- results --------------------------------------------------------------------- */

/* An event has become durable: if the window reaches up to it, it goes there. */
static void widen_window(struct rw_keeper *k, const struct rw_writer_facts *before,
			 struct rw_packed *p)
{
	bool next = k->window_valid && k->window_to >= before->last_sequence &&
		    k->facts.pending == before->pending + 1 &&
		    k->facts.evicted == before->evicted && !p->stale;

	if (!next || k->window.bytes + rw_packed_bytes(p) > RW_KEEPER_WINDOW_BYTES) {
		/* what lies between is read when it is asked for */
		rw_packed_release(p);
		return;
	}
	rw_packed_push(&k->window, p);
	k->window_to = p->sequence;
}

/* An append that was given up is on the disk and was not taken back, or the spool has
 * counted it as lost. */
static void take_from_store(struct rw_keeper *k, uint64_t sequence)
{
	struct rw_packed_list kept = {0};
	struct rw_packed *p;

	if (sequence > k->boundary)
		k->boundary = sequence;
	while ((p = rw_packed_pop(&k->store)) != NULL) {
		if (p->sequence == sequence)
			rw_packed_release(p);
		else
			rw_packed_push(&kept, p);
	}
	k->store = kept;
}

static void take_append(struct rw_keeper *k, const struct rw_writer_job *job,
			const struct rw_writer_facts *before, uint64_t now_ms)
{
	if (job->abandoned || k->memory) {
		if (job->error == -ENOBUFS || (job->error == 0 && !job->taken_back))
			take_from_store(k, job->sequence);
		return;
	}
	if (job->error != 0 && job->error != -ENOBUFS) {
		describe(k, job->error);
		turn_to_memory(k, now_ms, true);
		return;
	}
	struct rw_packed *p = rw_packed_pop(&k->store);
	k->handed--;
	if (p->severity == RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL)
		note_urgent(k);
	if (job->error != 0)
		rw_packed_release(p); /* the spool has counted it */
	else
		widen_window(k, before, p);
}

static void take_reading(struct rw_keeper *k, struct rw_writer_job *job, uint64_t now_ms)
{
	k->reading = false;
	if (!k->on_disk)
		return;
	if (job->error != 0) {
		describe(k, job->error);
		turn_to_memory(k, now_ms, false);
		leave_disk(k);
		return;
	}
	rw_packed_clear(&k->window);
	k->window_valid = true;
	k->window_from = job->sequence;
	k->window_to = job->read_all ? job->facts.last_sequence : job->read.last->sequence;
	k->window = job->read;
	memset(&job->read, 0, sizeof(job->read));
	while (k->window.first != NULL && k->window.first->sequence <= k->acked)
		rw_packed_release(rw_packed_pop(&k->window));
}

static void take_state(struct rw_keeper *k, const struct rw_writer_job *job)
{
	k->states--;
	if (job->error != 0 && !k->state_failing)
		rw_error("event=state_not_saved reason=\"%s\"", strerror(-job->error));
	else if (job->error == 0 && k->state_failing)
		rw_info("event=state_saved_again");
	k->state_failing = job->error != 0;
}

static void take_try(struct rw_keeper *k, const struct rw_writer_job *job, uint64_t now_ms)
{
	char quoted[RW_LOG_QUOTED_BYTES];

	k->trying = false;
	if (job->notice != NULL && job->facts.open)
		rw_warning("event=spool_repaired reason=%s", rw_log_quoted(job->notice, quoted));
	if (job->set_aside)
		k->set_aside = true;
	if (!k->memory)
		return;
	if (job->error != 0) {
		describe(k, job->error);
		k->retry_ms = now_ms + RW_KEEPER_RETRY_MS;
		return;
	}
	k->good = true;
	k->good_ms = now_ms;
}

static void take_result(struct rw_keeper *k, struct rw_writer_job *job, uint64_t now_ms)
{
	struct rw_writer_facts before = k->facts;

	k->outstanding--;
	k->progress_ms = now_ms;
	k->stuck = false;
	take_facts(k, &job->facts);
	if (k->facts.evicted != before.evicted)
		k->window_valid = false; /* some of it may be gone */
	switch (job->task) {
	case RW_WRITER_APPEND:
		take_append(k, job, &before, now_ms);
		break;
	case RW_WRITER_ACK:
		if (job->error != 0 && !k->memory && !k->ack_failing)
			rw_error("event=spool_failed what=ack reason=\"%s\"",
				 strerror(-job->error));
		k->ack_failing = job->error != 0;
		break;
	case RW_WRITER_RENEW:
		k->renewing = false;
		if (job->error != 0)
			rw_error("event=spool_failed what=renew reason=\"%s\"",
				 strerror(-job->error));
		break;
	case RW_WRITER_EXPIRE:
		k->expiring = false;
		if (job->error != 0)
			k->expire_after_ms = now_ms + RW_KEEPER_RETRY_MS;
		break;
	case RW_WRITER_READ:
		take_reading(k, job, now_ms);
		break;
	case RW_WRITER_STATE:
		take_state(k, job);
		break;
	case RW_WRITER_TRY:
		take_try(k, job, now_ms);
		break;
	}
}

/* ---- the loop -------------------------------------------------------------------- */

static void mind_hang(struct rw_keeper *k, uint64_t now_ms)
{
	if (k->outstanding > 0 && !k->stuck && now_ms >= k->progress_ms + RW_KEEPER_HUNG_MS) {
		k->stuck = true;
		snprintf(k->reason, sizeof(k->reason), "the disk has not answered for %d s",
			 RW_KEEPER_HUNG_MS / 1000);
		turn_to_memory(k, now_ms, false);
		leave_disk(k);
	}
	if (!k->memory && now_ms >= k->urgent_ms) {
		snprintf(k->reason, sizeof(k->reason),
			 "the disk did not take a critical event within %d ms",
			 RW_KEEPER_URGENT_MS);
		turn_to_memory(k, now_ms, false);
	}
}

static void mind_memory(struct rw_keeper *k, uint64_t now_ms)
{
	if (!k->memory)
		return;
	if (!k->good && !k->trying && k->outstanding == 0 && now_ms >= k->retry_ms) {
		struct rw_writer_job *job = rw_writer_job_new(RW_WRITER_TRY, now_ms);
		k->retry_ms = now_ms + RW_KEEPER_RETRY_MS;
		if (job != NULL) {
			k->trying = true;
			hand(k, job);
		}
	}
	/* nothing of the ring was sent while the disk's own is */
	if (k->good &&
	    (k->on_disk || k->store.count == 0 || now_ms >= k->good_ms + RW_KEEPER_DRAIN_MS)) {
		rw_info("event=spool_on_disk moved=%u", k->store.count);
		return_to_disk(k, now_ms);
	} else if (k->on_disk && disk_is_drained(k)) {
		leave_disk(k);
	}
}

static void mind_age(struct rw_keeper *k, uint64_t now_ms)
{
	if (k->memory || k->expiring || k->handed != k->store.count || !k->has_state ||
	    now_ms < k->facts.expires_ms || now_ms < k->expire_after_ms)
		return;
	struct rw_writer_job *job = rw_writer_job_new(RW_WRITER_EXPIRE, now_ms);
	if (job == NULL)
		return;
	job->state = k->state;
	job->wall_ms = rw_clock_wall_ms();
	job->sequence = ++k->last_given;
	k->expiring = true;
	hand(k, job);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_deadline(const struct rw_keeper *k, uint64_t now_ms)
{
	uint64_t next = k->urgent_ms;

	if (k->outstanding > 0 && !k->stuck)
		next = least(next, k->progress_ms + RW_KEEPER_HUNG_MS);
	if (k->memory && k->good)
		next = least(next, k->good_ms + RW_KEEPER_DRAIN_MS);
	else if (k->memory && k->outstanding == 0)
		next = least(next, k->retry_ms);
	if (!k->memory && !k->expiring && k->has_state)
		next = least(next, k->facts.expires_ms > k->expire_after_ms ? k->facts.expires_ms
									    : k->expire_after_ms);
	if (!k->memory && k->store.count > 0 && k->handed == 0)
		next = least(next, now_ms + AGAIN_MS);
	return next;
}

uint64_t rw_keeper_run(struct rw_keeper *k, uint64_t now_ms)
{
	struct rw_writer_job *job;

	k->now_ms = now_ms;
	if (k->writer == NULL)
		return UINT64_MAX;
	while ((job = rw_writer_take(k->writer)) != NULL) {
		take_result(k, job, now_ms);
		rw_writer_job_free(job);
	}
	mind_hang(k, now_ms);
	mind_memory(k, now_ms);
	mind_age(k, now_ms);
	hand_over(k, now_ms, RW_KEEPER_QUEUE);
	return next_deadline(k, now_ms);
}

int rw_keeper_descriptor(const struct rw_keeper *k)
{
	return k->writer == NULL ? -1 : rw_writer_descriptor(k->writer);
}

/* ---- for the uplink -------------------------------------------------------------- */

Ringwatch__V1__SpoolState rw_keeper_state(const struct rw_keeper *k)
{
	return k->memory ? RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY
			 : RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK;
}

const char *rw_keeper_reason(const struct rw_keeper *k)
{
	return k->memory ? k->reason : "";
}

uint32_t rw_keeper_generation(const struct rw_keeper *k)
{
	return k->generation;
}

const uint8_t *rw_keeper_spool_id(const struct rw_keeper *k)
{
	return k->on_disk ? k->disk_id : k->memory_id;
}

static int next_in_memory(const struct rw_keeper *k, uint64_t after, const struct rw_packed **out)
{
	const struct rw_packed *p = k->store.first;

	while (p != NULL && (p->sequence <= after || p->parked))
		p = p->next;
	*out = p;
	return p == NULL ? -ENOENT : 0;
}

static int begin_reading(struct rw_keeper *k, uint64_t after)
{
	if (k->reading || k->stuck)
		return -EAGAIN;
	struct rw_writer_job *job = rw_writer_job_new(RW_WRITER_READ, k->now_ms);
	if (job == NULL)
		return -EAGAIN;
	job->sequence = after;
	k->reading = true;
	hand(k, job);
	return -EAGAIN;
}

static int next_on_disk(struct rw_keeper *k, uint64_t after, const struct rw_packed **out)
{
	if (disk_is_drained(k))
		return -ENOENT;
	if (!k->window_valid || after < k->window_from)
		return begin_reading(k, after);
	const struct rw_packed *p = k->window.first;
	while (p != NULL && p->sequence <= after)
		p = p->next;
	*out = p;
	if (p != NULL)
		return 0;
	if (k->window_to >= k->facts.last_sequence || after >= k->facts.last_sequence)
		return -ENOENT;
	return begin_reading(k, after > k->window_to ? after : k->window_to);
}

int rw_keeper_next(struct rw_keeper *k, uint64_t after, uint64_t *sequence, const uint8_t **packed,
		   size_t *length)
{
	const struct rw_packed *p = NULL;

	if (after < k->acked)
		after = k->acked;
	int err = k->on_disk ? next_on_disk(k, after, &p) : next_in_memory(k, after, &p);
	if (err != 0)
		return err;
	*sequence = p->sequence;
	*packed = p->bytes;
	*length = p->length;
	return 0;
}

static void ack_in_memory(struct rw_keeper *k, uint64_t sequence)
{
	struct rw_packed_list kept = {0};
	struct rw_packed *p;

	while ((p = rw_packed_pop(&k->store)) != NULL) {
		if (p->sequence <= sequence && !p->parked)
			rw_packed_release(p);
		else
			rw_packed_push(&kept, p);
	}
	k->store = kept;
}

static void ack_on_disk(struct rw_keeper *k, uint64_t sequence)
{
	while (k->window.first != NULL && k->window.first->sequence <= sequence)
		rw_packed_release(rw_packed_pop(&k->window));
	struct rw_writer_job *job = rw_writer_job_new(RW_WRITER_ACK, k->now_ms);
	if (job == NULL)
		return; /* a later one says the same */
	job->sequence = sequence;
	(void)drop(k, RW_WRITER_ACK, false);
	hand(k, job);
}

int rw_keeper_ack(struct rw_keeper *k, uint64_t sequence)
{
	if (sequence > rw_keeper_last_sequence(k))
		return -ERANGE;
	if (sequence <= k->acked)
		return 0;
	k->acked = sequence;
	if (k->on_disk)
		ack_on_disk(k, sequence);
	else
		ack_in_memory(k, sequence);
	return 0;
}

int rw_keeper_renew(struct rw_keeper *k)
{
	if (!k->on_disk) {
		k->has_memory_id = false;
		make_memory_id(k);
		k->generation++;
		return 0;
	}
	if (k->renewing)
		return 0;
	struct rw_writer_job *job = rw_writer_job_new(RW_WRITER_RENEW, k->now_ms);
	if (job == NULL)
		return -ENOMEM;
	k->renewing = true;
	hand(k, job);
	return 0;
}

uint64_t rw_keeper_acked(const struct rw_keeper *k)
{
	return k->acked;
}

uint64_t rw_keeper_last_sequence(const struct rw_keeper *k)
{
	return k->on_disk ? k->facts.last_sequence : k->last_given;
}

uint32_t rw_keeper_pending(const struct rw_keeper *k)
{
	bool none = k->on_disk ? disk_is_drained(k) : k->facts.pending == 0;

	return k->store.count + (none ? 0 : k->facts.pending);
}

bool rw_keeper_is_drained(const struct rw_keeper *k)
{
	const struct rw_packed *p;

	if (!k->memory)
		return k->store.count == 0 && disk_is_drained(k);
	return next_in_memory(k, 0, &p) != 0 && (!k->on_disk || disk_is_drained(k));
}

struct rw_keeper_losses rw_keeper_losses(const struct rw_keeper *k)
{
	return (struct rw_keeper_losses){
		.evicted = k->facts.evicted + k->evicted,
		.unwritten = k->unwritten,
	};
}

/* ---- the end --------------------------------------------------------------------- */

/* The memory ends with the process: whatever the disk takes is told by the next one. */
static void write_ring_down(struct rw_keeper *k, uint64_t now_ms)
{
	struct rw_writer_job *job;

	if (!k->memory || !k->facts.open || k->store.count == 0 || k->outstanding > 0)
		return;
	job = rw_writer_job_new(RW_WRITER_TRY, now_ms);
	if (job == NULL)
		return;
	hand(k, job);
	return_to_disk(k, now_ms);
}

static uint64_t left_until(uint64_t boot_ms)
{
	uint64_t now_ms = rw_clock_boot_ms();

	return now_ms < boot_ms ? boot_ms - now_ms : 0;
}

/* Waits for what the thread has; what the disk refuses of it is tried once more. */
static void finish(struct rw_keeper *k, uint64_t until_boot_ms)
{
	struct pollfd results = {.fd = rw_writer_descriptor(k->writer), .events = POLLIN};
	uint64_t now_ms = k->now_ms;
	bool is_tried = false;

	for (;;) {
		(void)rw_keeper_run(k, now_ms);
		if (k->memory && k->outstanding == 0 && !is_tried) {
			is_tried = true;
			write_ring_down(k, now_ms);
		}
		hand_over(k, now_ms, UINT32_MAX);
		uint64_t left_ms = left_until(until_boot_ms);
		if (k->outstanding == 0 || left_ms == 0)
			return;
		(void)poll(&results, 1, (int)left_ms);
	}
}

void rw_keeper_close(struct rw_keeper *k)
{
	if (k == NULL)
		return;
	if (k->writer == NULL) {
		rw_writer_close(&k->place);
	} else {
		uint64_t until_ms = rw_clock_boot_ms() + RW_KEEPER_STOP_MS;
		finish(k, until_ms);
		if (!rw_writer_stop(k->writer, left_until(until_ms)))
			rw_warning("event=spool_left_behind reason=\"%s\"",
				   k->reason[0] != '\0' ? k->reason : "the disk does not answer");
		else if (k->store.count > 0)
			rw_warning("event=events_not_written count=%u reason=\"%s\"",
				   k->store.count, k->reason);
	}
	rw_packed_clear(&k->store);
	rw_packed_clear(&k->window);
	free(k);
}
