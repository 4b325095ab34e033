// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Needs a symbol that is only there while rw_parameter is loaded. */
#include <linux/module.h>

int rw_parameter_needed(void);

static int __init rw_unknown_init(void)
{
	return rw_parameter_needed();
}

static void __exit rw_unknown_exit(void)
{
}
module_init(rw_unknown_init);
module_exit(rw_unknown_exit);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("ringwatch test: a symbol that is not there");
