// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An init that fails with -EIO. */
#include <linux/module.h>

static int __init rw_initfail_init(void)
{
	return -EIO;
}
module_init(rw_initfail_init);
MODULE_DESCRIPTION("ringwatch test: init fails");
MODULE_LICENSE("Dual BSD/GPL");
