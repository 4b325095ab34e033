// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Takes a parameter, and refuses every value of it. Exports what rw_unknown needs. */
#include <linux/module.h>

int rw_parameter_needed(void);
int rw_parameter_needed(void)
{
	return 0;
}
EXPORT_SYMBOL_GPL(rw_parameter_needed);

static int refuse(const char *value, const struct kernel_param *parameter)
{
	return -EINVAL;
}

static const struct kernel_param_ops refusing = {.set = refuse};
static int count;
module_param_cb(count, &refusing, &count, 0400);

static int __init rw_parameter_init(void)
{
	return 0;
}

static void __exit rw_parameter_exit(void)
{
}
module_init(rw_parameter_init);
module_exit(rw_parameter_exit);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("ringwatch test: a parameter that is refused");
