/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Module loads that fail. No tracepoint tells of them, and when load_module
 * returns it has freed the names. So an attempt is remembered on its way in
 * (file name when the file is read, the module's name when its init begins) and
 * told when the system call returns its error.
 *
 * An attempt that the capability check refused never gets as far as being
 * remembered and is no event, or any user could trip a ring. "Exists already"
 * and "is being loaded" are no failures. insmod tries init_module(2) with the
 * same bytes after finit_module(2) failed: one act, so an error that the same
 * thread had a moment before is not told again. From 6.5 on threads that load
 * the same file at the same time share one result: only the one that read the
 * file tells.
 *
 * An init that oopses never returns; its attempt stays until LRU drops it.
 *
 * Some loaders hand over a compressed file as it is, are told that it is no
 * module, unpack it and try again: the first of the two tells nothing. A loader
 * that asks the kernel to unpack (flag 4) means it.
 */
#include "bpf/common.bpf.h"

enum {
	ERRNO_BUSY = 16,
	ERRNO_NOEXEC = 8,
	ERRNO_EXIST = 17,
	ERRNO_MAX = 4095,
	FILE_NAME = 56,
	MODULE_NAME = 56, /* MODULE_NAME_LEN on 64-bit */
	ATTEMPTS = 128,
	INIT_COMPRESSED_FILE = 4,
	SUFFIX = 4, /* ".xz" and its NUL, ".zst" */
};
#define SAME_ACT_NS 1000000000ULL

struct qstr {
	const unsigned char *name;
} RW_KERNEL_TYPE;

struct dentry {
	struct qstr d_name;
} RW_KERNEL_TYPE;

struct path {
	struct dentry *dentry;
} RW_KERNEL_TYPE;

struct file {
	struct path f_path;
} RW_KERNEL_TYPE;

struct module {
	char name[MODULE_NAME];
} RW_KERNEL_TYPE;

enum kernel_read_file_id {
	READING_MODULE = 2,
	READING_MODULE_COMPRESSED = 8, /* newer kernels, for files that they unpack */
};

struct attempt {
	__u32 stage;       /* enum rw_module_stage; 0 = over */
	__u32 from_memory; /* init_module(2): no file was read */
	__u64 last_ns;     /* when the attempt before ended */
	__s32 last_error;  /* and how; 0 = none */
	char file[FILE_NAME];
	char module[MODULE_NAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ATTEMPTS);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct attempt);
} attempts SEC(".maps");

/* This thread's entry, made if there is none. */
static __always_inline struct attempt *attempt_of_thread(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct attempt *attempt = bpf_map_lookup_elem(&attempts, &thread);
	struct attempt fresh = {};

	if (attempt)
		return attempt;
	bpf_map_update_elem(&attempts, &thread, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&attempts, &thread);
}

static __always_inline void file_read(const void *name)
{
	struct attempt *attempt = attempt_of_thread();

	if (!attempt)
		return;
	attempt->stage = RW_STAGE_READ;
	attempt->from_memory = 0;
	attempt->module[0] = '\0';
	rw_copy_text(attempt->file, sizeof(attempt->file), name);
}

/* The next stage of the running attempt, or the first sight of one from memory. */
static __always_inline struct attempt *attempt_reaches(__u32 stage)
{
	struct attempt *attempt = attempt_of_thread();

	if (!attempt)
		return NULL;
	if (attempt->stage == 0) {
		attempt->from_memory = 1;
		attempt->module[0] = '\0';
		attempt->file[0] = '\0';
	}
	attempt->stage = stage;
	return attempt;
}

static __always_inline void init_begins(const void *name)
{
	struct attempt *attempt = attempt_reaches(RW_STAGE_INIT);

	if (attempt)
		rw_copy_text(attempt->module, sizeof(attempt->module), name);
}

static __always_inline void attempt_tell(const struct attempt *attempt, __s32 error)
{
	struct rw_record *record = rw_record_begin(RW_RECORD_MODULE_FAILED);

	if (!record)
		return;
	record->error = error;
	record->value = attempt->stage;
	_Static_assert(sizeof(attempt->module) < sizeof(record->name) &&
			       sizeof(attempt->file) < sizeof(record->name) &&
			       sizeof(attempt->file) < sizeof(record->text),
		       "names fit with their NUL");
	if (attempt->module[0])
		__builtin_memcpy(record->name, attempt->module, sizeof(attempt->module));
	else
		__builtin_memcpy(record->name, attempt->file, sizeof(attempt->file));
	__builtin_memcpy(record->text, attempt->file, sizeof(attempt->file));
	rw_record_submit(record);
}

static __always_inline bool is_retry(const struct attempt *attempt, __s32 error, __u64 now)
{
	return attempt->from_memory && attempt->last_error == error &&
	       now - attempt->last_ns < SAME_ACT_NS;
}

static __always_inline bool is_compressed(const struct attempt *attempt)
{
	for (__u32 i = 0; i + SUFFIX < FILE_NAME; i++) {
		const char *at = &attempt->file[i];

		if (at[0] != '.')
			continue;
		if ((at[1] == 'x' || at[1] == 'g') && at[2] == 'z' && at[3] == '\0')
			return true;
		if (at[1] == 'z' && at[2] == 's' && at[3] == 't' && at[4] == '\0')
			return true;
	}
	return false;
}

/*
 * A system call returns. Without an attempt it was refused before it began, or
 * shared another's result.
 */
static __always_inline void load_ends(long result, bool handed_over_packed)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct attempt *attempt = bpf_map_lookup_elem(&attempts, &thread);
	__u64 now = bpf_ktime_get_boot_ns();
	__s32 error = (__s32)result;

	if (!attempt || attempt->stage == 0)
		return;
	if (error >= 0 || error < -ERRNO_MAX) {
		bpf_map_delete_elem(&attempts, &thread);
		return;
	}
	if (handed_over_packed && error == -ERRNO_NOEXEC && !attempt->from_memory &&
	    is_compressed(attempt)) {
		bpf_map_delete_elem(&attempts, &thread);
		return;
	}
	if (error != -ERRNO_EXIST && error != -ERRNO_BUSY && !is_retry(attempt, error, now))
		attempt_tell(attempt, error);
	attempt->stage = 0;
	attempt->last_error = error;
	attempt->last_ns = now;
}

static __always_inline bool is_module(__u32 id)
{
	if (id == bpf_core_enum_value(enum kernel_read_file_id, READING_MODULE))
		return true;
	return bpf_core_enum_value_exists(enum kernel_read_file_id, READING_MODULE_COMPRESSED) &&
	       id == bpf_core_enum_value(enum kernel_read_file_id, READING_MODULE_COMPRESSED);
}

SEC("fentry/security_kernel_read_file")
int BPF_PROG(rw_module_read, struct file *file, unsigned int id)
{
	if (is_module(id) && file)
		file_read(file->f_path.dentry->d_name.name);
	return 0;
}

SEC("fentry/load_module")
int BPF_PROG(rw_module_load)
{
	attempt_reaches(RW_STAGE_LOAD);
	return 0;
}

SEC("fentry/do_init_module")
int BPF_PROG(rw_module_init, struct module *module)
{
	init_begins(module->name);
	return 0;
}

SEC("fexit/__x64_sys_finit_module")
int BPF_PROG(rw_module_file_ends, const struct pt_regs *regs, long result)
{
	load_ends(result, !(regs->dx & INIT_COMPRESSED_FILE));
	return 0;
}

SEC("fexit/__x64_sys_init_module")
int BPF_PROG(rw_module_memory_ends, const struct pt_regs *regs, long result)
{
	load_ends(result, false);
	return 0;
}

/* ---- second tier ---------------------------------------------------------- */

SEC("kprobe/security_kernel_read_file")
int BPF_KPROBE(rw_kprobe_module_read, struct file *file, unsigned int id)
{
	if (is_module(id))
		file_read(BPF_CORE_READ(file, f_path.dentry, d_name.name));
	return 0;
}

SEC("kprobe/load_module")
int BPF_KPROBE(rw_kprobe_module_load)
{
	attempt_reaches(RW_STAGE_LOAD);
	return 0;
}

SEC("kprobe/do_init_module")
int BPF_KPROBE(rw_kprobe_module_init, struct module *module)
{
	init_begins(module->name);
	return 0;
}

SEC("kretprobe/__x64_sys_finit_module")
int BPF_KRETPROBE(rw_kretprobe_module_file_ends, long result)
{
	load_ends(result, false);
	return 0;
}

SEC("kretprobe/__x64_sys_init_module")
int BPF_KRETPROBE(rw_kretprobe_module_memory_ends, long result)
{
	load_ends(result, false);
	return 0;
}
