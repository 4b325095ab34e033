/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine checks, memory errors and PCIe errors, from either source; see
 * fold_internal.h. They may come by the thousand: both sources are counted.
 */
#include <stdio.h>
#include <string.h>

#include "lib/events/fold_internal.h"
#include "lib/events/sign.h"

/* Of MCi_STATUS: the address, the miscellaneous register hold something. */
#define MCI_STATUS_MISC_VALID (UINT64_C(1) << 59)
#define MCI_STATUS_ADDRESS_VALID (UINT64_C(1) << 58)

enum { DEVICE_BYTES = 48 /* what the log's parser keeps of a device's name */ };

static struct rw_like like_of_device(Ringwatch__V1__Kind kind, const char *device)
{
	struct rw_like like = rw_fold_like(kind);

	like.key = rw_fold_hash(device);
	return like;
}

/* One line tells all: it waits for BPF alone. */
static void settle(struct rw_held *h)
{
	if (h->bpf || !h->confirmable)
		h->ready = true;
}

/* ---- machine checks --------------------------------------------------------------------- */

static struct rw_like like_of_bank(uint32_t cpu, uint32_t bank)
{
	struct rw_like like = rw_fold_like(KIND_MACHINE_CHECK);
	char text[16];

	snprintf(text, sizeof(text), "%u", bank);
	like.cpu = cpu;
	like.key = rw_fold_hash(text);
	return like;
}

static void take_bank(struct rw_event *e, uint32_t cpu, uint32_t bank, uint64_t status)
{
	const char *severity = rw_sign_machine_check_severity(status);

	e->cpu = cpu;
	rw_event_set_fact(e, FACT_TYPE, "%s", severity);
	rw_event_set_fact(e, FACT_BANK, "%u", bank);
	rw_event_set_fact(e, FACT_STATUS, "0x%llx", (unsigned long long)status);
	rw_event_print(e->detail, sizeof(e->detail), "machine check (%s), bank %u, status 0x%llx",
		       severity, bank, (unsigned long long)status);
}

void rw_fold_machine_check_record(struct rw_events *ev, const struct rw_record *r,
				  const struct rw_record_at *at)
{
	uint32_t bank = (uint32_t)r->more[2];
	struct rw_held *h = rw_fold_count_record(ev, like_of_bank(r->cpu, bank), at->ms, at->now);

	if (h == NULL)
		return;
	h->ready = true;
	take_bank(&h->event, r->cpu, bank, r->value);
	if ((r->value & MCI_STATUS_ADDRESS_VALID) != 0)
		rw_event_set_fact(&h->event, FACT_ADDRESS, "0x%llx",
				  (unsigned long long)r->more[0]);
	if ((r->value & MCI_STATUS_MISC_VALID) != 0)
		rw_event_set_fact(&h->event, FACT_MISC, "0x%llx", (unsigned long long)r->more[1]);
}

/* "Machine check events logged", or what the firmware reports: no bank is named. */
static void take_announced(struct rw_events *ev, const struct rw_klog_fact *f,
			   const struct rw_line_at *at)
{
	struct rw_like like = rw_fold_like(KIND_MACHINE_CHECK);
	struct rw_held *h = rw_fold_announce(ev, like, RW_EVENTS_CONFIRM_MS, at);

	rw_fold_one_line(ev, like, h, at);
	if (h == NULL)
		return;
	rw_event_set_fact(&h->event, FACT_TYPE, "%s", f->word);
	rw_event_print(h->event.detail, sizeof(h->event.detail), "%s", f->text);
	settle(h);
}

void rw_fold_machine_check_line(struct rw_events *ev, const struct rw_klog_fact *f,
				const struct rw_line_at *at)
{
	struct rw_like like = like_of_bank(f->cpu, f->bank);

	if (f->status == 0) {
		take_announced(ev, f, at);
		return;
	}
	struct rw_held *h = rw_fold_count_line(ev, like, RW_EVENTS_CONFIRM_MS, at);
	rw_fold_one_line(ev, like, h, at);
	if (h == NULL)
		return;
	if (!h->bpf)
		take_bank(&h->event, f->cpu, f->bank, f->status);
	settle(h);
}

/* ---- memory ------------------------------------------------------------------------------- */

#define WORD_CORRECTED "corrected"
#define WORD_UNCORRECTED "uncorrected"
#define WORD_PAGE "page"

enum {
	EDAC_CORRECTED = 0, /* enum hw_event_mc_err_type; the log calls all others uncorrected */
	PAGE_RECOVERED = 3, /* enum mf_result */
};

static void take_page_record(struct rw_events *ev, const struct rw_record *r,
			     const struct rw_record_at *at)
{
	static const char *const results[] = {"ignored", "failed", "delayed", "recovered"};
	struct rw_like like = like_of_device(KIND_MEMORY_ERROR, WORD_PAGE);
	struct rw_held *h = rw_fold_count_record(ev, like, at->ms, at->now);

	if (h == NULL)
		return;
	h->ready = true;
	rw_event_set_fact(&h->event, FACT_TYPE, "%s", WORD_PAGE);
	rw_event_set_fact(&h->event, FACT_ERRORS, "1");
	if (h->event.detail[0] == '\0')
		rw_event_print(h->event.detail, sizeof(h->event.detail),
			       "memory failure: page frame 0x%llx given up: %s",
			       (unsigned long long)r->more[0],
			       r->value <= PAGE_RECOVERED ? results[r->value] : "unknown");
}

/* As the log's parser names it, "MC0 CPU_SrcID#0_…", cut as it cuts it. */
static void name_dimm(const struct rw_record *r, char *out, size_t size)
{
	char label[2 * RW_RECORD_NAME];

	rw_fold_text(r->name, sizeof(r->name), label, sizeof(label));
	rw_event_print(out, size, "MC%llu %s", (unsigned long long)r->more[2], label);
}

void rw_fold_memory_record(struct rw_events *ev, const struct rw_record *r,
			   const struct rw_record_at *at)
{
	char device[DEVICE_BYTES];
	char message[2 * RW_RECORD_TEXT];
	const char *type = r->value == EDAC_CORRECTED ? WORD_CORRECTED : WORD_UNCORRECTED;

	rw_fold_text(r->text, sizeof(r->text), message, sizeof(message));
	if (message[0] == '\0' && strncmp(r->name, WORD_PAGE, sizeof(r->name)) == 0) {
		take_page_record(ev, r, at);
		return;
	}
	name_dimm(r, device, sizeof(device));
	struct rw_like like = like_of_device(KIND_MEMORY_ERROR, device);
	struct rw_held *h = rw_fold_count_record(ev, like, at->ms, at->now);
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	h->ready = true;
	rw_event_set_fact(e, FACT_TYPE, "%s", type);
	rw_event_set_fact(e, FACT_DEVICE, "%s", device);
	rw_event_set_fact(e, FACT_ERRORS, "%llu", (unsigned long long)r->more[1]);
	if (r->more[0] != 0)
		rw_event_set_fact(e, FACT_ADDRESS, "0x%llx", (unsigned long long)r->more[0]);
	if (e->detail[0] == '\0')
		rw_event_print(e->detail, sizeof(e->detail), "%llu %s on %s: %s",
			       (unsigned long long)r->more[1], type, device, message);
}

void rw_fold_memory_line(struct rw_events *ev, const struct rw_klog_fact *f,
			 const struct rw_line_at *at)
{
	static const char page[] = "Memory failure: ";
	bool is_page = strncmp(f->text, page, strlen(page)) == 0;
	const char *type = is_page                                  ? WORD_PAGE
			   : strcmp(f->word, WORD_CORRECTABLE) == 0 ? WORD_CORRECTED
								    : WORD_UNCORRECTED;
	struct rw_like like = like_of_device(KIND_MEMORY_ERROR, is_page ? WORD_PAGE : f->device);
	struct rw_held *h = rw_fold_count_line(ev, like, RW_EVENTS_CONFIRM_MS, at);

	rw_fold_one_line(ev, like, h, at);
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	rw_event_print(e->detail, sizeof(e->detail), "%s", f->text);
	if (!h->bpf) {
		rw_event_set_fact(e, FACT_TYPE, "%s", type);
		rw_event_set_fact(e, FACT_DEVICE, "%s", f->device);
		if (f->errors != 0)
			rw_event_set_fact(e, FACT_ERRORS, "%u", f->errors);
	}
	settle(h);
}

/* ---- PCI Express ----------------------------------------------------------------- */

void rw_fold_pcie_record(struct rw_events *ev, const struct rw_record *r,
			 const struct rw_record_at *at)
{
	static const char *const types[] = {WORD_NONFATAL, WORD_FATAL, WORD_CORRECTABLE};
	const char *type =
		r->more[0] < sizeof(types) / sizeof(types[0]) ? types[r->more[0]] : WORD_NONFATAL;
	char device[2 * RW_RECORD_NAME];

	rw_fold_text(r->name, sizeof(r->name), device, sizeof(device));
	struct rw_like like = like_of_device(KIND_PCIE_ERROR, device);
	struct rw_held *h = rw_fold_count_record(ev, like, at->ms, at->now);
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	h->ready = true;
	rw_event_set_fact(e, FACT_TYPE, "%s", type);
	rw_event_set_fact(e, FACT_DEVICE, "%s", device);
	rw_event_set_fact(e, FACT_STATUS, "0x%llx", (unsigned long long)r->value);
	if (e->detail[0] == '\0')
		rw_event_print(e->detail, sizeof(e->detail), "PCIe error (%s) of %s, status 0x%llx",
			       type, device, (unsigned long long)r->value);
}

/* First the port says that it was told of an error, then the device says which. */
void rw_fold_pcie_line(struct rw_events *ev, const struct rw_klog_fact *f,
		       const struct rw_line_at *at)
{
	static const char of_device[] = "PCIe Bus Error: ";
	bool by_device = strncmp(f->text, of_device, strlen(of_device)) == 0;
	struct rw_like like = like_of_device(KIND_PCIE_ERROR, f->device);
	struct rw_held *h = by_device ? rw_fold_count_line(ev, like, RW_EVENTS_CONFIRM_MS, at)
				      : rw_fold_announce(ev, like, RW_EVENTS_HOLD_MS, at);

	rw_fold_one_line(ev, like, h, at);
	if (h == NULL)
		return;
	struct rw_event *e = &h->event;
	rw_event_set_fact(e, FACT_DEVICE, "%s", f->device);
	if (!h->bpf)
		rw_event_set_fact(e, FACT_TYPE, "%s", f->word);
	rw_event_print(e->detail, sizeof(e->detail), "%s: %s", f->device, f->text);
	if (by_device)
		settle(h);
}
