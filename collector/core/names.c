/* SPDX-License-Identifier: Apache-2.0 */
/* The words by which states, reasons and rules are known outside. Stable. */
#include "collector/core/core.h"

#define NAME_OF(names, value)                                                                      \
	((size_t)(value) < sizeof(names) / sizeof((names)[0]) && (names)[value] != NULL            \
		 ? (names)[value]                                                                  \
		 : "unknown")

const char *rw_reason_name(enum rw_reason reason)
{
	static const char *const names[RW_REASON_COUNT] = {
		[RW_REASON_UNKNOWN_DEPLOYMENT] = "unknown_deployment",
		[RW_REASON_UNKNOWN_RING] = "unknown_ring",
		[RW_REASON_WITHDRAWN] = "withdrawn",
		[RW_REASON_FINISHED] = "finished",
		[RW_REASON_BLIND] = "blind",
		[RW_REASON_BLACKOUT] = "blackout",
		[RW_REASON_STORE_FAILED] = "store_failed",
		[RW_REASON_NOT_STARTED] = "not_started",
		[RW_REASON_PREVIOUS_RING_NOT_PASSED] = "previous_ring_not_passed",
		[RW_REASON_RING_UNHEALTHY] = "ring_unhealthy",
		[RW_REASON_NO_EXPOSED_HOSTS] = "no_exposed_hosts",
		[RW_REASON_COVERAGE_LOW] = "coverage_low",
		[RW_REASON_TOO_FEW_HOSTS] = "too_few_hosts",
		[RW_REASON_BAKE_INCOMPLETE] = "bake_incomplete",
		[RW_REASON_DRILL] = "drill",
	};
	return NAME_OF(names, reason);
}

const char *rw_warning_name(enum rw_warning warning)
{
	static const char *const names[RW_WARNING_COUNT] = {
		[RW_WARNING_RING_SHARE] = "ring_share",
		[RW_WARNING_OVERLAP] = "overlap",
		[RW_WARNING_COVERAGE_OF_HOOKS] = "coverage_of_hooks",
		[RW_WARNING_LIMIT_BELOW_NOISE] = "limit_below_noise",
		[RW_WARNING_UNREGISTERED_CHANGE] = "unregistered_change",
		[RW_WARNING_ENROLMENT_JUMP] = "enrolment_jump",
		[RW_WARNING_DUPLICATE_IDENTITY] = "duplicate_identity",
		[RW_WARNING_DRILL_STALE] = "drill_stale",
	};
	return NAME_OF(names, warning);
}

const char *rw_presence_name(enum rw_presence presence)
{
	static const char *const names[RW_PRESENCE_COUNT] = {
		[RW_UNKNOWN] = "unknown", [RW_ONLINE] = "online",   [RW_SUSPECT] = "suspect",
		[RW_OFFLINE] = "offline", [RW_PLANNED] = "planned", [RW_ABSENT] = "absent",
		[RW_RETIRED] = "retired",
	};
	return NAME_OF(names, presence);
}

const char *rw_rule_name(enum rw_rule rule)
{
	static const char *const names[RW_RULE_COUNT] = {
		[RW_RULE_NONE] = "none",
		[RW_RULE_OFFLINE] = "offline",
		[RW_RULE_CRASHED] = "crashed",
		[RW_RULE_FAILED] = "failed",
		[RW_RULE_MODULE_FAILED] = "module_failed",
		[RW_RULE_EXPOSURE] = "exposure",
	};
	return NAME_OF(names, rule);
}

const char *rw_grade_name(enum rw_grade grade)
{
	static const char *const names[] = {
		[RW_GRADE_NONE] = "none",
		[RW_GRADE_LIMIT] = "limit",
		[RW_GRADE_EVIDENCE] = "evidence",
	};
	return NAME_OF(names, grade);
}

const char *rw_proof_name(enum rw_proof proof)
{
	static const char *const names[RW_PROOF_COUNT] = {
		[RW_PROOF_NONE] = "none",
		[RW_PROOF_SHARE] = "share",
		[RW_PROOF_SIGNATURE] = "signature",
		[RW_PROOF_BOOT_LOOP] = "boot_loop",
	};
	return NAME_OF(names, proof);
}

const char *rw_decision_name(enum rw_decision decision)
{
	static const char *const names[] = {
		[RW_PROCEED] = "proceed",
		[RW_HOLD] = "hold",
		[RW_ABORT] = "abort",
	};
	return NAME_OF(names, decision);
}

const char *rw_bake_state_name(enum rw_bake_state state)
{
	static const char *const names[] = {
		[RW_BAKE_NOT_STARTED] = "not_started",
		[RW_BAKE_BAKING] = "baking",
		[RW_BAKE_PAUSED] = "paused",
		[RW_BAKE_COMPLETE] = "complete",
	};
	return NAME_OF(names, state);
}

const char *rw_exposure_mode_name(enum rw_exposure_mode mode)
{
	static const char *const names[] = {
		[RW_EXPOSURE_FIXED] = "fixed",
		[RW_EXPOSURE_REPORTED] = "reported",
	};
	return NAME_OF(names, mode);
}

const char *rw_deployment_state_name(enum rw_deployment_state state)
{
	static const char *const names[] = {
		[RW_DEPLOYMENT_ACTIVE] = "active",
		[RW_DEPLOYMENT_FINISHED] = "finished",
		[RW_DEPLOYMENT_WITHDRAWN] = "withdrawn",
	};
	return NAME_OF(names, state);
}

const char *rw_core_goodbye_name(enum rw_goodbye kind)
{
	static const char *const names[] = {
		[RW_BYE_REBOOT] = "reboot",
		[RW_BYE_POWER_OFF] = "power_off",
		[RW_BYE_KEXEC] = "kexec",
		[RW_BYE_SENSOR_STOP] = "sensor_stop",
	};
	return NAME_OF(names, kind);
}
