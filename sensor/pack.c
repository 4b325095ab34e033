/* SPDX-License-Identifier: Apache-2.0 */
/* The spool keeps events in the form in which they travel; see pack.h. */
#include "sensor/pack.h"

#include <errno.h>
#include <string.h>

long rw_event_pack(const struct rw_event *event, uint8_t *out, size_t size)
{
	Ringwatch__V1__Event m = RINGWATCH__V1__EVENT__INIT;
	Ringwatch__V1__Fact facts[RW_FACTS_MAX];
	Ringwatch__V1__Fact *fact_pointers[RW_FACTS_MAX];
	char *stack[RW_STACK_MAX];
	uint32_t frames = event->stack_count < RW_STACK_MAX ? event->stack_count : RW_STACK_MAX;
	uint32_t fact_count = event->fact_count < RW_FACTS_MAX ? event->fact_count : RW_FACTS_MAX;

	for (uint32_t i = 0; i < frames; i++)
		stack[i] = (char *)event->stack[i];
	for (uint32_t i = 0; i < fact_count; i++) {
		ringwatch__v1__fact__init(&facts[i]);
		facts[i].name = event->facts[i].name;
		facts[i].value = (char *)event->facts[i].value;
		fact_pointers[i] = &facts[i];
	}
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
	m.n_facts = fact_count;
	m.facts = fact_pointers;
	m.about = event->about;
	if (event->log != NULL && event->log->packed_bytes > 0) {
		m.log.data = (uint8_t *)event->log->packed;
		m.log.len = event->log->packed_bytes;
		m.log_bytes = event->log->plain_bytes;
	}
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

static int copy_facts(const Ringwatch__V1__Event *m, struct rw_event *e)
{
	int err = 0;

	if (m->n_facts > RW_FACTS_MAX)
		return -EBADMSG;
	e->fact_count = (uint32_t)m->n_facts;
	for (size_t i = 0; i < m->n_facts; i++) {
		e->facts[i].name = m->facts[i]->name;
		err |= copy(e->facts[i].value, sizeof(e->facts[i].value), m->facts[i]->value);
	}
	return err;
}

static int copy_log(const Ringwatch__V1__Event *m, struct rw_event *e, struct rw_log_excerpt *log)
{
	if (m->log.len > RW_LOG_PACKED_MAX)
		return -EBADMSG;
	if (log == NULL)
		return 0;
	log->packed_bytes = (uint32_t)m->log.len;
	log->plain_bytes = m->log_bytes;
	if (m->log.len == 0)
		return 0;
	memcpy(log->packed, m->log.data, m->log.len);
	e->log = log;
	return 0;
}

int rw_event_unpack(const uint8_t *bytes, size_t length, struct rw_event *out,
		    struct rw_log_excerpt *log)
{
	Ringwatch__V1__Event *m = ringwatch__v1__event__unpack(NULL, length, bytes);

	if (m == NULL)
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	int err = copy_message(m, out);
	if (err == 0)
		err = copy_facts(m, out);
	if (err == 0)
		err = copy_log(m, out, log);
	out->about = m->about;
	ringwatch__v1__event__free_unpacked(m, NULL);
	return err;
}
