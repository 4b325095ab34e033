/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the boot before this one ended, from all that there is to know: the boot
 * state file, the spool's last words, pstore and crash dumps, the kernel log of
 * this boot (BERT, the reset reason that x86/amd kernels print), and the
 * watchdogs' bootstatus.
 *
 * Evidence first, then a pure decision (rw_lastboot_decide): what is not known is
 * said to be unknown, never guessed. In order of strength:
 *
 *   panic           a panic record of that boot, in pstore, a dump or the spool
 *   orderly         announced or begun in good order: reboot, power_off, kexec
 *   forced_restart  emergency restart (sysrq-b) or a restart that nobody announced
 *                   (reboot -f), as the sensor's own hook or pstore saw it
 *   watchdog        a watchdog's bootstatus (WDIOF_CARDRESET), the reset reason
 *   hardware_error  BERT holds a fatal record of the boot before; the reset reason
 *   reset_or_power_loss  the reset reason says so
 *   oops            the spool's or pstore's last word is an oops, within seconds of
 *                   the end, and nothing says otherwise
 *   reset_or_power_loss  a pstore backend stood ready in that boot and holds
 *                   nothing, so no panic was lived through to its end, and a
 *                   restart that nobody announced would have been seen; a hang
 *                   that was ended from outside is in this too, and a restart so
 *                   sudden that nobody could see it
 *   unknown         none of these
 *
 * When only the sensor had been stopped, nobody knows what came after: then a
 * panic or an emergency restart that is that boot's beyond doubt counts, and
 * nothing else. docs/boots.md tells all of this to operators.
 */
#ifndef RINGWATCH_SENSOR_LASTBOOT_H
#define RINGWATCH_SENSOR_LASTBOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "sensor/boot.h"
#include "sensor/pstore.h"
#include "sensor/spool.h"

enum rw_boot_finish {
	RW_FINISH_UNKNOWN = 0,
	RW_FINISH_REBOOT,
	RW_FINISH_POWER_OFF,
	RW_FINISH_KEXEC,
	RW_FINISH_PANIC,
	RW_FINISH_OOPS,
	RW_FINISH_FORCED_RESTART,
	RW_FINISH_WATCHDOG,
	RW_FINISH_HARDWARE_ERROR,
	RW_FINISH_RESET_OR_POWER_LOSS,
};
/* "unknown", "reboot", …: the word of FACT_END and of the signature
 * unexpected_reboot:WORD. */
const char *rw_boot_finish_name(enum rw_boot_finish finish);

/* What was found; all optional but `old`. Pure data, so that each row can be tested. */
struct rw_lastboot_evidence {
	const struct rw_boot_state *old; /* of another boot than this one */
	struct rw_event panic; /* kind 0: none. From a dump or the spool, of the old boot */
	char panic_source[48]; /* "pstore erst", "kdump", "seen live" */
	struct rw_event oops;  /* kind 0: none; of the old boot's last seconds */
	char oops_source[48];
	enum rw_boot_armed announced;        /* a planned end, of which the sensor had no time to
						take note; RW_ARMED_NONE */
	char forced_by[RW_BOOT_WORDS_BYTES]; /* "forced restart by sh (reboot)"; "" */
	char forced_source[48];              /* "seen live", "pstore erst" */
	char watchdog[96];                   /* "i6300ESB timer: card reset"; "" */
	char reset_reason[160];              /* the kernel's own words; "" */
	enum rw_boot_finish reset_finish;    /* what those words mean; UNKNOWN when nothing */
	bool bert;                           /* it holds a fatal error */
	char pstore_backend[32]; /* that stood ready in the old boot, can be read now, and has
				    nothing of that boot; "" */
};

struct rw_lastboot_verdict {
	enum rw_boot_finish finish;
	bool unexpected;
	char because[RW_DETAIL_MAX + 1];      /* one sentence for people */
	char evidence[RW_FACT_VALUE_MAX + 1]; /* what says so: "pstore erst", "state file" */
};

/* Pure. */
void rw_lastboot_decide(const struct rw_lastboot_evidence *evidence,
			struct rw_lastboot_verdict *out);

struct rw_lastboot_config {
	const char *root;   /* put before /sys, /proc and /var; "" but for tests */
	const char *folder; /* state directory */
	const char *kmsg;   /* device or file to look for BERT and reset reasons in */
	bool remove_pstore; /* what was archived and spooled is removed from the store */
};

/*
 * Settles the last boot: reads its state and the evidence, spools what is to be
 * told (the crash itself with its log and the signature that it has when seen
 * live, unless the spool holds it already; then how the boot ended), archives the
 * dumps, saves the new state, and then, if so configured, clears what is safely
 * kept. Called again after a kill in the middle, it tells nothing twice.
 *
 * `spool` may be NULL (it cannot be opened): then the events go to `fn` instead,
 * at most RW_LASTBOOT_EVENTS, and nothing is archived, saved or removed: the next
 * start finds all as it was. *left_off_ms as in start.c: the boot time at which
 * an earlier life in this same boot was last alive, or UINT64_MAX.
 *
 * 0, and `error` is "" or says what could not be had (a damaged state, an archive
 * that cannot be written); or negative errno with a line in `error`.
 */
enum { RW_LASTBOOT_EVENTS = 4 };
typedef void rw_lastboot_fn(void *context, struct rw_event *event);
int rw_lastboot_settle(const struct rw_lastboot_config *config, struct rw_spool *spool,
		       rw_lastboot_fn *fn, void *context, struct rw_boot_state *fresh,
		       uint64_t *left_off_ms, char error[RW_BOOT_ERROR_BYTES]);

#endif
