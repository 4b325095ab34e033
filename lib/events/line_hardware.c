/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hardware says of itself; see line_parts.h.
 *
 * Sources of the texts: arch/x86/kernel/cpu/mce/core.c, drivers/edac/{edac_mc,
 * edac_device,mce_amd}.c, mm/memory-failure.c, drivers/pci/pcie/aer.c, drivers/
 * acpi/apei/{ghes,bert}.c, drivers/firmware/efi/cper.c, arch/x86/kernel/cpu/amd.c.
 */
#include "lib/events/line_parts.h"

#include <stdio.h>

enum { DRIVER_BYTES = 32 };

#define CORRECTABLE "correctable"
#define NONFATAL "nonfatal"
#define FATAL "fatal"

/* Bits of MCi_STATUS on all x86. */
#define MCI_STATUS_UNCORRECTED (UINT64_C(1) << 61)
#define MCI_STATUS_CONTEXT_CORRUPT (UINT64_C(1) << 57)

/* ---- machine checks -------------------------------------------------------------- */

static void put_status(struct rw_klog_fact *out)
{
	if ((out->status & MCI_STATUS_UNCORRECTED) == 0)
		rw_line_put_word(out, CORRECTABLE);
	else
		rw_line_put_word(out, (out->status & MCI_STATUS_CONTEXT_CORRUPT) != 0 ? FATAL
										      : NONFATAL);
}

/* "CPU 0: Machine Check Exception: 5 Bank 4: b200000000070f0f" */
static bool take_bank(struct rw_scan l, struct rw_klog_fact *out)
{
	uint64_t mcgstatus;

	if (!rw_scan_take(&l, "CPU ") || !rw_scan_take_u32(&l, &out->cpu) ||
	    !rw_scan_take(&l, ": Machine Check"))
		return false;
	rw_scan_take(&l, " Exception");
	if (!rw_scan_take(&l, ": ") || !rw_scan_take_hex(&l, 1, 16, &mcgstatus) ||
	    !rw_scan_take(&l, " Bank ") || !rw_scan_take_u32(&l, &out->bank) ||
	    !rw_scan_take(&l, ": ") || !rw_scan_take_hex(&l, 1, 16, &out->status))
		return false;
	put_status(out);
	return true;
}

/* AMD: "CPU:2 (17:71:0) MC27_STATUS[-|CE|MiscV|-]: 0x982000000002080b" */
static bool take_amd_bank(struct rw_scan l, struct rw_klog_fact *out)
{
	if (!rw_scan_take(&l, "CPU:") || !rw_scan_take_u32(&l, &out->cpu) ||
	    !rw_scan_take(&l, " (") || !rw_scan_take_past(&l, ") MC") ||
	    !rw_scan_take_u32(&l, &out->bank) || !rw_scan_take(&l, "_STATUS[") ||
	    !rw_scan_take_past(&l, "]: 0x") || !rw_scan_take_hex(&l, 1, 16, &out->status))
		return false;
	put_status(out);
	return true;
}

/* By way of the firmware: "{1}[Hardware Error]: event severity: corrected". One
 * without the braces is of the boot before. */
static bool take_firmware_record(struct rw_scan l, struct rw_klog_fact *out)
{
	static const struct {
		const char *severity;
		const char *word;
	} forms[] = {
		{"corrected", CORRECTABLE},
		{"recoverable", NONFATAL},
		{"fatal", FATAL},
	};
	uint32_t record;

	if (!rw_scan_take(&l, "{") || !rw_scan_take_u32(&l, &record) ||
	    !rw_scan_take(&l, "}[Hardware Error]: event severity: "))
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (rw_scan_begins(&l, forms[i].severity)) {
			rw_line_put_word(out, forms[i].word);
			return true;
		}
	}
	return false;
}

bool rw_line_parse_machine_check(struct rw_scan l, struct rw_klog_fact *out)
{
	struct rw_scan message = l;

	out->type = RW_KLOG_MACHINE_CHECK;
	if (rw_scan_take(&message, "mce: [Hardware Error]: ")) {
		rw_line_put_text(out, &message);
		return rw_scan_begins(&message, "Machine check events logged") ||
		       take_bank(message, out);
	}
	if (rw_scan_take(&message, "[Hardware Error]: ")) {
		rw_line_put_text(out, &message);
		return take_amd_bank(message, out);
	}
	rw_line_put_text(out, &l);
	return take_firmware_record(l, out);
}

/* ---- memory ------------------------------------------------------------------------ */

static bool take_edac_word(struct rw_scan *l, const char *corrected, const char *uncorrected,
			   struct rw_klog_fact *out)
{
	if (rw_scan_take(l, corrected))
		rw_line_put_word(out, CORRECTABLE);
	else if (rw_scan_take(l, uncorrected))
		rw_line_put_word(out, NONFATAL);
	else
		return false;
	return true;
}

/* "MC0: 2 CE memory read error on CPU_SrcID#0_Chan#0_DIMM#0 (channel:0 …)"; the
 * label is what the firmware or an administrator calls the DIMM. */
static bool take_edac_memory(struct rw_scan l, struct rw_klog_fact *out)
{
	uint32_t controller;
	char label[sizeof(out->device)] = "";

	if (!rw_scan_take(&l, "MC") || !rw_scan_take_u32(&l, &controller) ||
	    !rw_scan_take(&l, ": ") || !rw_scan_take_u32(&l, &out->errors) ||
	    !take_edac_word(&l, " CE ", " UE ", out))
		return false;
	l.at--; /* with no message, " on " follows at once */
	if (!rw_scan_take_past(&l, " on "))
		return false;
	struct rw_scan name = l;
	if (!rw_scan_take_past(&l, " ("))
		return false;
	name.end = l.at - strlen(" (");
	if (!rw_scan_take_past(&l, "page:0x"))
		return false;
	rw_scan_copy(&name, label, sizeof(label));
	/* a label that does not fit is cut, at a character's end */
	char device[sizeof(label) + sizeof("MC4294967295 ")];
	int n = snprintf(device, sizeof(device), "MC%u %s", controller, label);
	struct rw_scan whole = {device, device + (n > 0 ? n : 0)};
	if (rw_scan_left(&whole) > 0 && whole.end[-1] == ' ')
		whole.end--;
	rw_scan_copy(&whole, out->device, sizeof(out->device));
	return true;
}

/* "DEVICE0: UE: NAME instance: … block: … count: 1 'message'" */
static bool take_edac_device(struct rw_scan l, struct rw_klog_fact *out)
{
	struct rw_scan whole = l;
	uint32_t device;

	if (!rw_scan_take(&l, "DEVICE") || !rw_scan_take_u32(&l, &device))
		return false;
	struct rw_scan name = {whole.at, l.at};
	if (!rw_scan_take(&l, ": ") || !take_edac_word(&l, "CE: ", "UE: ", out))
		return false;
	rw_scan_copy(&name, out->device, sizeof(out->device));
	if (!rw_scan_take_past(&l, " count: ") || !rw_scan_take_u32(&l, &out->errors))
		out->errors = 0;
	return true;
}

bool rw_line_parse_memory_error(struct rw_scan l, struct rw_klog_fact *out)
{
	uint64_t frame;

	out->type = RW_KLOG_MEMORY_ERROR;
	rw_line_put_text(out, &l);
	if (rw_scan_take(&l, "EDAC "))
		return take_edac_memory(l, out) || take_edac_device(l, out);
	rw_line_put_word(out, NONFATAL);
	out->errors = 1;
	return rw_scan_take(&l, "Memory failure: 0x") && rw_scan_take_hex(&l, 1, 16, &frame) &&
	       rw_scan_take(&l, ": recovery action for ");
}

/* ---- PCI Express --------------------------------------------------------------------- */

/* "0000:01:00.0"; some releases wrote the last point as a colon. */
static bool take_pci_address(struct rw_scan *l, struct rw_scan *out)
{
	struct rw_scan p = *l;
	uint64_t number;

	if (!rw_scan_take_hex(&p, 4, 8, &number) || !rw_scan_take(&p, ":") ||
	    !rw_scan_take_hex(&p, 2, 2, &number) || !rw_scan_take(&p, ":") ||
	    !rw_scan_take_hex(&p, 2, 2, &number) ||
	    !(rw_scan_take(&p, ".") || rw_scan_take(&p, ":")) ||
	    !rw_scan_take_hex(&p, 1, 1, &number))
		return false;
	*out = (struct rw_scan){l->at, p.at};
	*l = p;
	return true;
}

/* 6.10 speaks of what can be corrected, others of what was. */
static bool take_severity(struct rw_scan *l, struct rw_klog_fact *out)
{
	static const struct {
		const char *text;
		const char *word;
	} forms[] = {
		{"Corrected", CORRECTABLE},
		{"Correctable", CORRECTABLE},
		{"Uncorrected (Non-Fatal)", NONFATAL},
		{"Uncorrectable (Non-Fatal)", NONFATAL},
		{"Uncorrected (Fatal)", FATAL},
		{"Uncorrectable (Fatal)", FATAL},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (rw_scan_take(l, forms[i].text)) {
			rw_line_put_word(out, forms[i].word);
			return true;
		}
	}
	return false;
}

static void put_device(const struct rw_scan *address, struct rw_klog_fact *out)
{
	rw_scan_copy(address, out->device, sizeof(out->device));
	out->device[rw_scan_left(address) - strlen(".0")] = '.';
}

/* Whom the message came from: "0000:01:00.0", or before 4.20 "id=0100", whose
 * domain is that of the port which tells it. */
static bool take_sender(struct rw_scan l, const struct rw_scan *port, struct rw_klog_fact *out)
{
	struct rw_scan sender;
	uint64_t id;

	if (take_pci_address(&l, &sender)) {
		put_device(&sender, out);
		return true;
	}
	if (!rw_scan_take(&l, "id=") || !rw_scan_take_hex(&l, 4, 4, &id))
		return false;
	size_t domain = rw_scan_left(port) - strlen("00:00.0");
	snprintf(out->device, sizeof(out->device), "%.*s%02x:%02x.%x", (int)domain, port->at,
		 (unsigned int)(id >> 8 & 0xff), (unsigned int)(id >> 3 & 0x1f),
		 (unsigned int)(id & 7));
	return true;
}

/* "pcieport 0000:00:1c.0: AER: Corrected error received: 0000:01:00.0", and from
 * the device itself "nvme 0000:01:00.0: PCIe Bus Error: severity=Corrected, type=…" */
bool rw_line_parse_pcie_error(struct rw_scan l, struct rw_klog_fact *out)
{
	struct rw_scan driver;
	struct rw_scan device;

	if (!rw_scan_take_run(&l, rw_scan_is_word, DRIVER_BYTES, &driver) ||
	    !rw_scan_take(&l, " ") || !take_pci_address(&l, &device) || !rw_scan_take(&l, ": "))
		return false;
	out->type = RW_KLOG_PCIE_ERROR;
	bool by_aer = rw_scan_take(&l, "AER: ");
	if (!rw_scan_begins(&l, "PCIe Bus Error: severity=") && !by_aer)
		return false;
	rw_line_put_text(out, &l);
	put_device(&device, out);
	if (rw_scan_take(&l, "PCIe Bus Error: severity="))
		return take_severity(&l, out) && rw_scan_take(&l, ", type=");
	rw_scan_take(&l, "Multiple ");
	if (!take_severity(&l, out))
		return false;
	return (rw_scan_take(&l, " error received: ") ||
		rw_scan_take(&l, " error message received from ")) &&
	       take_sender(l, &device, out);
}

/* ---- the boot before ------------------------------------------------------------------ */

bool rw_line_parse_last_boot(struct rw_scan l, struct rw_klog_fact *out)
{
	if (rw_scan_begins(&l, "BERT: Error records from previous boot:")) {
		out->type = RW_KLOG_BERT;
		rw_line_put_text(out, &l);
		return true;
	}
	out->type = RW_KLOG_RESET_REASON;
	if (!rw_scan_take(&l, "x86/amd: Previous system reset reason [0x") ||
	    !rw_scan_take_hex(&l, 1, 16, &out->status) || !rw_scan_take(&l, "]: "))
		return false;
	rw_line_put_text(out, &l);
	return true;
}
