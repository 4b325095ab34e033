// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * WARN(): the kernel complains and goes on. `0` … `7` complain at places of
 * their own: marks by which a test knows that all before them has come through.
 */
#include "rw_trigger.h"

static RW_NAMED void rw_complain(int yes)
{
	WARN(yes, "ringwatch test warning\n");
}

#define RW_MARK(n)                                                                                 \
	static RW_NAMED void rw_mark_##n(void)                                                     \
	{                                                                                          \
		WARN(1, "ringwatch test mark " #n "\n");                                           \
	}

RW_MARK(0)
RW_MARK(1)
RW_MARK(2)
RW_MARK(3)
RW_MARK(4)
RW_MARK(5)
RW_MARK(6)
RW_MARK(7)

static void (*const marks[])(void) = {rw_mark_0, rw_mark_1, rw_mark_2, rw_mark_3,
				      rw_mark_4, rw_mark_5, rw_mark_6, rw_mark_7};

static void rw_crash(char how)
{
	if (how >= '0' && how < '0' + (int)ARRAY_SIZE(marks))
		marks[how - '0']();
	else
		rw_complain(1);
}
MODULE_DESCRIPTION("ringwatch test: WARN");
