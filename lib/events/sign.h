/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an event is called. The same crash on two hosts has the same signature,
 * whatever their addresses (KASLR), CPUs and process numbers; two crashes at
 * different places of one module have two. It is the same whether BPF saw it,
 * the kernel log told it, or the next boot found it in persistent storage. So
 * nothing goes in that one source alone knows.
 *
 *   oops, warning       KIND:SYMBOL+OFFSET:MODULE
 *   kfence, kasan       KIND:TYPE:SYMBOL+OFFSET:MODULE
 *   soft_lockup, hard_lockup, hung_task
 *                       KIND:FUNCTION:MODULE
 *   rcu_stall           rcu_stall:FUNCTION:MODULE; rcu_stall:TYPE when nobody knows what
 *                       the stalled CPU was in
 *   panic               panic:TEXT, with all that differs from one to the next as '#'
 *   module_load_failed  module_load_failed:MODULE:ERRNO
 *   restart             restart:WHAT
 *   oom_kill            oom_kill:global, oom_kill:cgroup
 *   taint               taint:LETTER (kernel/panic.c, taint_flags)
 *   machine_check       machine_check:bankN:0xCODE:SEVERITY; of MCi_STATUS CODE is the MCA
 *                       error code, bits 0 to 15, without bit 12, which says only how
 *                       corrected errors are filtered (Intel's manual, volume 3, "Compound
 *                       error codes"; MCACOD in the kernel's asm/mce.h). Left out: model-
 *                       specific code, error count, what is valid. SEVERITY is fatal with
 *                       bit 57 (context corrupt), nonfatal with bit 61 (uncorrected), else
 *                       correctable. With no bank: machine_check:SEVERITY, or :unknown
 *   memory_error        memory_error:corrected, :uncorrected, :page; no label: it names a
 *                       slot, and what groups hosts is that their memory fails
 *   pcie_error          pcie_error:LAYER:SEVERITY, as the kernel works out the layer from
 *                       the status (drivers/pci/pcie/aer.c); LAYER is unknown when only the
 *                       port has spoken
 *
 * MODULE is "vmlinux" for the kernel itself, SYMBOL "unknown" when nobody knows.
 *
 * The place. An oops, a warning or a report is named by its instruction. When
 * that is in no code (a jump through a wild pointer), in code that is nobody's (a
 * trampoline of BPF or ftrace, a thunk of the compiler), or in what all the kernel
 * calls and only finds or suffers the error (memcpy, of which each sort of CPU has
 * its own; a spin lock; the check of a list), by the first frame below that is
 * none of these, nor a BPF program, nor an entry of an interrupt or exception. An
 * instruction within a BPF program is named by the program, whose name holds a
 * hash of its code, without offset: that depends on what the host's JIT does.
 * Lockups and stalls are named by the function that was interrupted, without
 * offset: it is somewhere in a loop. A hung task is named by the first function
 * that is not the scheduler's, a lock's or another way to wait. The lists of all
 * these stand in sign.c.
 *
 * What compilers append to a name (.isra.0, .constprop.0, .part.0, .cold,
 * .llvm.123) stays where an offset follows: offsets count from the part's own
 * begin, foo+0x12 and foo.cold+0x12 are two places, and both hold for one
 * build of the kernel only. It goes where the function alone is named, for that
 * name shall outlive a rebuild.
 *
 * Pure.
 */
#ifndef RINGWATCH_LIB_EVENTS_SIGN_H
#define RINGWATCH_LIB_EVENTS_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/events/event.h"

/* Fills symbol and module from the stack, where its kind and what is known ask for it. */
void rw_sign_blame(struct rw_event *event);

/* Sets the signature from kind, symbol, module, error, facts, and of a panic its text in
 * `detail`. That of a restart, and of kinds that are not the kernel's, is left alone. */
void rw_sign(struct rw_event *event);

/* Which sort of function a symbol ("name.isra.0+0x12") is. */
bool rw_sign_is_trampoline(const char *symbol);
bool rw_sign_is_bpf_program(const char *symbol);
bool rw_sign_is_entry(const char *symbol);
bool rw_sign_is_wait(const char *symbol);
bool rw_sign_is_helper(const char *symbol);

/* "name.isra.0+0x12": "name". Returns `out`. */
char *rw_sign_function(const char *symbol, char *out, size_t size);

/* "correctable", "nonfatal" or "fatal" by MCi_STATUS. */
const char *rw_sign_machine_check_severity(uint64_t status);

#endif
