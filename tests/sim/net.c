/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on their way. Each direction of a host's link keeps its order; a cut link
 * holds what was sent until it is mended, unless its sender's kernel is gone by then:
 * nobody sends it again. A datagram is lost behind a cut.
 */
#include <assert.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

/* ---- a heap by time ----------------------------------------------------------------- */

static bool is_before(const struct sim_message *a, const struct sim_message *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

static void swap(struct sim *sim, uint32_t a, uint32_t b)
{
	struct sim_message message = sim->queue[a];

	sim->queue[a] = sim->queue[b];
	sim->queue[b] = message;
}

static void push(struct sim *sim, const struct sim_message *message)
{
	uint32_t at = sim->queue_count++;

	if (at == sim->queue_room) {
		sim->queue_room = sim->queue_room == 0 ? 1024 : sim->queue_room * 2;
		sim->queue = realloc(sim->queue, sim->queue_room * sizeof(*sim->queue));
		assert(sim->queue != NULL);
	}
	sim->queue[at] = *message;
	for (; at > 0 && is_before(&sim->queue[at], &sim->queue[(at - 1) / 2]); at = (at - 1) / 2)
		swap(sim, at, (at - 1) / 2);
}

static struct sim_message pop(struct sim *sim)
{
	struct sim_message first = sim->queue[0];

	swap(sim, 0, --sim->queue_count);
	for (uint32_t at = 0;;) {
		uint32_t least = at;

		for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
			if (child < sim->queue_count &&
			    is_before(&sim->queue[child], &sim->queue[least]))
				least = child;
		}
		if (least == at)
			return first;
		swap(sim, at, least);
		at = least;
	}
}

void sim_net_end(struct sim *sim)
{
	free(sim->queue);
}

/* ---- sending ----------------------------------------------------------------------------- */

static void send(struct sim *sim, struct sim_message message, uint64_t *last_ms)
{
	const struct sim_host *host = &sim->hosts[message.host];
	uint64_t from_ms = sim->now_ms > host->cut_ms ? sim->now_ms : host->cut_ms;
	/* Mostly near, now and then across a congested link. */
	uint64_t latency_ms =
		sim_once_in(sim, 50) ? sim_between(sim, 20, 1500) : sim_between(sim, 1, 20);

	message.at_ms = from_ms + latency_ms;
	if (message.at_ms < *last_ms)
		message.at_ms = *last_ms;
	*last_ms = message.at_ms;
	message.number = ++sim->message_number;
	message.sent_ms = sim->now_ms;
	push(sim, &message);
}

void sim_to_collector(struct sim *sim, struct sim_message message)
{
	struct sim_host *host = &sim->hosts[message.host];
	uint64_t beside = 0;

	message.boot = host->boot;
	if (message.kind == SIM_GASP && sim->now_ms < host->cut_ms)
		return;
	/* A handshake goes there and back before a Hello. */
	if (message.kind == SIM_HELLO && host->up_ms < sim->now_ms)
		host->up_ms = sim->now_ms + sim_between(sim, 5, 400);
	send(sim, message, message.kind == SIM_GASP ? &beside : &host->up_ms);
}

void sim_to_sensor(struct sim *sim, struct sim_message message)
{
	send(sim, message, &sim->hosts[message.host].down_ms);
}

/* ---- arriving ------------------------------------------------------------------------------- */

static bool is_to_sensor(const struct sim_message *message)
{
	return message->kind >= SIM_WELCOME;
}

/* Whether it gets through now; if not, it may be put off. */
static bool arrives(struct sim *sim, struct sim_message *message)
{
	const struct sim_host *host = &sim->hosts[message->host];
	bool same_kernel = host->power == SIM_RUNNING && host->boot == message->boot;

	if (host->cut_ms > message->sent_ms && !is_to_sensor(message) &&
	    (message->kind == SIM_GASP || !same_kernel))
		return false;
	if (message->at_ms < host->cut_ms) {
		message->at_ms = host->cut_ms;
		push(sim, message);
		return false;
	}
	if (is_to_sensor(message) && host->power == SIM_RUNNING &&
	    message->at_ms < host->frozen_ms) {
		message->at_ms = host->frozen_ms;
		push(sim, message);
		return false;
	}
	return true;
}

bool sim_net_take(struct sim *sim, uint64_t until_ms, struct sim_message *out)
{
	while (sim->queue_count > 0 && sim->queue[0].at_ms <= until_ms) {
		*out = pop(sim);
		if (arrives(sim, out))
			return true;
	}
	return false;
}

/* ---- faults ------------------------------------------------------------------------------------
 */

void sim_cut(struct sim *sim, uint32_t number, uint64_t until_ms)
{
	struct sim_host *host = &sim->hosts[number];

	if (until_ms > host->cut_ms)
		host->cut_ms = until_ms;
}

static bool is_exposed(const struct sim *sim, uint32_t number)
{
	return sim_judge_is_exposed(sim, number);
}

/* Of all, of some in a row, of one ring, or of those that a change has reached. */
static void parts(struct sim *sim)
{
	uint64_t until_ms = sim->now_ms + sim_between(sim, 3000, 4 * SIM_MINUTE_MS);
	uint32_t how = sim_pick(sim, 5);
	uint32_t first = sim_pick(sim, sim->host_count);
	uint32_t count = 1 + sim_pick(sim, sim->host_count);
	uint32_t ring = sim_pick(sim, SIM_RINGS);

	for (uint32_t i = 0; i < sim->host_count; i++) {
		bool is_in = (i + sim->host_count - first) % sim->host_count < count;

		if (how == 0 || (how == 1 && is_in) || (how == 2 && sim->hosts[i].ring == ring) ||
		    (how == 3 && is_exposed(sim, i)) || (how == 4 && !is_exposed(sim, i)))
			sim_cut(sim, i, until_ms + sim_pick(sim, 2000));
	}
}

void sim_net_faults(struct sim *sim)
{
	if (!sim->calm && sim->scenario.partition_s != 0 &&
	    sim_once_in(sim, (uint64_t)sim->scenario.partition_s * SIM_SECOND_MS / SIM_STEP_MS))
		parts(sim);
}
