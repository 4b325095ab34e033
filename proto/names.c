/* SPDX-License-Identifier: Apache-2.0 */
/* Enum values of the wire as people and programs read them; see wire.h. */
#include <errno.h>
#include <string.h>

#include "proto/wire.h"

struct name {
	int value;
	const char *name;
};

#define FIND(table, value) find_name(table, sizeof(table) / sizeof((table)[0]), (int)(value))

static const char *find_name(const struct name *table, size_t count, int value)
{
	for (size_t i = 0; i < count; i++) {
		if (table[i].value == value)
			return table[i].name;
	}
	return NULL;
}

static const struct name kinds[] = {
	{RINGWATCH__V1__KIND__KIND_OOPS, "oops"},
	{RINGWATCH__V1__KIND__KIND_PANIC, "panic"},
	{RINGWATCH__V1__KIND__KIND_WARNING, "warning"},
	{RINGWATCH__V1__KIND__KIND_MODULE_LOAD_FAILED, "module_load_failed"},
	{RINGWATCH__V1__KIND__KIND_UNEXPECTED_REBOOT, "unexpected_reboot"},
	{RINGWATCH__V1__KIND__KIND_PLANNED_REBOOT, "planned_reboot"},
	{RINGWATCH__V1__KIND__KIND_RESTART, "restart"},
	{RINGWATCH__V1__KIND__KIND_HARD_LOCKUP, "hard_lockup"},
	{RINGWATCH__V1__KIND__KIND_EVENTS_LOST, "events_lost"},
	{RINGWATCH__V1__KIND__KIND_SOFT_LOCKUP, "soft_lockup"},
	{RINGWATCH__V1__KIND__KIND_RCU_STALL, "rcu_stall"},
	{RINGWATCH__V1__KIND__KIND_HUNG_TASK, "hung_task"},
	{RINGWATCH__V1__KIND__KIND_OOM_KILL, "oom_kill"},
	{RINGWATCH__V1__KIND__KIND_TAINT, "taint"},
	{RINGWATCH__V1__KIND__KIND_MACHINE_CHECK, "machine_check"},
	{RINGWATCH__V1__KIND__KIND_MEMORY_ERROR, "memory_error"},
	{RINGWATCH__V1__KIND__KIND_PCIE_ERROR, "pcie_error"},
	{RINGWATCH__V1__KIND__KIND_KFENCE, "kfence"},
	{RINGWATCH__V1__KIND__KIND_KASAN, "kasan"},
	{RINGWATCH__V1__KIND__KIND_UNEXPLAINED, "unexplained"},
	{RINGWATCH__V1__KIND__KIND_LOG_EXCERPT, "log_excerpt"},
	{RINGWATCH__V1__KIND__KIND_SAFE_START, "safe_start"},
	{RINGWATCH__V1__KIND__KIND_DRILL, "drill"},
};

const char *rw_kind_name(Ringwatch__V1__Kind kind)
{
	return FIND(kinds, kind);
}

/* -EINVAL when no value has this name. */
static int find_value(const struct name *table, size_t count, const char *name, int *out)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, name) == 0) {
			*out = table[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

int rw_kind_parse(const char *name, Ringwatch__V1__Kind *out)
{
	int value;
	int err = find_value(kinds, sizeof(kinds) / sizeof(kinds[0]), name, &value);

	if (err == 0)
		*out = (Ringwatch__V1__Kind)value;
	return err;
}

const char *rw_severity_name(Ringwatch__V1__Severity severity)
{
	static const struct name names[] = {
		{RINGWATCH__V1__SEVERITY__SEVERITY_INFO, "info"},
		{RINGWATCH__V1__SEVERITY__SEVERITY_WARNING, "warning"},
		{RINGWATCH__V1__SEVERITY__SEVERITY_CRITICAL, "critical"},
	};
	return FIND(names, severity);
}

const char *rw_source_name(Ringwatch__V1__Source source)
{
	static const struct name names[] = {
		{RINGWATCH__V1__SOURCE__SOURCE_BPF, "bpf"},
		{RINGWATCH__V1__SOURCE__SOURCE_LOG, "log"},
		{RINGWATCH__V1__SOURCE__SOURCE_BPF_AND_LOG, "bpf_and_log"},
		{RINGWATCH__V1__SOURCE__SOURCE_BOOT_STATE, "boot_state"},
		{RINGWATCH__V1__SOURCE__SOURCE_SENSOR, "sensor"},
		{RINGWATCH__V1__SOURCE__SOURCE_PSTORE, "pstore"},
		{RINGWATCH__V1__SOURCE__SOURCE_COUNTER, "counter"},
	};
	return FIND(names, source);
}

const char *rw_reject_name(Ringwatch__V1__RejectCode code)
{
	static const struct name names[] = {
		{RINGWATCH__V1__REJECT_CODE__REJECT_SCHEMA_MISMATCH, "schema_mismatch"},
		{RINGWATCH__V1__REJECT_CODE__REJECT_BAD_FRAME, "bad_frame"},
		{RINGWATCH__V1__REJECT_CODE__REJECT_IDENTITY, "identity"},
		{RINGWATCH__V1__REJECT_CODE__REJECT_UNKNOWN_RING, "unknown_ring"},
		{RINGWATCH__V1__REJECT_CODE__REJECT_NOT_IN_INVENTORY, "not_in_inventory"},
		{RINGWATCH__V1__REJECT_CODE__REJECT_DUPLICATE_IDENTITY, "duplicate_identity"},
		{RINGWATCH__V1__REJECT_CODE__REJECT_RETIRED, "retired"},
		{RINGWATCH__V1__REJECT_CODE__REJECT_TOO_MANY_HOSTS, "too_many_hosts"},
		{RINGWATCH__V1__REJECT_CODE__REJECT_SHUTTING_DOWN, "shutting_down"},
		{RINGWATCH__V1__REJECT_CODE__REJECT_STANDBY, "standby"},
	};
	return FIND(names, code);
}

const char *rw_boot_end_name(Ringwatch__V1__BootEnd end)
{
	static const struct name names[] = {
		{RINGWATCH__V1__BOOT_END__BOOT_END_NONE, "none"},
		{RINGWATCH__V1__BOOT_END__BOOT_END_ORDERLY, "orderly"},
		{RINGWATCH__V1__BOOT_END__BOOT_END_UNEXPECTED, "unexpected"},
		{RINGWATCH__V1__BOOT_END__BOOT_END_UNKNOWN, "unknown"},
	};
	return FIND(names, end);
}

const char *rw_goodbye_name(Ringwatch__V1__GoodbyeKind kind)
{
	static const struct name names[] = {
		{RINGWATCH__V1__GOODBYE_KIND__GOODBYE_REBOOT, "reboot"},
		{RINGWATCH__V1__GOODBYE_KIND__GOODBYE_POWER_OFF, "power_off"},
		{RINGWATCH__V1__GOODBYE_KIND__GOODBYE_KEXEC, "kexec"},
		{RINGWATCH__V1__GOODBYE_KIND__GOODBYE_SENSOR_STOP, "sensor_stop"},
	};
	return FIND(names, kind);
}

const char *rw_spool_state_name(Ringwatch__V1__SpoolState state)
{
	static const struct name names[] = {
		{RINGWATCH__V1__SPOOL_STATE__SPOOL_DISK, "disk"},
		{RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY, "memory"},
	};
	return FIND(names, state);
}

static const struct name facts[] = {
	{RINGWATCH__V1__FACT_NAME__FACT_TYPE, "type"},
	{RINGWATCH__V1__FACT_NAME__FACT_ADDRESS, "address"},
	{RINGWATCH__V1__FACT_NAME__FACT_ERROR_CODE, "error_code"},
	{RINGWATCH__V1__FACT_NAME__FACT_FILE, "file"},
	{RINGWATCH__V1__FACT_NAME__FACT_LINE, "line"},
	{RINGWATCH__V1__FACT_NAME__FACT_STAGE, "stage"},
	{RINGWATCH__V1__FACT_NAME__FACT_CAUSE, "cause"},
	{RINGWATCH__V1__FACT_NAME__FACT_MODULE_FILE, "module_file"},
	{RINGWATCH__V1__FACT_NAME__FACT_SECONDS, "seconds"},
	{RINGWATCH__V1__FACT_NAME__FACT_SCOPE, "scope"},
	{RINGWATCH__V1__FACT_NAME__FACT_CGROUP, "cgroup"},
	{RINGWATCH__V1__FACT_NAME__FACT_UID, "uid"},
	{RINGWATCH__V1__FACT_NAME__FACT_RSS_KIB, "rss_kib"},
	{RINGWATCH__V1__FACT_NAME__FACT_FLAG, "flag"},
	{RINGWATCH__V1__FACT_NAME__FACT_FLAG_NAME, "flag_name"},
	{RINGWATCH__V1__FACT_NAME__FACT_BANK, "bank"},
	{RINGWATCH__V1__FACT_NAME__FACT_STATUS, "status"},
	{RINGWATCH__V1__FACT_NAME__FACT_MISC, "misc"},
	{RINGWATCH__V1__FACT_NAME__FACT_DEVICE, "device"},
	{RINGWATCH__V1__FACT_NAME__FACT_ERRORS, "errors"},
	{RINGWATCH__V1__FACT_NAME__FACT_COUNTER, "counter"},
	{RINGWATCH__V1__FACT_NAME__FACT_END, "end"},
	{RINGWATCH__V1__FACT_NAME__FACT_EVIDENCE, "evidence"},
	{RINGWATCH__V1__FACT_NAME__FACT_SURVIVED, "survived"},
	{RINGWATCH__V1__FACT_NAME__FACT_LOG_LOST, "log_lost"},
	{RINGWATCH__V1__FACT_NAME__FACT_RING_LOST, "ring_lost"},
	{RINGWATCH__V1__FACT_NAME__FACT_MISSED, "missed"},
	{RINGWATCH__V1__FACT_NAME__FACT_UNWRITTEN, "unwritten"},
	{RINGWATCH__V1__FACT_NAME__FACT_EVICTED, "evicted"},
	{RINGWATCH__V1__FACT_NAME__FACT_DRILL, "drill"},
};

const char *rw_fact_name(Ringwatch__V1__FactName name)
{
	return FIND(facts, name);
}

int rw_fact_parse(const char *name, Ringwatch__V1__FactName *out)
{
	int value;
	int err = find_value(facts, sizeof(facts) / sizeof(facts[0]), name, &value);

	if (err == 0)
		*out = (Ringwatch__V1__FactName)value;
	return err;
}
