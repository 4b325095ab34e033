/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading, attaching and reading the kernel side; see probes.h.
 *
 * For each kind of event there is a list of candidates, best first; a candidate
 * is a set of programs of one object, some of which it cannot do without. A
 * candidate is tried by really loading and attaching it. Every try opens the
 * object anew with all other programs switched off, so one that the kernel
 * refuses takes nothing else down. When the programs of a candidate do not load
 * together, each is tried alone, to learn which one it was and to leave it out
 * if it may be.
 *
 * What stays after the start is one link and one program descriptor a hook, the
 * ring and the counters; libbpf's objects are closed again. All objects have the
 * same constants and share one map of them: each map is at least a page, and the
 * kernel's memory is the host's.
 *
 * Owner: the sensor's one thread.
 */
#include "sensor/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "sensor/watches.h"

enum {
	HOOKS_MAX = 48, /* live at once */
	RODATA_BYTES_MAX = 256,
	KERNEL_ENOTSUPP = 524, /* not in errno.h, yet some attachments fail with it */
};

struct hook {
	struct bpf_link *link;
	int program; /* descriptor: asked for its recursion misses */
};

struct rw_probes {
	rw_probes_fn *fn;
	void *context;
	int records; /* maps */
	int counters;
	const uint64_t *counted; /* the counters, mapped for reading; or NULL */
	struct ring_buffer *ring;
	int rodata; /* the constants' map, once there is one */
	size_t rodata_bytes;
	uint8_t rodata_copy[RODATA_BYTES_MAX];
	uint64_t map_bytes;
	struct hook hooks[HOOKS_MAX];
	uint32_t hook_count;
	struct rw_probe_coverage *coverage; /* one for each watch */
	struct rw_record record;            /* the one being handed on */
	uint64_t selftest_value;            /* awaited; 0 when none is */
	bool selftest_seen;
};

static enum rw_probes_tier tier_limit = RW_PROBES_ALL;

void rw_probes_set_tier_limit(enum rw_probes_tier best)
{
	tier_limit = best;
}

int rw_probes_parse_tier(const char *name, enum rw_probes_tier *out)
{
	static const char *const names[] = {
		[RW_PROBES_ALL] = "all",
		[RW_PROBES_KPROBE] = "kprobe",
		[RW_PROBES_RAW] = "raw",
		[RW_PROBES_NONE] = "none",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum rw_probes_tier)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- words ---------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void append(char *out, size_t size, const char *fmt,
							 ...)
{
	size_t used = strlen(out);
	va_list args;

	va_start(args, fmt);
	vsnprintf(out + used, size - used, fmt, args);
	va_end(args);
}

static const char *error_words(int error)
{
	if (error == -ESRCH || error == -ENOENT)
		return "not in this kernel";
	if (error == -KERNEL_ENOTSUPP)
		return "not supported by this kernel";
	const char *words = strerrordesc_np(-error);
	return words != NULL ? words : "unknown error";
}

/* The verifier's answers. */
static bool is_refusal(int error)
{
	return error == -EINVAL || error == -EACCES;
}

/* A reason that does not fit, or a hook's second failure, is left off whole. */
static void add_reason(struct rw_probe_coverage *coverage, const char *hook, int error,
		       const char *refused)
{
	char reason[RW_PROBES_REASON_BYTES];
	int length = snprintf(reason, sizeof(reason), "%s: ", hook);

	if (length < 0 || strstr(coverage->reason, reason) != NULL)
		return;
	const char *between = coverage->reason[0] != '\0' ? "; " : "";
	bool by_verifier = refused != NULL && is_refusal(error);
	length = snprintf(reason, sizeof(reason), "%s%s: %s", between, hook,
			  by_verifier ? refused : error_words(error));
	if (length > 0 && (size_t)length < sizeof(coverage->reason) - strlen(coverage->reason))
		append(coverage->reason, sizeof(coverage->reason), "%s", reason);
}

/* "fentry/a + b + fexit/c". A name that does not fit is left off whole. */
static void add_hook_name(struct rw_probe_coverage *coverage, const char *section)
{
	char *hook = coverage->hook;
	size_t prefix = (size_t)(strchrnul(section, '/') - section);
	const char *last = "";

	/* The prefix that counts for the last name. */
	for (const char *at = hook; (at = strchr(at, '/')) != NULL; at++) {
		last = at;
		while (last > hook && last[-1] != ' ')
			last--;
	}
	if (section[prefix] == '/' && strncmp(last, section, prefix + 1) == 0)
		section += prefix + 1;

	const char *between = hook[0] != '\0' ? " + " : "";
	if (strlen(hook) + strlen(between) + strlen(section) < sizeof(coverage->hook))
		append(hook, sizeof(coverage->hook), "%s%s", between, section);
}

static bool says_why(const char *line)
{
	return line[0] != '\0' && strncmp(line, "processed ", 10) != 0 &&
	       strncmp(line, "verification time", 17) != 0 && strncmp(line, "-- END", 6) != 0;
}

/* Of a verifier's log, thousands of lines perhaps, the last one that says why. */
static void log_last_line(char *text)
{
	const char *last = "";

	for (char *line = text, *end = text; end != NULL; line = end + 1) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end = '\0';
		if (says_why(line))
			last = line;
		if (end == NULL)
			break;
	}
	rw_debug("event=libbpf text=\"%s\"", last);
}

/* libbpf's complaints are no news: most of them are a candidate that this
 * kernel does not have. */
static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	rw_autofree char *text = NULL;

	if (level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, fmt, args) < 0) {
		text = NULL;
		return 0;
	}
	log_last_line(text);
	return 0;
}

/* ---- loading -------------------------------------------------------------- */

static bool is_among(const char *name, const char *const *names, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (names[i] != NULL && strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static bool is_constants(const struct bpf_map *map)
{
	return bpf_map__is_internal(map) && strstr(bpf_map__name(map), ".rodata") != NULL;
}

/* The same bytes as in the objects before: one map is enough. */
static bool are_shared_constants(const struct rw_probes *probes, const struct bpf_map *map)
{
	size_t size = 0;
	const void *value = bpf_map__initial_value((struct bpf_map *)map, &size);

	return is_constants(map) && value != NULL && probes->rodata >= 0 &&
	       size == probes->rodata_bytes && memcmp(value, probes->rodata_copy, size) == 0;
}

static int prepare_maps(const struct rw_probes *probes, struct bpf_object *object,
			const char *own_map)
{
	struct bpf_map *map;
	int error = 0;

	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);
		if (strcmp(name, "records") == 0)
			error = bpf_map__reuse_fd(map, probes->records);
		else if (strcmp(name, "counters") == 0)
			error = bpf_map__reuse_fd(map, probes->counters);
		else if (are_shared_constants(probes, map))
			error = bpf_map__reuse_fd(map, probes->rodata);
		else if (!bpf_map__is_internal(map) &&
			 (own_map == NULL || strcmp(name, own_map) != 0))
			error = bpf_map__set_autocreate(map, false);
		if (error != 0)
			return error;
	}
	return 0;
}

/* What the kernel charges for a map. */
static uint64_t charge_of(int descriptor)
{
	char path[64];
	char line[128];
	unsigned long long bytes = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", descriptor);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	}
	fclose(file);
	return bytes;
}

/* Kernels before 6.4 leave the ring's own bytes out. */
static uint64_t charge_of_ring(int descriptor)
{
	uint64_t bytes = charge_of(descriptor);

	return bytes > RW_RINGBUF_BYTES ? bytes : bytes + RW_RINGBUF_BYTES;
}

/* The maps that a loaded object brought along stay as long as its programs. */
static void count_own_maps(struct rw_probes *probes, const struct bpf_object *object,
			   const char *own_map)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		bool own = own_map != NULL && strcmp(bpf_map__name(map), own_map) == 0;
		if (own || (bpf_map__is_internal(map) && !are_shared_constants(probes, map)))
			probes->map_bytes += charge_of(bpf_map__fd(map));
	}
}

/* The first object's constants are kept for the others. */
static void keep_constants(struct rw_probes *probes, const struct bpf_object *object)
{
	struct bpf_map *map;
	size_t size = 0;

	bpf_object__for_each_map(map, object)
	{
		if (!is_constants(map))
			continue;
		const void *value = bpf_map__initial_value(map, &size);
		if (value == NULL || size > sizeof(probes->rodata_copy))
			continue;
		probes->rodata = dup(bpf_map__fd(map));
		probes->rodata_bytes = size;
		memcpy(probes->rodata_copy, value, size);
		probes->map_bytes += charge_of(probes->rodata);
		return;
	}
}

/* Opens and loads the object with just these programs. */
static int load_programs(const struct rw_probes *probes, const struct rw_watch *watch,
			 const char *own_map, const char *const *programs, uint32_t count,
			 struct bpf_object **out)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = watch->object);
	struct bpf_program *program;
	size_t size;
	const void *elf = watch->elf(&size);

	struct bpf_object *object = bpf_object__open_mem(elf, size, &opts);
	if (object == NULL)
		return -errno;

	int error = prepare_maps(probes, object, own_map);
	bpf_object__for_each_program(program, object)
	{
		bool wanted = is_among(bpf_program__name(program), programs, count);
		if (error == 0)
			error = bpf_program__set_autoload(program, wanted);
	}
	if (error == 0)
		error = bpf_object__load(object);
	if (error != 0) {
		bpf_object__close(object);
		return error;
	}
	*out = object;
	return 0;
}

static uint32_t program_count(const struct rw_candidate *candidate)
{
	uint32_t count = 0;

	while (count < RW_WATCH_PROGRAMS_MAX && candidate->programs[count] != NULL)
		count++;
	return count;
}

/* "fentry/oops_enter" of "rw_oops_enter". */
static void hook_of_program(const struct rw_watch *watch, const char *name,
			    char out[RW_PROBES_HOOK_BYTES])
{
	size_t size;
	const void *elf = watch->elf(&size);
	struct bpf_object *object = bpf_object__open_mem(elf, size, NULL);

	snprintf(out, RW_PROBES_HOOK_BYTES, "%s", name);
	if (object == NULL)
		return;
	const struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	if (program != NULL)
		snprintf(out, RW_PROBES_HOOK_BYTES, "%s", bpf_program__section_name(program));
	bpf_object__close(object);
}

/*
 * Loads what of a candidate will load: `left_out` tells which optional programs
 * did not. Fails with the error of the first program it cannot do without.
 */
static int load_candidate(const struct rw_probes *probes, const struct rw_watch *watch,
			  const struct rw_candidate *candidate, struct rw_probe_coverage *coverage,
			  struct bpf_object **out)
{
	const char *good[RW_WATCH_PROGRAMS_MAX] = {0};
	uint32_t count = program_count(candidate);
	uint32_t good_count = 0;
	char hook[RW_PROBES_HOOK_BYTES];

	int error = load_programs(probes, watch, candidate->map, candidate->programs, count, out);
	if (error == 0)
		return 0;

	for (uint32_t i = 0; i < count; i++) {
		struct bpf_object *object = NULL;
		int alone = count == 1 ? error
				       : load_programs(probes, watch, candidate->map,
						       &candidate->programs[i], 1, &object);
		if (alone == 0) {
			bpf_object__close(object);
			good[good_count++] = candidate->programs[i];
			continue;
		}
		hook_of_program(watch, candidate->programs[i], hook);
		add_reason(coverage, hook, alone, candidate->refused);
		if (i < candidate->needed)
			return alone;
	}
	return load_programs(probes, watch, candidate->map, good, good_count, out);
}

/* ---- attaching ------------------------------------------------------------ */

static void drop_hooks(struct rw_probes *probes, uint32_t keep)
{
	while (probes->hook_count > keep) {
		struct hook *hook = &probes->hooks[--probes->hook_count];
		bpf_link__destroy(hook->link);
		close(hook->program);
	}
}

static int attach_program(struct rw_probes *probes, const struct bpf_object *object,
			  const char *name, struct rw_probe_coverage *coverage)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	struct hook *hook = &probes->hooks[probes->hook_count];

	if (program == NULL || !bpf_program__autoload(program))
		return 0; /* left out; said so already */
	if (probes->hook_count == HOOKS_MAX)
		return -E2BIG;

	hook->link = bpf_program__attach(program);
	if (hook->link == NULL) {
		int error = -errno;
		add_reason(coverage, bpf_program__section_name(program), error, NULL);
		return error;
	}
	hook->program = dup(bpf_program__fd(program));
	if (hook->program < 0) {
		int error = -errno;
		bpf_link__destroy(hook->link);
		return error;
	}
	probes->hook_count++;
	add_hook_name(coverage, bpf_program__section_name(program));
	return 0;
}

static int attach_candidate(struct rw_probes *probes, const struct rw_candidate *candidate,
			    const struct bpf_object *object, struct rw_probe_coverage *coverage)
{
	uint32_t before = probes->hook_count;

	for (uint32_t i = 0; i < program_count(candidate); i++) {
		int error = attach_program(probes, object, candidate->programs[i], coverage);
		if (error != 0 && i < candidate->needed) {
			drop_hooks(probes, before);
			coverage->hook[0] = '\0';
			return error;
		}
	}
	return 0;
}

static int try_candidate(struct rw_probes *probes, const struct rw_watch *watch,
			 const struct rw_candidate *candidate, struct rw_probe_coverage *coverage)
{
	struct bpf_object *object = NULL;

	int error = load_candidate(probes, watch, candidate, coverage, &object);
	if (error != 0)
		return error;
	error = attach_candidate(probes, candidate, object, coverage);
	if (error == 0)
		count_own_maps(probes, object, candidate->map);
	/* Links and maps in use outlive the object. */
	bpf_object__close(object);
	return error;
}

/*
 * A hook can be live and what it watches be switched off, or not be there at
 * all: that is said too.
 */
static void add_doubt(const struct rw_watch *watch, struct rw_probe_coverage *coverage)
{
	const char *doubt = NULL;
	char first = '\0';

	if (watch->kinds[0] == RINGWATCH__V1__KIND__KIND_MEMORY_ERROR &&
	    access("/sys/devices/system/edac/mc/mc0", F_OK) != 0)
		doubt = "no memory controller has an EDAC driver";
	if (watch->kinds[0] == RINGWATCH__V1__KIND__KIND_KFENCE) {
		FILE *file = fopen("/sys/module/kfence/parameters/sample_interval", "re");
		if (file != NULL) {
			first = (char)fgetc(file);
			fclose(file);
		}
		if (first == '0')
			doubt = "KFENCE is off (kfence.sample_interval=0)";
	}
	if (doubt == NULL ||
	    strlen(coverage->reason) + strlen(doubt) + 3 > sizeof(coverage->reason))
		return;
	append(coverage->reason, sizeof(coverage->reason), "%s%s",
	       coverage->reason[0] != '\0' ? "; " : "", doubt);
}

static void watch_kind(struct rw_probes *probes, const struct rw_watch *watch,
		       struct rw_probe_coverage *coverage)
{
	const char *refused = NULL; /* for a reason that may hold for others too */

	for (uint32_t i = 0;
	     i < RW_WATCH_CANDIDATES_MAX && watch->candidates[i].programs[0] != NULL; i++) {
		const struct rw_candidate *candidate = &watch->candidates[i];
		if (candidate->tier < tier_limit ||
		    (refused != NULL && candidate->refused == refused))
			continue;
		int error = try_candidate(probes, watch, candidate, coverage);
		if (error == 0) {
			coverage->in_bpf = true;
			add_doubt(watch, coverage);
			return;
		}
		if (is_refusal(error))
			refused = candidate->refused;
	}
	snprintf(coverage->hook, sizeof(coverage->hook), "none");
	if (coverage->reason[0] == '\0')
		snprintf(coverage->reason, sizeof(coverage->reason),
			 "better hooks are switched off");
}

/* ---- reading -------------------------------------------------------------- */

static void terminate(char *text, size_t size)
{
	text[size - 1] = '\0';
}

static int take_record(void *context, void *data, size_t size)
{
	struct rw_probes *probes = context;
	struct rw_record *record = &probes->record;

	if (size != sizeof(*record))
		return 0;
	memcpy(record, data, sizeof(*record));
	terminate(record->comm, sizeof(record->comm));
	terminate(record->name, sizeof(record->name));
	terminate(record->text, sizeof(record->text));
	terminate(record->symbol, sizeof(record->symbol));
	for (uint32_t i = 0; i < RW_RECORD_STACK; i++)
		terminate(record->stack[i], sizeof(record->stack[i]));
	if (record->frame_count > RW_RECORD_FRAMES)
		record->frame_count = RW_RECORD_FRAMES;

	if (record->type == RW_RECORD_SELFTEST) {
		if (record->value == probes->selftest_value)
			probes->selftest_seen = true;
		rw_debug("event=selftest names=%s frames=%u",
			 record->stack[0][0] != '\0' ? "kernel" : "kallsyms", record->frame_count);
		return 0;
	}
	probes->fn(probes->context, record);
	return 0;
}

int rw_probes_descriptor(const struct rw_probes *probes)
{
	return probes->ring != NULL ? ring_buffer__epoll_fd(probes->ring) : -1;
}

int rw_probes_consume(struct rw_probes *probes)
{
	return probes->ring != NULL ? ring_buffer__consume(probes->ring) : 0;
}

uint32_t rw_probes_coverage(const struct rw_probes *probes,
			    struct rw_probe_coverage out[RW_PROBES_COVERAGE_MAX])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < rw_watch_count; i++) {
		for (uint32_t k = 0; k < RW_WATCH_KINDS_MAX; k++) {
			if (rw_watches[i].kinds[k] == 0 || count == RW_PROBES_COVERAGE_MAX)
				continue;
			out[count] = probes->coverage[i];
			out[count++].kind = rw_watches[i].kinds[k];
		}
	}
	return count;
}

void rw_probes_losses(const struct rw_probes *probes, struct rw_probes_losses *out)
{
	*out = (struct rw_probes_losses){0};
	if (probes->ring == NULL)
		return;
	out->reserve_failed =
		__atomic_load_n(&probes->counted[RW_COUNTER_RESERVE_FAILED], __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < probes->hook_count; i++) {
		struct bpf_prog_info info = {0};
		uint32_t length = sizeof(info);
		if (bpf_obj_get_info_by_fd(probes->hooks[i].program, &info, &length) == 0)
			out->missed += info.recursion_misses;
	}
}

uint64_t rw_probes_lost(const struct rw_probes *probes)
{
	struct rw_probes_losses losses;

	rw_probes_losses(probes, &losses);
	return losses.reserve_failed + losses.missed;
}

uint64_t rw_probes_map_bytes(const struct rw_probes *probes)
{
	return probes->map_bytes;
}

/* ---- start and end -------------------------------------------------------- */

/*
 * One record through the real ring. 0 also where this kernel cannot run a
 * program by hand (before 5.10), which proves nothing either way; -EIO when the
 * program ran and its record did not come out.
 */
static int selftest(struct rw_probes *probes)
{
	const char *const *programs = rw_watch_selftest.candidates[0].programs;
	uint64_t ctx[] = {0x72696e6777617463}; /* any number but 0 */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = ctx, .ctx_size_in = sizeof(ctx));
	struct bpf_object *object = NULL;

	int error = load_programs(probes, &rw_watch_selftest, NULL, programs, 1, &object);
	if (error != 0)
		return error;
	keep_constants(probes, object);
	probes->selftest_value = ctx[0];
	const struct bpf_program *program = bpf_object__find_program_by_name(object, programs[0]);
	int ran = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	bpf_object__close(object);
	if (ran != 0)
		return 0;
	int taken = ring_buffer__consume(probes->ring);
	if (taken < 0)
		return taken;
	return probes->selftest_seen ? 0 : -EIO;
}

/* 0 when it cannot be read: then flags that are old may be told as new. */
static uint64_t tainted_already(void)
{
	unsigned long long flags = 0;
	FILE *file = fopen("/proc/sys/kernel/tainted", "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu", &flags) != 1)
		flags = 0;
	fclose(file);
	return flags;
}

static int make_counters(struct rw_probes *probes)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	uint32_t slot = RW_COUNTER_TAINTED;
	uint64_t tainted = tainted_already();

	probes->counters = bpf_map_create(BPF_MAP_TYPE_ARRAY, "counters", sizeof(uint32_t),
					  sizeof(uint64_t), RW_COUNTER_MAX, &opts);
	if (probes->counters < 0)
		return probes->counters;
	if (bpf_map_update_elem(probes->counters, &slot, &tainted, BPF_ANY) != 0)
		return -errno;
	void *counted = mmap(NULL, RW_COUNTER_MAX * sizeof(uint64_t), PROT_READ, MAP_SHARED,
			     probes->counters, 0);
	if (counted == MAP_FAILED)
		return -errno;
	probes->counted = counted;
	return 0;
}

static int make_maps(struct rw_probes *probes)
{
	probes->records =
		bpf_map_create(BPF_MAP_TYPE_RINGBUF, "records", 0, 0, RW_RINGBUF_BYTES, NULL);
	if (probes->records < 0)
		return probes->records;
	int error = make_counters(probes);
	if (error != 0)
		return error;
	probes->map_bytes = charge_of_ring(probes->records) + charge_of(probes->counters);
	probes->ring = ring_buffer__new(probes->records, take_record, probes, NULL);
	return probes->ring != NULL ? 0 : -errno;
}

/* BPF cannot be used at all: the same row for each kind. */
static void cover_nothing(struct rw_probes *probes, const char *reason)
{
	ring_buffer__free(probes->ring);
	probes->ring = NULL;
	for (uint32_t i = 0; i < rw_watch_count; i++) {
		struct rw_probe_coverage *coverage = &probes->coverage[i];
		snprintf(coverage->hook, sizeof(coverage->hook), "none");
		snprintf(coverage->reason, sizeof(coverage->reason), "%s", reason);
	}
}

static void open_all(struct rw_probes *probes)
{
	char reason[RW_PROBES_REASON_BYTES];

	if (tier_limit == RW_PROBES_NONE) {
		cover_nothing(probes, "BPF is switched off");
		return;
	}
	int error = make_maps(probes);
	if (error != 0) {
		snprintf(reason, sizeof(reason), "BPF ring buffer: %s", error_words(error));
		cover_nothing(probes, reason);
		return;
	}
	error = selftest(probes);
	if (error != 0) {
		snprintf(reason, sizeof(reason), "BPF self-test: %s", error_words(error));
		cover_nothing(probes, reason);
		return;
	}
	for (uint32_t i = 0; i < rw_watch_count; i++)
		watch_kind(probes, &rw_watches[i], &probes->coverage[i]);
}

int rw_probes_open(rw_probes_fn *fn, void *context, struct rw_probes **out)
{
	struct rw_probes *probes = calloc(1, sizeof(*probes));

	if (probes == NULL)
		return -ENOMEM;
	probes->coverage = calloc(rw_watch_count, sizeof(*probes->coverage));
	if (probes->coverage == NULL) {
		free(probes);
		return -ENOMEM;
	}
	probes->fn = fn;
	probes->context = context;
	probes->records = -1;
	probes->counters = -1;
	probes->rodata = -1;

	/*
	 * libbpf reads the kernel's type information, 4 to 5 MB, into the heap for
	 * each object. With a fixed threshold such a block is mapped and goes back
	 * to the system when freed, instead of teaching malloc to keep as much.
	 */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	libbpf_set_print(print_libbpf);
	open_all(probes);
	malloc_trim(0);
	*out = probes;
	return 0;
}

static void close_descriptor(int descriptor)
{
	if (descriptor >= 0)
		close(descriptor);
}

void rw_probes_close(struct rw_probes *probes)
{
	if (probes == NULL)
		return;
	drop_hooks(probes, 0);
	ring_buffer__free(probes->ring);
	if (probes->counted != NULL)
		munmap((void *)probes->counted, RW_COUNTER_MAX * sizeof(uint64_t));
	close_descriptor(probes->rodata);
	close_descriptor(probes->counters);
	close_descriptor(probes->records);
	free(probes->coverage);
	free(probes);
}
