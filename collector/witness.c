/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One slot an address. A slot whose socket is still being closed when the next
 * round begins sits that round out.
 */
#include "collector/witness.h"

#include <stdlib.h>

enum slot_state { SLOT_IDLE, SLOT_CONNECTING, SLOT_CLOSING };

struct slot {
	uv_tcp_t tcp;
	uv_connect_t request;
	struct rw_witnesses *witnesses;
	enum slot_state state;
};

struct rw_witnesses {
	struct rw_witnesses_config config;
	uv_loop_t *loop;
	uv_timer_t timer;
	bool asking;
	bool closed;
	uint32_t connecting;
	struct slot slots[RW_WITNESSES_MAX];
};

static void slot_closed(uv_handle_t *handle)
{
	struct slot *slot = handle->data;

	slot->state = SLOT_IDLE;
}

static void close_slot(struct slot *slot)
{
	slot->state = SLOT_CLOSING;
	slot->witnesses->connecting--;
	uv_close((uv_handle_t *)&slot->tcp, slot_closed);
}

static void end_round(struct rw_witnesses *witnesses)
{
	uv_timer_stop(&witnesses->timer);
	for (uint32_t i = 0; i < witnesses->config.count; i++) {
		if (witnesses->slots[i].state == SLOT_CONNECTING)
			close_slot(&witnesses->slots[i]);
	}
	witnesses->asking = false;
}

static void answer(struct rw_witnesses *witnesses, bool reachable)
{
	end_round(witnesses);
	witnesses->config.answer(witnesses->config.context, reachable);
}

static void connected(uv_connect_t *request, int status)
{
	struct slot *slot = request->data;
	struct rw_witnesses *witnesses = slot->witnesses;

	if (slot->state != SLOT_CONNECTING) /* the round is over */
		return;
	if (status == 0 || status == UV_ECONNREFUSED) {
		answer(witnesses, true);
		return;
	}
	close_slot(slot);
	if (witnesses->connecting == 0)
		answer(witnesses, false);
}

static void timed_out(uv_timer_t *timer)
{
	answer(timer->data, false);
}

static void connect_slot(struct rw_witnesses *witnesses, uint32_t index)
{
	struct slot *slot = &witnesses->slots[index];
	const struct sockaddr *to = (const struct sockaddr *)&witnesses->config.addresses[index];

	if (slot->state != SLOT_IDLE || uv_tcp_init(witnesses->loop, &slot->tcp) != 0)
		return;
	slot->tcp.data = slot->request.data = slot;
	slot->state = SLOT_CONNECTING;
	witnesses->connecting++;
	if (uv_tcp_connect(&slot->request, &slot->tcp, to, connected) != 0)
		close_slot(slot);
}

struct rw_witnesses *rw_witnesses_open(uv_loop_t *loop, const struct rw_witnesses_config *config)
{
	struct rw_witnesses *witnesses = calloc(1, sizeof(*witnesses));

	if (witnesses == NULL)
		return NULL;
	witnesses->config = *config;
	witnesses->loop = loop;
	for (uint32_t i = 0; i < RW_WITNESSES_MAX; i++)
		witnesses->slots[i].witnesses = witnesses;
	uv_timer_init(loop, &witnesses->timer);
	witnesses->timer.data = witnesses;
	return witnesses;
}

void rw_witnesses_ask(struct rw_witnesses *witnesses)
{
	if (witnesses->asking || witnesses->closed)
		return;
	witnesses->asking = true;
	for (uint32_t i = 0; i < witnesses->config.count; i++)
		connect_slot(witnesses, i);
	/* Who could not even begin is answered for from the loop, too. */
	uv_timer_start(&witnesses->timer, timed_out,
		       witnesses->connecting > 0 ? witnesses->config.timeout_ms : 0, 0);
}

void rw_witnesses_close(struct rw_witnesses *witnesses)
{
	if (witnesses == NULL || witnesses->closed)
		return;
	witnesses->closed = true;
	end_round(witnesses);
	uv_close((uv_handle_t *)&witnesses->timer, NULL);
}

void rw_witnesses_free(struct rw_witnesses *witnesses)
{
	free(witnesses);
}
