// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writes through a NULL pointer: a page-fault oops. */
#include "rw_trigger.h"

static RW_NAMED void rw_crash_null(int *where)
{
	WRITE_ONCE(*where, 1);
}

static void rw_crash(char how)
{
	rw_crash_null(NULL);
}
MODULE_DESCRIPTION("ringwatch test: NULL dereference");
