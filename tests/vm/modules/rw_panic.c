// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The end of this boot. */
#include "rw_trigger.h"

#include <linux/panic.h>

static void rw_crash(char how)
{
	if (how != '\0')
		panic("ringwatch test panic");
}
MODULE_DESCRIPTION("ringwatch test: panic");
