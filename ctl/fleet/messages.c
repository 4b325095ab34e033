/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a simulated host says. Its texts are made up: nothing is read from the
 * machine on which the simulator runs.
 */
#include "ctl/fleet/messages.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/version.h"

static char program[] = "ringwatch-fleet " RW_VERSION;
static char kernel_release[] = "6.1.0-simulated";
static char architecture[] = "x86_64";
static char empty[] = "";

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t boot_clock(const struct rw_fleet_host *host, uint64_t now_ms)
{
	return now_ms -
	       host->boot.began_ms; /* began_ms may have wrapped; the difference is right */
}

/* ---- hello ---------------------------------------------------------------- */

static const struct {
	Ringwatch__V1__Kind kind;
	const char *hook;
	const char *reason;
} coverage[] = {
	{RINGWATCH__V1__KIND__KIND_OOPS, "fentry/oops_enter", ""},
	{RINGWATCH__V1__KIND__KIND_PANIC, "fentry/vpanic", ""},
	{RINGWATCH__V1__KIND__KIND_WARNING, "fentry/__warn", ""},
	{RINGWATCH__V1__KIND__KIND_MODULE_LOAD_FAILED, "fexit/load_module", ""},
	{RINGWATCH__V1__KIND__KIND_RESTART, "fentry/kernel_restart", ""},
	{RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT, "boot state file", ""},
	{RINGWATCH__V1__KIND__KIND_HARD_LOCKUP, "kernel log", "no hook tells of it"},
	{RINGWATCH__V1__KIND__KIND_MACHINE_CHECK, "none", "a simulated host has no hardware"},
};

long rw_fleet_pack_hello(const struct rw_fleet_host *host, uint64_t now_ms, uint8_t *out,
			 size_t size)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Hello hello = RINGWATCH__V1__HELLO__INIT;
	Ringwatch__V1__Coverage rows[COUNT(coverage)];
	Ringwatch__V1__Coverage *pointers[COUNT(coverage)];

	for (size_t i = 0; i < COUNT(coverage); i++) {
		rows[i] = (Ringwatch__V1__Coverage)RINGWATCH__V1__COVERAGE__INIT;
		rows[i].kind = coverage[i].kind;
		rows[i].hook = (char *)coverage[i].hook;
		rows[i].reason = (char *)coverage[i].reason;
		pointers[i] = &rows[i];
	}
	hello.schema = RW_WIRE_SCHEMA;
	hello.program = program;
	hello.boot_id = (char *)host->boot.id;
	hello.boot_order = host->boot.order;
	hello.boot_ms = boot_clock(host, now_ms);
	hello.wall_ms = rw_clock_wall_ms();
	hello.previous_boot_id = (char *)host->previous_boot_id;
	hello.previous_end = host->previous_end;
	hello.spool_id.data = (uint8_t *)host->spool.id;
	hello.spool_id.len = sizeof(host->spool.id);
	hello.kernel_release = kernel_release;
	hello.architecture = architecture;
	hello.n_coverage = COUNT(coverage);
	hello.coverage = pointers;
	hello.spool_state = RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK;
	hello.spool_reason = empty;
	hello.netconsole = (char *)"none";
	frame.body_case = RINGWATCH__V1__FRAME__BODY_HELLO;
	frame.hello = &hello;
	return rw_wire_encode(&frame, out, size);
}

/* ---- events --------------------------------------------------------------- */

struct crash {
	const char *symbol;
	const char *module;
	const char *stack[5];
};

static const struct crash crashes[] = {
	{"scan_open+0x9c/0x210",
	 "filescan",
	 {"scan_open+0x9c [filescan]", "scan_hook+0x41 [filescan]", "do_dentry_open+0x1b1",
	  "path_openat+0xd2f", "do_sys_openat2+0x9e"}},
	{"nvmf_complete+0x14/0x80",
	 "nvmefabric",
	 {"nvmf_complete+0x14 [nvmefabric]", "blk_mq_complete_request+0x18", "irq_thread_fn+0x20",
	  "irq_thread+0xfb", "kthread+0xda"}},
	{"flow_lookup+0x6e/0x130",
	 "flowtable",
	 {"flow_lookup+0x6e [flowtable]", "nf_hook_slow+0x41", "ip_rcv+0xc0",
	  "__netif_receive_skb_one_core+0x5f", "process_backlog+0x8c"}},
	{"gpu_fence_wait+0x33/0xa0",
	 "gpudrv",
	 {"gpu_fence_wait+0x33 [gpudrv]", "gpu_submit+0x1f2 [gpudrv]", "drm_ioctl+0x22f",
	  "__x64_sys_ioctl+0x8d", "do_syscall_64+0x55"}},
};

enum { FACTS_MAX = 3 };

struct event_texts {
	char signature[RW_SIGNATURE_MAX + 1];
	char detail[RW_DETAIL_MAX + 1];
	char *stack[COUNT(crashes[0].stack)];
	Ringwatch__V1__Fact facts[FACTS_MAX];
	Ringwatch__V1__Fact *fact_pointers[FACTS_MAX];
};

/* In the order of the names. */
static void add_fact(Ringwatch__V1__Event *e, struct event_texts *texts,
		     Ringwatch__V1__FactName name, const char *value)
{
	Ringwatch__V1__Fact *fact = &texts->facts[e->n_facts];

	if (e->n_facts == FACTS_MAX)
		return;
	ringwatch__v1__fact__init(fact);
	fact->name = name;
	fact->value = (char *)value;
	texts->fact_pointers[e->n_facts++] = fact;
	e->facts = texts->fact_pointers;
}

static void fill_crash(Ringwatch__V1__Event *e, const struct rw_fleet_event *event,
		       struct event_texts *texts)
{
	const struct crash *crash = &crashes[event->variant % COUNT(crashes)];
	bool is_oops = event->kind == RINGWATCH__V1__KIND__KIND_OOPS;

	e->severity = is_oops ? RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL
			      : RINGWATCH__V1__SEVERITY__SEVERITY_WARNING;
	e->source = RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG;
	e->cpu = event->variant % 8;
	e->pid = 1000 + event->variant % 1000;
	e->comm = (char *)"worker";
	e->symbol = (char *)crash->symbol;
	e->module = (char *)crash->module;
	snprintf(texts->signature, sizeof(texts->signature), "%s:%.*s:%s",
		 rw_kind_name(event->kind), (int)strcspn(crash->symbol, "/"), crash->symbol,
		 crash->module);
	snprintf(texts->detail, sizeof(texts->detail), "%s (simulated)",
		 is_oops ? "BUG: kernel NULL pointer dereference, address: 0000000000000018"
			 : "WARNING: CPU: 1 PID: 1000");
	for (size_t i = 0; i < COUNT(crash->stack); i++)
		texts->stack[i] = (char *)crash->stack[i];
	e->n_stack = COUNT(crash->stack);
	e->stack = texts->stack;
	if (is_oops) {
		add_fact(e, texts, RINGWATCH__V1__FACT_NAME__FACT_TYPE, "null_dereference");
		add_fact(e, texts, RINGWATCH__V1__FACT_NAME__FACT_ADDRESS, "0x18");
		add_fact(e, texts, RINGWATCH__V1__FACT_NAME__FACT_ERROR_CODE, "0x0");
	} else {
		add_fact(e, texts, RINGWATCH__V1__FACT_NAME__FACT_FILE, "drivers/simulated.c");
		add_fact(e, texts, RINGWATCH__V1__FACT_NAME__FACT_LINE, "42");
	}
}

static void fill_reboot(Ringwatch__V1__Event *e, const struct rw_fleet_event *event,
			struct event_texts *texts)
{
	bool is_planned = event->kind == RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT;

	e->severity = is_planned ? RINGWATCH__V1__SEVERITY__SEVERITY_INFO
				 : RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL;
	e->source = RINGWATCH__V1__SOURCE__SOURCE_BOOT_STATE;
	e->cpu = UINT32_MAX;
	snprintf(texts->signature, sizeof(texts->signature), "%s",
		 is_planned ? "planned_reboot:restart" : "unexpected_reboot:unknown");
	snprintf(texts->detail, sizeof(texts->detail), "%s (simulated)",
		 is_planned ? "the boot ended in good order" : "cause unknown");
	add_fact(e, texts, RINGWATCH__V1__FACT_NAME__FACT_END, is_planned ? "reboot" : "unknown");
}

/* Of a drill that an earlier life was asked for the name is gone: it names none. */
static void fill_drill(Ringwatch__V1__Event *e, const struct rw_fleet_host *host,
		       struct event_texts *texts)
{
	e->severity = RINGWATCH__V1__SEVERITY__SEVERITY_INFO;
	e->source = RINGWATCH__V1__SOURCE__SOURCE_LOG;
	e->cpu = UINT32_MAX;
	snprintf(texts->signature, sizeof(texts->signature), "drill");
	snprintf(texts->detail, sizeof(texts->detail), "staged (simulated)");
	if (host->drill[0] != '\0')
		add_fact(e, texts, RINGWATCH__V1__FACT_NAME__FACT_DRILL, host->drill);
}

static void fill_event(Ringwatch__V1__Event *e, const struct rw_fleet_host *host,
		       const struct rw_fleet_event *event, struct event_texts *texts)
{
	*e = (Ringwatch__V1__Event)RINGWATCH__V1__EVENT__INIT;
	e->sequence = event->sequence;
	e->kind = event->kind;
	e->boot_id = (char *)event->boot_id;
	e->boot_order = event->boot_order;
	e->boot_ms = event->boot_ms;
	e->wall_ms = event->wall_ms;
	e->comm = empty;
	e->symbol = empty;
	e->module = empty;
	e->count = 1;
	e->signature = texts->signature;
	e->detail = texts->detail;
	if (event->kind == RINGWATCH__V1__KIND__KIND_OOPS ||
	    event->kind == RINGWATCH__V1__KIND__KIND_WARNING)
		fill_crash(e, event, texts);
	else if (event->kind == RINGWATCH__V1__KIND__KIND_DRILL)
		fill_drill(e, host, texts);
	else
		fill_reboot(e, event, texts);
}

long rw_fleet_pack_batch(const struct rw_fleet_host *host, size_t most, uint64_t now_ms,
			 uint8_t *out, size_t size, uint64_t *last)
{
	static struct event_texts texts[RW_EVENTS_PER_BATCH];
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__EventBatch batch = RINGWATCH__V1__EVENT_BATCH__INIT;
	Ringwatch__V1__Event events[RW_EVENTS_PER_BATCH];
	Ringwatch__V1__Event *pointers[RW_EVENTS_PER_BATCH];

	if (most > RW_EVENTS_PER_BATCH)
		most = RW_EVENTS_PER_BATCH;
	for (size_t i = 0; i < most && i < host->spool.count; i++) {
		fill_event(&events[i], host, rw_fleet_spool_at(&host->spool, i), &texts[i]);
		pointers[i] = &events[i];
		batch.n_events++;
		*last = events[i].sequence;
	}
	batch.events = pointers;
	batch.spool_id.data = (uint8_t *)host->spool.id;
	batch.spool_id.len = sizeof(host->spool.id);
	batch.boot_id = (char *)host->boot.id;
	batch.boot_ms = boot_clock(host, now_ms);
	batch.wall_ms = rw_clock_wall_ms();
	frame.body_case = RINGWATCH__V1__FRAME__BODY_EVENT_BATCH;
	frame.event_batch = &batch;
	return rw_wire_encode(&frame, out, size);
}

/* ---- the small ones --------------------------------------------------------- */

long rw_fleet_pack_heartbeat(const struct rw_fleet_host *host, uint64_t now_ms, uint8_t *out,
			     size_t size)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Heartbeat heartbeat = RINGWATCH__V1__HEARTBEAT__INIT;

	heartbeat.boot_ms = boot_clock(host, now_ms);
	heartbeat.pending_events = (uint32_t)host->spool.count;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_HEARTBEAT;
	frame.heartbeat = &heartbeat;
	return rw_wire_encode(&frame, out, size);
}

long rw_fleet_pack_probe_reply(uint64_t nonce, uint8_t *out, size_t size)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__ProbeReply reply = RINGWATCH__V1__PROBE_REPLY__INIT;

	reply.nonce = nonce;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_PROBE_REPLY;
	frame.probe_reply = &reply;
	return rw_wire_encode(&frame, out, size);
}

static void add_version(Ringwatch__V1__Versions *m, Ringwatch__V1__Version *rows,
			const struct rw_fleet_version *version)
{
	Ringwatch__V1__Version *row = &rows[m->n_versions];

	ringwatch__v1__version__init(row);
	row->subject = (char *)version->subject;
	row->value = (char *)version->value;
	m->versions[m->n_versions++] = row;
}

long rw_fleet_pack_versions(const struct rw_fleet_host *host, uint8_t *out, size_t size)
{
	static const struct rw_fleet_versions none;
	const struct rw_fleet_options *options = host->shared->options;
	const struct rw_fleet_versions *updates = host->updated ? &options->updates : &none;
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Versions versions = RINGWATCH__V1__VERSIONS__INIT;
	Ringwatch__V1__Version rows[RW_VERSIONS_MAX];
	Ringwatch__V1__Version *pointers[RW_VERSIONS_MAX];

	versions.versions = pointers;
	for (uint32_t i = 0; i < options->reports.count; i++) {
		const struct rw_fleet_version *version = &options->reports.all[i];

		if (rw_fleet_versions_find(updates, version->subject) == NULL)
			add_version(&versions, rows, version);
	}
	for (uint32_t i = 0; i < updates->count; i++)
		add_version(&versions, rows, &updates->all[i]);
	frame.body_case = RINGWATCH__V1__FRAME__BODY_VERSIONS;
	frame.versions = &versions;
	return rw_wire_encode(&frame, out, size);
}

long rw_fleet_pack_goodbye(Ringwatch__V1__GoodbyeKind kind, uint32_t back_in_s, uint8_t *out,
			   size_t size)
{
	Ringwatch__V1__Frame frame = RINGWATCH__V1__FRAME__INIT;
	Ringwatch__V1__Goodbye goodbye = RINGWATCH__V1__GOODBYE__INIT;

	goodbye.kind = kind;
	goodbye.back_in_s = back_in_s;
	frame.body_case = RINGWATCH__V1__FRAME__BODY_GOODBYE;
	frame.goodbye = &goodbye;
	return rw_wire_encode(&frame, out, size);
}
