/* SPDX-License-Identifier: Apache-2.0 */
/* How the last boot ended: the decision row by row, and all of it on a false root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/events/excerpt.h"
#include "lib/file.h"
#include "sensor/lastboot.h"

static const char boot_a[] = "aaaaaaaa-0000-4000-8000-000000000001";
static const char boot_b[] = "bbbbbbbb-0000-4000-8000-000000000002";
static const char boot_c[] = "cccccccc-0000-4000-8000-000000000003";

/* ---- the decision -------------------------------------------------------------------- */

static struct rw_boot_state state_of(enum rw_boot_armed armed)
{
	struct rw_boot_state s = {
		.boot_order = 41,
		.alive_boot_ms = 65000,
		.alive_wall_ms = 1700000065000,
		.armed = armed,
		.previous_end = RINGWATCH__V1__BOOT_END__BOOT_END_NONE,
		.log_sequence = 99,
		.sees_restarts = true,
		.release = "6.1.0-56-cloud-amd64",
	};

	memcpy(s.boot_id, boot_a, sizeof(s.boot_id));
	return s;
}

enum evidence {
	NOTHING = 0,
	PANIC = 1,
	OOPS = 2,
	FORCED = 4,
	WATCHDOG = 8,
	RESET_WATCHDOG = 16,
	RESET_HARDWARE = 32,
	RESET_BUTTON = 64,
	RESET_UNCLEAR = 128,
	BERT = 256,
	STORE_EMPTY = 512,
	ANNOUNCED = 1024,
	BLIND = 2048, /* no hook would have seen a restart */
};

static void put_evidence(struct rw_boot_state *old, unsigned int what,
			 struct rw_lastboot_evidence *e)
{
	*e = (struct rw_lastboot_evidence){.old = old};
	if ((what & PANIC) != 0) {
		e->panic.kind = RINGWATCH__V1__KIND__KIND_PANIC;
		snprintf(e->panic.detail, sizeof(e->panic.detail), "Fatal exception");
		snprintf(e->panic_source, sizeof(e->panic_source), "pstore erst");
	}
	if ((what & OOPS) != 0) {
		e->oops.kind = RINGWATCH__V1__KIND__KIND_OOPS;
		snprintf(e->oops.symbol, sizeof(e->oops.symbol), "crash_write+0x12");
		snprintf(e->oops.module, sizeof(e->oops.module), "acme");
		snprintf(e->oops_source, sizeof(e->oops_source), "seen live");
	}
	if ((what & FORCED) != 0) {
		snprintf(e->forced_by, sizeof(e->forced_by), "forced restart by sh (reboot)");
		snprintf(e->forced_source, sizeof(e->forced_source), "seen live");
	}
	if ((what & WATCHDOG) != 0)
		snprintf(e->watchdog, sizeof(e->watchdog), "i6300ESB timer: card reset");
	if ((what & (RESET_WATCHDOG | RESET_HARDWARE | RESET_BUTTON | RESET_UNCLEAR)) != 0)
		snprintf(e->reset_reason, sizeof(e->reset_reason), "[0x1] its words");
	e->reset_finish = (what & RESET_WATCHDOG) != 0   ? RW_FINISH_WATCHDOG
			  : (what & RESET_HARDWARE) != 0 ? RW_FINISH_HARDWARE_ERROR
			  : (what & RESET_BUTTON) != 0   ? RW_FINISH_RESET_OR_POWER_LOSS
							 : RW_FINISH_UNKNOWN;
	e->bert = (what & BERT) != 0;
	if ((what & STORE_EMPTY) != 0)
		snprintf(e->pstore_backend, sizeof(e->pstore_backend), "erst");
	if ((what & ANNOUNCED) != 0)
		e->announced = RW_ARMED_REBOOT;
	old->sees_restarts = (what & BLIND) == 0;
}

static void test_decision(void **state)
{
	static const struct {
		enum rw_boot_armed armed;
		unsigned int found;
		const char *word;
		bool unexpected;
		const char *evidence; /* begins so */
		const char *says;     /* somewhere */
	} rows[] = {
		{RW_ARMED_NONE, NOTHING, "unknown", true, "boot state file", "cause unknown"},
		{RW_ARMED_REBOOT, NOTHING, "reboot", false, "boot state file",
		 "good order: reboot"},
		{RW_ARMED_POWER_OFF, NOTHING, "power_off", false, "boot state file", "power_off"},
		{RW_ARMED_KEXEC, NOTHING, "kexec", false, "boot state file", "kexec"},
		{RW_ARMED_STOPPED, NOTHING, "unknown", false, "boot state file", "been stopped"},
		{RW_ARMED_NONE, ANNOUNCED, "reboot", false, "announcement", "been announced"},

		{RW_ARMED_NONE, PANIC, "panic", true, "pstore erst", "panic: Fatal exception"},
		{RW_ARMED_NONE, PANIC | OOPS, "panic", true, "pstore erst",
		 "after an oops in crash_write+0x12 [acme]"},
		/* a panic is one whatever had been planned, and whoever was stopped */
		{RW_ARMED_REBOOT, PANIC, "panic", true, "pstore erst", "Fatal"},
		{RW_ARMED_STOPPED, PANIC, "panic", true, "pstore erst", "Fatal"},
		{RW_ARMED_NONE, PANIC | ANNOUNCED, "panic", true, "pstore erst", "Fatal"},
		{RW_ARMED_NONE, PANIC | FORCED | WATCHDOG | BERT | RESET_BUTTON | STORE_EMPTY,
		 "panic", true, "pstore erst", "Fatal"},

		/* good order is not made worse by what came behind it */
		{RW_ARMED_REBOOT, OOPS, "reboot", false, "boot state file", "good order"},
		{RW_ARMED_REBOOT, FORCED, "reboot", false, "boot state file", "good order"},
		{RW_ARMED_POWER_OFF, WATCHDOG | BERT | RESET_BUTTON, "power_off", false,
		 "boot state file", "good order"},

		{RW_ARMED_NONE, FORCED, "forced_restart", true, "seen live",
		 "forced restart by sh (reboot)"},
		{RW_ARMED_NONE, FORCED | OOPS, "forced_restart", true, "seen live", "by sh"},
		{RW_ARMED_STOPPED, FORCED, "forced_restart", true, "seen live", "by sh"},
		{RW_ARMED_NONE, FORCED | WATCHDOG, "forced_restart", true, "seen live", "by sh"},

		{RW_ARMED_NONE, WATCHDOG, "watchdog", true, "watchdog bootstatus",
		 "i6300ESB timer: card reset"},
		{RW_ARMED_NONE, RESET_WATCHDOG, "watchdog", true, "reset reason", "its words"},
		{RW_ARMED_NONE, WATCHDOG | OOPS, "watchdog", true, "watchdog bootstatus", "i6300"},
		{RW_ARMED_NONE, WATCHDOG | BERT, "watchdog", true, "watchdog bootstatus", "i6300"},
		{RW_ARMED_NONE, BERT, "hardware_error", true, "BERT", "hardware error"},
		{RW_ARMED_NONE, RESET_HARDWARE, "hardware_error", true, "reset reason",
		 "its words"},
		{RW_ARMED_NONE, RESET_BUTTON, "reset_or_power_loss", true, "reset reason",
		 "its words"},
		{RW_ARMED_NONE, RESET_BUTTON | OOPS, "reset_or_power_loss", true, "reset reason",
		 "its words"},
		/* whom these are about nobody knows when the sensor was not there */
		{RW_ARMED_STOPPED, WATCHDOG, "unknown", false, "boot state file", "stopped"},
		{RW_ARMED_STOPPED, BERT, "unknown", false, "boot state file", "stopped"},
		{RW_ARMED_STOPPED, RESET_BUTTON, "unknown", false, "boot state file", "stopped"},
		{RW_ARMED_STOPPED, OOPS, "unknown", false, "boot state file", "stopped"},
		{RW_ARMED_STOPPED, STORE_EMPTY, "unknown", false, "boot state file", "stopped"},

		{RW_ARMED_NONE, OOPS, "oops", true, "seen live", "an oops in crash_write+0x12"},
		{RW_ARMED_NONE, OOPS | STORE_EMPTY, "oops", true, "seen live", "an oops in"},
		{RW_ARMED_NONE, STORE_EMPTY, "reset_or_power_loss", true,
		 "no record in pstore erst", "no record of a panic, though erst stood ready"},
		/* reboot -f leaves no record either: only a hook can rule it out */
		{RW_ARMED_NONE, STORE_EMPTY | BLIND, "unknown", true, "boot state file",
		 "cause unknown"},
		{RW_ARMED_NONE, RESET_UNCLEAR, "unknown", true, "boot state file",
		 "cause unknown; the reset's reason: [0x1] its words"},
		{RW_ARMED_NONE, RESET_UNCLEAR | STORE_EMPTY, "reset_or_power_loss", true,
		 "no record in pstore erst", "its words"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rw_boot_state old = state_of(rows[i].armed);
		struct rw_lastboot_evidence e;
		struct rw_lastboot_verdict v;
		put_evidence(&old, rows[i].found, &e);
		rw_lastboot_decide(&e, &v);
		const char *word = rw_boot_finish_name(v.finish);
		if (strcmp(word, rows[i].word) != 0 || v.unexpected != rows[i].unexpected ||
		    strncmp(v.evidence, rows[i].evidence, strlen(rows[i].evidence)) != 0 ||
		    strstr(v.because, rows[i].says) == NULL)
			fail_msg("row %zu: %s, %s: %s", i, word, v.evidence, v.because);
		assert_non_null(strstr(v.because, "of Linux 6.1.0-56-cloud-amd64 was last known "
						  "alive 65 s after its start"));
	}
}

/* ---- all of it -------------------------------------------------------------------------- */

static char root[64];
static char folder[96];
static char log_path[96];
static struct rw_spool *spool;
static struct rw_boot_state fresh;
static uint64_t left_off_ms;
static char error[RW_BOOT_ERROR_BYTES];

enum { KEPT_MAX = 8 };
static struct rw_event kept[KEPT_MAX]; /* what the spool or the callback has */
static char logs[KEPT_MAX][RW_LOG_PLAIN_MAX + 1];
static uint32_t kept_count;

static void add(const char *name, const char *text)
{
	char path[512];
	char parent[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	assert_int_equal(rw_file_make_folder(parent, 0755), 0);
	assert_int_equal(rw_file_replace(path, text, strlen(text), 0644), 0);
}

static void open_spool(void)
{
	char notice[RW_SPOOL_ERROR_BYTES];
	bool set_aside;

	assert_int_equal(rw_spool_open(folder, 1 << 20, &spool, &set_aside, notice), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/ringwatch-lastboot-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(folder, sizeof(folder), "%s/state", root);
	snprintf(log_path, sizeof(log_path), "%s/kmsg", root);
	add("proc/sys/kernel/random/boot_id", boot_b);
	if (mkdir(folder, 0700) != 0)
		return -1;
	open_spool();
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	rw_spool_close(spool);
	spool = NULL;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void keep(void *context, const struct rw_event *event)
{
	(void)context;
	assert_true(kept_count < KEPT_MAX);
	logs[kept_count][0] = '\0';
	if (event->log != NULL) {
		long n = rw_excerpt_unpack(event->log->packed, event->log->packed_bytes,
					   event->log->plain_bytes, logs[kept_count]);
		assert_true(n > 0);
		logs[kept_count][n] = '\0';
	}
	kept[kept_count] = *event;
	kept[kept_count++].log = NULL;
}

static void keep_told(void *context, struct rw_event *event)
{
	keep(context, event);
}

static int settle_with(struct rw_spool *to, bool remove_pstore)
{
	struct rw_lastboot_config c = {
		.root = root, .folder = folder, .kmsg = log_path, .remove_pstore = remove_pstore};

	memset(&fresh, 0xa5, sizeof(fresh));
	kept_count = 0;
	int err = rw_lastboot_settle(&c, to, keep_told, NULL, &fresh, &left_off_ms, error);
	if (to != NULL)
		assert_int_equal(rw_spool_review(to, keep, NULL), 0);
	return err;
}

static void settle(void)
{
	assert_int_equal(settle_with(spool, false), 0);
	assert_string_equal(error, "");
	assert_string_equal(fresh.boot_id, boot_b);
}

/* The old boot began an hour ago and was last seen alive ten seconds ago, after 3590 s. */
static struct rw_boot_state old_of(enum rw_boot_armed armed)
{
	struct rw_boot_state s = state_of(armed);

	s.alive_boot_ms = 3590000;
	s.alive_wall_ms = rw_clock_wall_ms() - 10000;
	return s;
}

static void save_old(struct rw_boot_state s)
{
	assert_int_equal(rw_boot_save(folder, &s), 0);
}

static void add_panic(const char *path)
{
	add(path, "Panic#1 Part1\n"
		  "<4>[ 3591.000000] acme: a line before\n"
		  "<0>[ 3592.000000] Kernel panic - not syncing: sysrq triggered crash\n"
		  "<4>[ 3592.000001] CPU: 0 PID: 12 Comm: sh Not tainted 6.1.0 #1\n");
}

static const struct rw_event *kept_of(Ringwatch__V1__Kind kind)
{
	const struct rw_event *found = NULL;

	for (uint32_t i = 0; i < kept_count; i++) {
		if (kept[i].kind != kind)
			continue;
		assert_null(found);
		found = &kept[i];
	}
	return found;
}

static const struct rw_event *end(void)
{
	return kept_of(RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT);
}

static void assert_end(const char *signature, const char *evidence)
{
	const struct rw_event *e = end();

	assert_non_null(e);
	assert_string_equal(e->signature, signature);
	assert_string_equal(rw_event_fact(e, RINGWATCH__V1__FACT_NAME__FACT_END),
			    strchr(signature, ':') + 1);
	assert_string_equal(rw_event_fact(e, RINGWATCH__V1__FACT_NAME__FACT_EVIDENCE), evidence);
	assert_int_equal(e->severity, RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL);
	assert_string_equal(e->boot_id, boot_a);
	assert_int_equal(e->boot_order, 41);
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED);
}

static void test_first_start(void **state)
{
	struct rw_boot_state saved;

	(void)state;
	/* whose dump this is nobody can know; from now on it is known */
	add_panic("sys/fs/pstore/dmesg-ramoops-0");
	settle();
	assert_int_equal(kept_count, 0);
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_NONE);
	assert_int_equal(left_off_ms, UINT64_MAX);
	assert_int_equal(rw_boot_load(folder, &saved, error), 0);
	assert_string_equal(saved.boot_id, boot_b);
	assert_true(saved.release[0] != '\0');

	/* the same boot again is no reboot */
	saved.alive_boot_ms = 4711;
	saved.armed = RW_ARMED_STOPPED;
	save_old(saved);
	settle();
	assert_int_equal(kept_count, 0);
	assert_int_equal(left_off_ms, 4711);
	assert_int_equal(fresh.armed, RW_ARMED_NONE);

	/* and the next boot does not take it for this one's */
	add("proc/sys/kernel/random/boot_id", boot_c);
	assert_int_equal(settle_with(spool, false), 0);
	assert_null(kept_of(RINGWATCH__V1__KIND__KIND_PANIC));
	assert_string_equal(end()->signature, "unexpected_reboot:unknown");
}

static void test_an_orderly_end(void **state)
{
	(void)state;
	save_old(old_of(RW_ARMED_REBOOT));
	settle();
	assert_int_equal(kept_count, 1);
	assert_int_equal(kept[0].kind, RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT);
	assert_string_equal(kept[0].signature, "planned_reboot:reboot");
	assert_string_equal(rw_event_fact(&kept[0], RINGWATCH__V1__FACT_NAME__FACT_END), "reboot");
	assert_int_equal(kept[0].severity, RINGWATCH__V1__SEVERITY__SEVERITY_INFO);
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_ORDERLY);
	assert_int_equal(fresh.boot_order, 42);
}

static void test_an_announced_end(void **state)
{
	struct rw_announcement a = {RW_ARMED_POWER_OFF, 120};

	(void)state;
	save_old(old_of(RW_ARMED_NONE));
	/* ten minutes are enough to go down; another boot's says nothing */
	assert_int_equal(rw_announcement_write(folder, &a, boot_a, 3580000), 0);
	settle();
	assert_string_equal(kept[0].signature, "planned_reboot:power_off");
	assert_string_equal(rw_event_fact(&kept[0], RINGWATCH__V1__FACT_NAME__FACT_EVIDENCE),
			    "announcement");
}

static void test_stopped_before(void **state)
{
	(void)state;
	save_old(old_of(RW_ARMED_STOPPED));
	add("sys/class/watchdog/watchdog0/bootstatus", "32\n");
	settle();
	assert_int_equal(kept_count, 0);
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN);
	assert_string_equal(fresh.previous_boot_id, boot_a);
}

static void test_stopped_before_and_a_panic(void **state)
{
	(void)state;
	save_old(old_of(RW_ARMED_STOPPED));
	add_panic("sys/fs/pstore/dmesg-ramoops-0");
	settle();
	assert_end("unexpected_reboot:panic", "pstore ramoops");
}

static void test_a_panic(void **state)
{
	(void)state;
	save_old(old_of(RW_ARMED_NONE));
	add_panic("sys/fs/pstore/dmesg-erst-7711251185943969793");
	settle();
	assert_int_equal(kept_count, 2);
	assert_end("unexpected_reboot:panic", "pstore erst");
	const struct rw_event *panic = kept_of(RINGWATCH__V1__KIND__KIND_PANIC);
	assert_string_equal(panic->signature, "panic:sysrq triggered crash");
	assert_int_equal(panic->source, RINGWATCH__V1__SOURCE__SOURCE_PSTORE);
	assert_int_equal(panic->severity, RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL);
	assert_string_equal(panic->boot_id, boot_a);
	assert_int_equal(panic->boot_order, 41);
	assert_int_equal(panic->boot_ms, 3592000);
	assert_non_null(strstr(logs[panic - kept], "acme: a line before"));
	assert_non_null(strstr(logs[panic - kept], "Kernel panic - not syncing"));
	assert_non_null(strstr(end()->detail, "sysrq triggered crash"));

	/* it stays in its store, over another boot too */
	assert_int_equal(settle_with(spool, false), 0);
	assert_int_equal(kept_count, 2);
	add("proc/sys/kernel/random/boot_id", boot_c);
	assert_int_equal(settle_with(spool, false), 0);
	assert_int_equal(kept_count, 3);
	assert_string_equal(kept[2].signature, "unexpected_reboot:unknown");
	assert_string_equal(kept[2].boot_id, boot_b);
}

/* The records of a real machine: NULL dereference with panic_on_oops. */
static void test_real_records(void **state)
{
	static const char from[] = "tests/data/pstore/6.1-ramoops";
	struct rw_boot_state old = old_of(RW_ARMED_NONE);
	char command[512];

	(void)state;
	old.alive_boot_ms = 7000;
	save_old(old);
	snprintf(command, sizeof(command), "mkdir -p %s/sys/fs/pstore && cp %s/* %s/sys/fs/pstore",
		 root, from, root);
	assert_int_equal(system(command), 0);
	settle();
	assert_int_equal(kept_count, 3);
	assert_end("unexpected_reboot:panic", "pstore ramoops");
	const struct rw_event *oops = kept_of(RINGWATCH__V1__KIND__KIND_OOPS);
	assert_string_equal(oops->module, "rw_null");
	assert_string_equal(end()->symbol, oops->symbol);
	assert_string_equal(end()->module, "rw_null");
	assert_non_null(strstr(end()->detail, "kernel panic: Fatal exception"));
	assert_non_null(strstr(end()->detail, "rw_crash_null+0x"));
	assert_non_null(strstr(logs[oops - kept], "RIP: 0010:rw_crash_null"));
	assert_string_equal(kept_of(RINGWATCH__V1__KIND__KIND_PANIC)->signature,
			    "panic:Fatal exception");
}

static struct rw_event seen_of(Ringwatch__V1__Kind kind, const char *signature, uint64_t boot_ms)
{
	struct rw_event e = {
		.kind = kind,
		.severity = RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL,
		.source = RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG,
		.boot_order = 41,
		.boot_ms = boot_ms,
		.cpu = 0,
		.count = 1,
	};

	memcpy(e.boot_id, boot_a, sizeof(e.boot_id));
	snprintf(e.signature, sizeof(e.signature), "%s", signature);
	snprintf(e.detail, sizeof(e.detail), "%s", strchr(signature, ':') + 1);
	snprintf(e.symbol, sizeof(e.symbol), "crash_write+0x12");
	snprintf(e.module, sizeof(e.module), "acme");
	return e;
}

static void test_what_was_seen_live_is_not_told_again(void **state)
{
	struct rw_event seen =
		seen_of(RINGWATCH__V1__KIND__KIND_PANIC, "panic:sysrq triggered crash", 3592100);

	(void)state;
	save_old(old_of(RW_ARMED_NONE));
	assert_int_equal(rw_spool_append(spool, &seen, UINT64_MAX), 0);
	add_panic("sys/fs/pstore/dmesg-ramoops-0");
	settle();
	assert_int_equal(kept_count, 2);
	assert_int_equal(kept[0].source, RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG);
	assert_end("unexpected_reboot:panic", "pstore ramoops");
}

static void test_the_spools_last_words(void **state)
{
	static const struct {
		Ringwatch__V1__Kind kind;
		const char *signature;
		uint64_t boot_ms;
		const char *end;
		const char *evidence;
	} rows[] = {
		{RINGWATCH__V1__KIND__KIND_PANIC, "panic:live", 3591000, "unexpected_reboot:panic",
		 "seen live"},
		{RINGWATCH__V1__KIND__KIND_OOPS, "oops:crash_write+0x12:acme", 3589000,
		 "unexpected_reboot:oops", "seen live"},
		/* a boot that went on for a minute did not end by it */
		{RINGWATCH__V1__KIND__KIND_OOPS, "oops:crash_write+0x12:acme", 3530000,
		 "unexpected_reboot:unknown", "boot state file"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rw_event seen = seen_of(rows[i].kind, rows[i].signature, rows[i].boot_ms);
		save_old(old_of(RW_ARMED_NONE));
		assert_int_equal(rw_spool_append(spool, &seen, UINT64_MAX), 0);
		settle();
		assert_int_equal(kept_count, 2);
		assert_end(rows[i].end, rows[i].evidence);
		if (strcmp(rows[i].end, "unexpected_reboot:oops") == 0)
			assert_string_equal(end()->symbol, "crash_write+0x12");
		tear_down(NULL);
		set_up(NULL);
	}
}

static void test_last_words_of_the_state(void **state)
{
	static const struct {
		const char *words;
		const char *end;
	} rows[] = {
		{"panic: Fatal exception", "unexpected_reboot:panic"},
		{"forced restart by sh (reboot)", "unexpected_reboot:forced_restart"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rw_boot_state old = old_of(RW_ARMED_NONE);
		snprintf(old.last_words, sizeof(old.last_words), "%s", rows[i].words);
		save_old(old);
		settle();
		assert_int_equal(kept_count, 1);
		assert_end(rows[i].end, "seen live");
		tear_down(NULL);
		set_up(NULL);
	}
}

static void test_hardware(void **state)
{
	static const struct {
		const char *file;
		const char *text;
		const char *end;
		const char *evidence;
	} rows[] = {
		{"sys/class/watchdog/watchdog0/bootstatus", "32\n", "unexpected_reboot:watchdog",
		 "watchdog bootstatus"},
		{"kmsg",
		 "6,1,1,-;x86/amd: Previous system reset reason [0x02000800]: hardware watchdog "
		 "timer expired\n",
		 "unexpected_reboot:watchdog",
		 "reset reason [0x02000800] hardware watchdog timer expired"},
		{"kmsg",
		 "6,1,1,-;BERT: Error records from previous boot:\n"
		 "6,2,1,-;[Hardware Error]: event severity: fatal\n",
		 "unexpected_reboot:hardware_error", "BERT"},
		{"kmsg",
		 "6,1,1,-;x86/amd: Previous system reset reason [0x00010800]: system reset pin "
		 "BP_SYS_RST_L was tripped\n",
		 "unexpected_reboot:reset_or_power_loss",
		 "reset reason [0x00010800] system reset pin BP_SYS_RST_L was tripped"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		save_old(old_of(RW_ARMED_NONE));
		add(rows[i].file, rows[i].text);
		settle();
		assert_int_equal(kept_count, 1);
		assert_end(rows[i].end, rows[i].evidence);
		tear_down(NULL);
		set_up(NULL);
	}
}

/* Kernels before 6.18 leave the register as they found it. */
static void test_a_reset_reason_that_may_be_old(void **state)
{
	struct rw_boot_state old = old_of(RW_ARMED_NONE);

	(void)state;
	add("kmsg", "6,1,1,-;x86/amd: Previous system reset reason [0x02000800]: hardware watchdog "
		    "timer expired\n");
	old.reset_status = 0x02000800;
	save_old(old);
	settle();
	assert_end("unexpected_reboot:unknown", "boot state file");
	assert_non_null(strstr(end()->detail, "as a boot before: it may be old"));
	assert_int_equal(fresh.reset_status, 0x02000800);
}

static void test_an_empty_store(void **state)
{
	static const struct {
		const char *stood; /* in the old boot */
		const char *now;   /* backend; NULL: none */
		bool mounted;
		const char *holds; /* an old record that is known; NULL: none */
		bool blind;
		const char *end;
	} rows[] = {
		{"erst", "erst\n", true, NULL, false, "unexpected_reboot:reset_or_power_loss"},
		{"erst", "erst\n", true, NULL, true, "unexpected_reboot:unknown"},
		{"", "erst\n", true, NULL, false, "unexpected_reboot:unknown"},
		{"erst", NULL, true, NULL, false, "unexpected_reboot:unknown"},
		{"erst", "ramoops\n", true, NULL, false, "unexpected_reboot:unknown"},
		{"erst", "erst\n", false, NULL, false, "unexpected_reboot:unknown"},
		/* without power ramoops has lost what it held */
		{"ramoops", "ramoops\n", true, NULL, false, "unexpected_reboot:unknown"},
		/* a store may be full; ramoops overwrites */
		{"erst", "erst\n", true, "dmesg-erst-5", false, "unexpected_reboot:unknown"},
		{"ramoops", "ramoops\n", true, "dmesg-ramoops-0", false,
		 "unexpected_reboot:reset_or_power_loss"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rw_boot_state old = old_of(RW_ARMED_NONE);
		char name[128];
		old.sees_restarts = !rows[i].blind;
		snprintf(old.pstore_backend, sizeof(old.pstore_backend), "%s", rows[i].stood);
		if (rows[i].holds != NULL) {
			/* of a boot long ago */
			struct timespec then[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
			snprintf(name, sizeof(name), "sys/fs/pstore/%s", rows[i].holds);
			add_panic(name);
			snprintf(name, sizeof(name), "%s/sys/fs/pstore/%s", root, rows[i].holds);
			assert_int_equal(utimensat(AT_FDCWD, name, then, 0), 0);
		}
		save_old(old);
		if (rows[i].now != NULL)
			add("sys/module/pstore/parameters/backend", rows[i].now);
		if (rows[i].mounted)
			add("sys/fs/pstore/.here", "");
		settle();
		assert_int_equal(kept_count, 1);
		if (strcmp(end()->signature, rows[i].end) != 0)
			fail_msg("row %zu: %s", i, end()->signature);
		tear_down(NULL);
		set_up(NULL);
	}
}

static void test_other_records(void **state)
{
	(void)state;
	/* with printk.always_kmsg_dump */
	save_old(old_of(RW_ARMED_NONE));
	add("sys/fs/pstore/dmesg-ramoops-0",
	    "Emergency#1 Part1\n<6>[ 3592.000000] sysrq: Resetting\n");
	settle();
	assert_end("unexpected_reboot:forced_restart", "pstore ramoops");
	tear_down(NULL);
	set_up(NULL);

	/* a panic whose text did not survive */
	save_old(old_of(RW_ARMED_NONE));
	add("sys/fs/pstore/dmesg-ramoops-0", "Panic#1 Part1\n<6>[ 3592.000000] noise\n");
	settle();
	assert_int_equal(kept_count, 1);
	assert_end("unexpected_reboot:panic", "pstore ramoops");
	tear_down(NULL);
	set_up(NULL);

	/* a crash kernel's log */
	save_old(old_of(RW_ARMED_NONE));
	add("var/crash/202611230606/dmesg.202611230606",
	    "[ 3592.000000] Kernel panic - not syncing: kdump me\n");
	settle();
	assert_int_equal(kept_count, 2);
	assert_end("unexpected_reboot:panic", "kdump");
	tear_down(NULL);
	set_up(NULL);

	/* a console's text counts when it ends in a crash, and is archived then alone */
	save_old(old_of(RW_ARMED_NONE));
	add("sys/fs/pstore/console-ramoops-0", "[ 3592.000000] all is well\n");
	settle();
	assert_end("unexpected_reboot:unknown", "boot state file");
	char path[128];
	snprintf(path, sizeof(path), "%s/archive", folder);
	assert_int_equal(access(path, F_OK), -1);
	tear_down(NULL);
	set_up(NULL);
	save_old(old_of(RW_ARMED_NONE));
	add("sys/fs/pstore/console-ramoops-0",
	    "[ 3592.000000] Kernel panic - not syncing: on the console\n");
	settle();
	assert_end("unexpected_reboot:panic", "pstore ramoops console");
	assert_int_equal(access(path, F_OK), -1); /* of the root before */
	snprintf(path, sizeof(path), "%s/archive", folder);
	assert_int_equal(access(path, F_OK), 0);
}

/* A kill after each step: the next start tells what is missing, and nothing twice. */
static void test_killed_in_the_midst(void **state)
{
	struct rw_boot_state old = old_of(RW_ARMED_STOPPED);
	struct rw_event first;
	char archive[256];

	(void)state;
	/* all was spooled and archived, the state was not saved */
	save_old(old);
	add_panic("sys/fs/pstore/dmesg-ramoops-0");
	settle();
	assert_int_equal(kept_count, 2);
	first = kept[0];
	save_old(old);
	settle();
	assert_int_equal(kept_count, 2);
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED);

	/* it was not archived either */
	save_old(old);
	snprintf(archive, sizeof(archive), "rm -r %s/archive", folder);
	assert_int_equal(system(archive), 0);
	settle();
	assert_int_equal(kept_count, 2);
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED);

	/* only the crash was spooled */
	rw_spool_close(spool);
	snprintf(archive, sizeof(archive), "rm -r %s/archive %s/spool", folder, folder);
	assert_int_equal(system(archive), 0);
	open_spool();
	assert_int_equal(rw_spool_append(spool, &first, UINT64_MAX), 0);
	save_old(old);
	settle();
	assert_int_equal(kept_count, 2);
	assert_end("unexpected_reboot:panic", "pstore ramoops");
}

static void test_clearing_the_store(void **state)
{
	char path[160];

	(void)state;
	snprintf(path, sizeof(path), "%s/sys/fs/pstore/dmesg-ramoops-0", root);
	save_old(old_of(RW_ARMED_NONE));
	add_panic("sys/fs/pstore/dmesg-ramoops-0");
	add("sys/fs/pstore/pmsg-ramoops-0", "not ours");
	assert_int_equal(settle_with(spool, true), 0);
	assert_string_equal(error, "");
	assert_int_equal(kept_count, 2);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/sys/fs/pstore/pmsg-ramoops-0", root);
	assert_int_equal(access(path, F_OK), 0);
}

static void test_an_archive_that_cannot_be_written(void **state)
{
	char path[160];

	(void)state;
	save_old(old_of(RW_ARMED_NONE));
	add_panic("sys/fs/pstore/dmesg-ramoops-0");
	add("state/archive", "a file stands there");
	assert_int_equal(settle_with(spool, true), 0);
	assert_non_null(strstr(error, "archive: "));
	assert_end("unexpected_reboot:panic", "pstore ramoops");
	/* what is not kept is not removed */
	snprintf(path, sizeof(path), "%s/sys/fs/pstore/dmesg-ramoops-0", root);
	assert_int_equal(access(path, F_OK), 0);
}

/* No spool: all goes to the callback, and the next start finds all as it was. */
static void test_without_a_spool(void **state)
{
	struct rw_boot_state saved;
	char path[128];

	(void)state;
	save_old(old_of(RW_ARMED_NONE));
	add_panic("sys/fs/pstore/dmesg-ramoops-0");
	assert_int_equal(settle_with(NULL, true), 0);
	assert_int_equal(kept_count, 2);
	assert_end("unexpected_reboot:panic", "pstore ramoops");
	assert_true(logs[0][0] != '\0');
	assert_int_equal(rw_boot_load(folder, &saved, error), 0);
	assert_string_equal(saved.boot_id, boot_a);
	snprintf(path, sizeof(path), "%s/archive", folder);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_a_damaged_state(void **state)
{
	(void)state;
	add("state/boot.state", "schema=1\n");
	assert_int_equal(settle_with(spool, false), 0);
	assert_non_null(strstr(error, "set aside"));
	assert_int_equal(kept_count, 0);
	assert_int_equal(fresh.previous_end, RINGWATCH__V1__BOOT_END__BOOT_END_NONE);
	assert_int_equal(settle_with(spool, false), 0);
	assert_string_equal(error, "");
}

static void test_no_boot_id(void **state)
{
	(void)state;
	add("proc/sys/kernel/random/boot_id", "nonsense\n");
	assert_int_equal(settle_with(spool, false), -EINVAL);
	assert_non_null(strstr(error, "boot's id"));
}

int main(void)
{
#define one(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decision),
		one(test_first_start),
		one(test_an_orderly_end),
		one(test_an_announced_end),
		one(test_stopped_before),
		one(test_stopped_before_and_a_panic),
		one(test_a_panic),
		one(test_real_records),
		one(test_what_was_seen_live_is_not_told_again),
		one(test_the_spools_last_words),
		one(test_last_words_of_the_state),
		one(test_hardware),
		one(test_a_reset_reason_that_may_be_old),
		one(test_an_empty_store),
		one(test_other_records),
		one(test_killed_in_the_midst),
		one(test_clearing_the_store),
		one(test_an_archive_that_cannot_be_written),
		one(test_without_a_spool),
		one(test_a_damaged_state),
		one(test_no_boot_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
