// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Does nothing. Its version magic is changed after the build, so that no kernel
 * takes it. */
#include <linux/module.h>

static int __init rw_vermagic_init(void)
{
	return 0;
}

static void __exit rw_vermagic_exit(void)
{
}
module_init(rw_vermagic_init);
module_exit(rw_vermagic_exit);
MODULE_DESCRIPTION("ringwatch test: made for another kernel");
MODULE_LICENSE("Dual BSD/GPL");
