/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A panic, while the machine still lives for a moment. panic() takes variable
 * arguments, so fentry refuses it. The tracepoint console sees the finished
 * text when it is stored, before the other CPUs are stopped; it runs for each
 * line of the kernel log, so it looks at the first few bytes and leaves. Whoever
 * may write to /dev/kmsg can write such a line too: it counts only where panic()
 * itself stands on the stack. vpanic(), where it exists (6.18), has only the
 * format, and a compiler may build it into panic().
 */
#include "bpf/common.bpf.h"

enum {
	PREFIX = sizeof(rw_text_panic) - 1,
	LEAD = sizeof("Kernel panic - not syncing: ") - 1,
};

struct printk_message {
	uint64_t seq;
} RW_KERNEL_TYPE;

/*
 * Leaves off the stack what lies above the caller of panic(): printk and this
 * program say nothing about the cause. False when panic() is not among the
 * frames that have names.
 */
static __always_inline bool take_panic_stack(struct rw_record *record, void *ctx)
{
	__u32 skip;

	rw_take_frames(record, ctx, 0);
	rw_name_frames(record, false);
	for (__u32 i = 0; i < RW_RECORD_STACK; i++) {
		__u64 head = rw_head_of_frame(record, i);

		if (head == RW_NAME_HEAD('p', 'a', 'n', 'i', 'c', '+', '0', 'x') ||
		    head == RW_NAME_HEAD('v', 'p', 'a', 'n', 'i', 'c', '+', '0'))
			record->skipped = i + 1;
		record->stack[i][0] = '\0';
	}
	/* Kept in the record, where the verifier loses sight of its value: it would
	 * follow what comes next once for each. */
	skip = record->skipped;
	if (skip == 0) {
		record->frame_count = 0;
		return false;
	}

	rw_take_frames(record, ctx, skip);
	rw_name_frames(record, false);
	if (record->frame_count > 0) {
		record->ip = record->frames[0];
		__builtin_memcpy(record->symbol, record->stack[0], sizeof(record->stack[0]));
	}
	return true;
}

static __always_inline void panic_tell(void *ctx, const char *message)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_PANIC);

	if (!record)
		return;
	if (message)
		rw_copy_text(record->text, sizeof(record->text), message);
	take_panic_stack(record, ctx);
	rw_record_submit(record);
}

static __always_inline bool begins_with_panic(const char *line)
{
	for (__u32 i = 0; i < PREFIX; i++) {
		if (line[i] != rw_text_panic[i])
			return false;
	}
	return true;
}

/*
 * Before 5.19 the tracepoint fired when a line was printed, perhaps much later
 * and by another task. From then until 6.2, Debian's 6.1 included, it is one that
 * may not fire in an NMI, and the kernel warns when it is in use and something is
 * printed there (the stacks of a stall, a stack overflow): a host that panics on
 * warnings would die of being watched. 6.3 mended that, and brought the struct
 * printk_message: without it this use of the tracepoint does not load, and the
 * next hook is tried.
 */
static __always_inline bool console_is_fit(void)
{
	struct printk_message *message = NULL;

	return __builtin_preserve_field_info(message->seq, BPF_FIELD_BYTE_OFFSET) != 0;
}

/* `text` is not NUL-terminated: `length` bytes of the kernel's log buffer. */
static __always_inline void console_line(void *ctx, const char *text, __u64 length)
{
	char head[PREFIX + 1] = {};
	struct rw_record *record;

	if (length < PREFIX || !console_is_fit())
		return;
	rw_copy_text(head, sizeof(head), text);
	if (!begins_with_panic(head))
		return;

	record = rw_record_begin(RW_RECORD_PANIC);
	if (!record)
		return;
	if (length > LEAD) {
		rw_copy_text(record->text, sizeof(record->text), text + LEAD);
		length -= LEAD;
		if (length < sizeof(record->text))
			record->text[length] = '\0';
	}
	if (take_panic_stack(record, ctx))
		rw_record_submit(record);
	else
		bpf_ringbuf_discard(record, 0);
}

SEC("fentry/vpanic")
int BPF_PROG(rw_vpanic, const char *format)
{
	panic_tell(ctx, format);
	return 0;
}

SEC("tp_btf/console")
int BPF_PROG(rw_console, const char *text, unsigned long length)
{
	console_line(ctx, text, length);
	return 0;
}

/* panic() comes here before it stops the other CPUs. So does an oops that is to
 * be dumped by kexec, with its registers: that one is told by the oops hooks. */
SEC("fentry/__crash_kexec")
int BPF_PROG(rw_crash_kexec, struct pt_regs *regs)
{
	if (!regs)
		panic_tell(ctx, NULL);
	return 0;
}

SEC("kprobe/panic")
int BPF_KPROBE(rw_kprobe_panic, const char *format)
{
	panic_tell(ctx, format);
	return 0;
}

SEC("raw_tp/console")
int BPF_PROG(rw_raw_console, const char *text, unsigned long length)
{
	console_line(ctx, text, length);
	return 0;
}
