// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What else a kernel can do: errors of other kinds than a bad pointer, and
 * getting stuck. The first byte that is written says which. Two of them are the
 * same error at two places: other crashes, other signatures.
 */
#include <linux/delay.h>
#include <linux/kfence.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "rw_trigger.h"

#define STUCK_MS 6000
#define READ_MS 10000
#define STORM 2000

static RW_NAMED void rw_divide(int *by)
{
	WRITE_ONCE(*by, 100 / READ_ONCE(*by));
}

static RW_NAMED void rw_divide_elsewhere(int *by)
{
	WRITE_ONCE(*by, 7 % READ_ONCE(*by));
}

static RW_NAMED void rw_bad_opcode(void)
{
	asm volatile("ud2");
}

static RW_NAMED void rw_jump(void (*to)(void))
{
	to();
	barrier();
}

/* Nothing else runs on this CPU: soft lockup. */
static RW_NAMED void rw_spin(void)
{
	preempt_disable();
	mdelay(STUCK_MS);
	preempt_enable();
}

/* A reader that does not end: RCU stall. */
static RW_NAMED void rw_read_forever(void)
{
	rcu_read_lock();
	mdelay(READ_MS);
	rcu_read_unlock();
}

static RW_NAMED void rw_hang(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(40 * HZ);
}

static RW_NAMED void rw_storm(int yes)
{
	WARN(yes, "ringwatch test storm\n");
}

/* KFENCE watches one allocation in a while: asks until it gets such a one. */
static RW_NAMED void rw_out_of_bounds(void)
{
	for (int i = 0; i < 2000; i++) {
		char *p = kmalloc(32, GFP_KERNEL);
		bool watched = p && is_kfence_address(p);
		if (watched)
			WRITE_ONCE(p[32], 1);
		kfree(p);
		/* a jump to kfree at the end would leave no frame */
		barrier();
		if (watched)
			return;
		msleep(10);
	}
}

static void rw_crash(char how)
{
	int zero = 0;

	switch (how) {
	case 'd':
		rw_divide(&zero);
		break;
	case 'e':
		rw_divide_elsewhere(&zero);
		break;
	case 'u':
		rw_bad_opcode();
		break;
	case 'j':
		rw_jump(NULL);
		break;
	case 's':
		rw_spin();
		break;
	case 'r':
		rw_read_forever();
		break;
	case 'h':
		rw_hang();
		break;
	case 'k':
		rw_out_of_bounds();
		break;
	case 'w':
		for (int i = 0; i < STORM; i++)
			rw_storm(1);
		break;
	}
}
MODULE_DESCRIPTION("ringwatch test: other errors, and getting stuck");
