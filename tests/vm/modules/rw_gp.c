// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads a non-canonical address: a general protection fault, which takes the
 * third of x86's routes to an oops. */
#include "rw_trigger.h"

static RW_NAMED int rw_crash_gp(const int *where)
{
	return READ_ONCE(*where);
}

static void rw_crash(char how)
{
	rw_crash_gp((const int *)0x8badf00ddeadbeefUL);
}
MODULE_DESCRIPTION("ringwatch test: general protection fault");
