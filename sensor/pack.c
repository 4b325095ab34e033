/* SPDX-License-Identifier: Apache-2.0 */
/* The spool keeps events in the form in which they travel; see pack.h. */
#include "sensor/pack.h"

#include <errno.h>
#include <string.h>

long rw_event_pack(const struct rw_event *event, uint8_t *out, size_t size)
{
	Ringwatch__V1__Event m = RINGWATCH__V1__EVENT__INIT;
	char *stack[RW_STACK_MAX];
	uint32_t frames = event->stack_count < RW_STACK_MAX ? event->stack_count : RW_STACK_MAX;

	for (uint32_t i = 0; i < frames; i++)
		stack[i] = (char *)event->stack[i];
	m.sequence = event->sequence;
	m.kind = event->kind;
	m.severity = event->severity;
	m.source = event->source;
	m.boot_id = (char *)event->boot_id;
	m.boot_order = event->boot_order;
	m.boot_ms = event->boot_ms;
	m.wall_ms = event->wall_ms;
	m.cpu = event->cpu;
	m.pid = event->pid;
	m.comm = (char *)event->comm;
	m.signature = (char *)event->signature;
	m.symbol = (char *)event->symbol;
	m.module = (char *)event->module;
	m.error = event->error;
	m.detail = (char *)event->detail;
	m.count = event->count;
	m.n_stack = frames;
	m.stack = stack;
	if (ringwatch__v1__event__get_packed_size(&m) > size)
		return -EMSGSIZE;
	return (long)ringwatch__v1__event__pack(&m, out);
}

static int copy(char *out, size_t size, const char *text)
{
	size_t length = strlen(text);

	if (length >= size)
		return -EBADMSG;
	memcpy(out, text, length + 1);
	return 0;
}

static int copy_message(const Ringwatch__V1__Event *m, struct rw_event *e)
{
	int err = 0;

	e->sequence = m->sequence;
	e->kind = m->kind;
	e->severity = m->severity;
	e->source = m->source;
	err |= copy(e->boot_id, sizeof(e->boot_id), m->boot_id);
	e->boot_order = m->boot_order;
	e->boot_ms = m->boot_ms;
	e->wall_ms = m->wall_ms;
	e->cpu = m->cpu;
	e->pid = m->pid;
	err |= copy(e->comm, sizeof(e->comm), m->comm);
	err |= copy(e->signature, sizeof(e->signature), m->signature);
	err |= copy(e->symbol, sizeof(e->symbol), m->symbol);
	err |= copy(e->module, sizeof(e->module), m->module);
	e->error = m->error;
	err |= copy(e->detail, sizeof(e->detail), m->detail);
	e->count = m->count;
	if (m->n_stack > RW_STACK_MAX)
		return -EBADMSG;
	e->stack_count = (uint32_t)m->n_stack;
	for (size_t i = 0; i < m->n_stack; i++)
		err |= copy(e->stack[i], sizeof(e->stack[i]), m->stack[i]);
	return err != 0 ? -EBADMSG : 0;
}

int rw_event_unpack(const uint8_t *bytes, size_t length, struct rw_event *out)
{
	Ringwatch__V1__Event *m = ringwatch__v1__event__unpack(NULL, length, bytes);

	if (m == NULL)
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	int err = copy_message(m, out);
	ringwatch__v1__event__free_unpacked(m, NULL);
	return err;
}
