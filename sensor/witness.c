/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware's and firmware's memory; see witness.h. */
#include "sensor/witness.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/events/line.h"
#include "lib/file.h"
#include "lib/text.h"
#include "lib/units.h"
#include "sensor/kmsg.h"

enum {
	WATCHDOGS_MAX = 16,
	LOG_ROUNDS = 16,    /* of RW_KMSG_RECORDS_PER_CALL records; of a file, one */
	CARD_RESET = 0x20,  /* WDIOF_CARDRESET of linux/watchdog.h */
	SEVERITY_AT = 16,   /* in ACPI's Generic Error Status Block */
	SEVERITY_FATAL = 1, /* there, little-endian */
	SEVERITY_BYTES = 4,
};

/* ---- watchdogs ---------------------------------------------------------------------- */

static void look_at_watchdog(const char *folder, const char *name, struct rw_witness *out)
{
	char path[PATH_MAX];
	char who[64] = "";
	rw_autofree char *status = NULL;
	rw_autofree char *identity = NULL;
	uint64_t bits;
	int n = snprintf(path, sizeof(path), "%s/%s/bootstatus", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path) || rw_file_read(path, 256, &status, NULL) != 0)
		return;
	status[strcspn(status, "\n")] = '\0';
	if (rw_units_parse_uint(status, &bits) != 0 || (bits & CARD_RESET) == 0)
		return;
	n = snprintf(path, sizeof(path), "%s/%s/identity", folder, name);
	if (n > 0 && (size_t)n < sizeof(path) && rw_file_read(path, 256, &identity, NULL) == 0)
		rw_text_to_utf8(who, sizeof(who), identity, strcspn(identity, "\n"));
	snprintf(out->watchdog, sizeof(out->watchdog), "%s: card reset",
		 who[0] != '\0' ? who : "watchdog");
}

static void look_at_watchdogs(const char *root, struct rw_witness *out)
{
	char folder[PATH_MAX];
	const struct dirent *entry;
	int n = snprintf(folder, sizeof(folder), "%s/sys/class/watchdog", root);
	DIR *dir = n < 0 || (size_t)n >= sizeof(folder) ? NULL : opendir(folder);

	if (dir == NULL)
		return;
	for (int i = 0; i < WATCHDOGS_MAX && out->watchdog[0] == '\0'; i++) {
		entry = readdir(dir);
		if (entry == NULL)
			break;
		if (entry->d_name[0] != '.')
			look_at_watchdog(folder, entry->d_name, out);
	}
	closedir(dir);
}

/* ---- the kernel log of this boot ------------------------------------------------------ */

struct listening {
	struct rw_witness *out;
	bool bert_began;
	bool bert_fatal;
};

static bool is_text(const struct rw_kmsg_record *record, const char *text)
{
	return record->length == strlen(text) && memcmp(record->text, text, record->length) == 0;
}

/* One line for each bit of the register. */
static void take_reason(struct rw_witness *out, const struct rw_klog_fact *fact)
{
	size_t used = strlen(out->reset_reason);
	char more[sizeof(out->reset_reason)];
	int n;

	if (used == 0 || out->reset_status != fact->status)
		n = snprintf(more, sizeof(more), "[0x%08llx] %s", (unsigned long long)fact->status,
			     fact->text);
	else
		n = snprintf(more, sizeof(more), "%s; %s", out->reset_reason, fact->text);
	if (n < 0)
		return;
	size_t length = (size_t)n < sizeof(more) ? (size_t)n : sizeof(more) - 1;
	out->reset_status = fact->status;
	rw_text_to_utf8(out->reset_reason, sizeof(out->reset_reason), more, length);
}

static void hear_line(void *context, const struct rw_kmsg_record *record, bool backlog)
{
	struct listening *l = context;
	struct rw_klog_fact fact;

	(void)backlog;
	/* those of this boot begin with the record's number, "{1}[Hardware Error]" */
	if (l->bert_began && is_text(record, "[Hardware Error]: event severity: fatal"))
		l->bert_fatal = true;
	rw_klog_parse(record->text, record->length, &fact);
	if (fact.type == RW_KLOG_BERT)
		l->bert_began = true;
	else if (fact.type == RW_KLOG_RESET_REASON)
		take_reason(l->out, &fact);
}

static void hear_log(const char *path, struct listening *l)
{
	struct rw_kmsg *kmsg;
	struct stat st;
	int more = 1;

	if (stat(path, &st) != 0 || S_ISFIFO(st.st_mode) ||
	    rw_kmsg_open(path, UINT64_MAX, hear_line, l, &kmsg) != 0)
		return;
	int rounds = rw_kmsg_is_device(kmsg) ? LOG_ROUNDS : 1;
	for (int i = 0; i < rounds && more == 1; i++)
		more = rw_kmsg_read(kmsg);
	rw_kmsg_close(kmsg);
}

/* The kernel takes the block's mark away once it has printed it, not its severity. */
static bool bert_table_is_fatal(const char *root)
{
	char path[PATH_MAX];
	unsigned char block[SEVERITY_AT + SEVERITY_BYTES];
	int n = snprintf(path, sizeof(path), "%s/sys/firmware/acpi/tables/data/BERT", root);

	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	rw_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
		return false;
	return block[SEVERITY_AT] == SEVERITY_FATAL && block[SEVERITY_AT + 1] == 0 &&
	       block[SEVERITY_AT + 2] == 0 && block[SEVERITY_AT + 3] == 0;
}

void rw_witness_hear(const char *root, const char *kmsg, struct rw_witness *out)
{
	struct listening l = {.out = out};

	*out = (struct rw_witness){0};
	look_at_watchdogs(root, out);
	hear_log(kmsg, &l);
	out->bert = l.bert_began && (l.bert_fatal || bert_table_is_fatal(root));
}

/* ---- AMD's reset register ---------------------------------------------------------------- */

#define BIT(n) (UINT64_C(1) << (n))

/*
 * Software's resets are what an ordinary restart does, bit 21 (ACPI) what a
 * power-off does; 23, 24 and 29 say too little. Bit 9 (thermal limit) was seen to
 * stand beside ordinary restarts: alone it counts. Where two kinds stand, one is
 * of an earlier reset and nobody knows which.
 */
#define SOFTWARE (BIT(17) | BIT(18) | BIT(19) | BIT(20) | BIT(21))
#define THERMAL_LIMIT BIT(9)
#define HARDWARE (BIT(0) | BIT(27) | BIT(30) | BIT(31)) /* heat, sync flood, parity */
#define WATCHDOG BIT(25)
#define FROM_OUTSIDE (BIT(1) | BIT(2) | BIT(4) | BIT(16) | BIT(22) | BIT(26)) /* pins, remote */
#define UNCLEAR (BIT(23) | BIT(24) | BIT(29))
#define ALL_BUT_THERMAL (SOFTWARE | HARDWARE | WATCHDOG | FROM_OUTSIDE | UNCLEAR)

enum rw_boot_finish rw_witness_reset_means(uint64_t status)
{
	static const struct {
		uint64_t bits;
		enum rw_boot_finish finish;
	} kinds[] = {
		{SOFTWARE, RW_FINISH_UNKNOWN},
		{HARDWARE, RW_FINISH_HARDWARE_ERROR},
		{WATCHDOG, RW_FINISH_WATCHDOG},
		{FROM_OUTSIDE, RW_FINISH_RESET_OR_POWER_LOSS},
	};
	enum rw_boot_finish finish = RW_FINISH_UNKNOWN;
	unsigned int stand = 0;

	if (status == UINT32_MAX) /* what a bus answers when nobody is there */
		return RW_FINISH_UNKNOWN;
	if ((status & THERMAL_LIMIT) != 0 && (status & ALL_BUT_THERMAL) == 0)
		return RW_FINISH_HARDWARE_ERROR;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((status & kinds[i].bits) == 0)
			continue;
		finish = kinds[i].finish;
		stand++;
	}
	return stand == 1 ? finish : RW_FINISH_UNKNOWN;
}
