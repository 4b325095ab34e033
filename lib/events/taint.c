/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the taint flags; see taint.h. */
#include "lib/events/taint.h"

#include <stddef.h>

static const struct {
	char letter;
	const char *name;
	bool of_module;
} flags[RW_TAINT_COUNT] = {
	{'P', "proprietary_module", true},
	{'F', "forced_module", true},
	{'S', "cpu_out_of_spec", false},
	{'R', "forced_unload", false},
	{'M', "machine_check", false},
	{'B', "bad_page", false},
	{'U', "user_request", false},
	{'D', "died", false},
	{'A', "overridden_acpi_table", false},
	{'W', "warning", false},
	{'C', "staging_driver", true},
	{'I', "firmware_workaround", false},
	{'O', "out_of_tree_module", true},
	{'E', "unsigned_module", true},
	{'L', "soft_lockup", false},
	{'K', "livepatch", true},
	{'X', "auxiliary", true},
	{'T', "randstruct", true},
	{'N', "test", true},
	{'J', "fwctl", true},
};

char rw_taint_letter(uint32_t flag)
{
	return flag < RW_TAINT_COUNT ? flags[flag].letter : '?';
}

bool rw_taint_is_of_module(uint32_t flag)
{
	return flag < RW_TAINT_COUNT && flags[flag].of_module;
}

const char *rw_taint_name(uint32_t flag)
{
	return flag < RW_TAINT_COUNT ? flags[flag].name : "unknown";
}
