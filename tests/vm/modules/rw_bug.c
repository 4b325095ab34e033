// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* BUG(): an invalid opcode on purpose. */
#include "rw_trigger.h"

static RW_NAMED void rw_crash_bug(int yes)
{
	BUG_ON(yes);
}

static void rw_crash(char how)
{
	rw_crash_bug(1);
}
MODULE_DESCRIPTION("ringwatch test: BUG");
