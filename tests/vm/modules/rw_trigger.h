/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A module that includes this gets a file /proc/NAME; who writes to it makes
 * rw_crash() run, with the first byte written.
 *
 * Not from the module's init: from Linux 6.5 on an init that oopses leaves an
 * entry on its dead stack in the loader's list, and later loads trip over it.
 */
#ifndef RW_TRIGGER_H
#define RW_TRIGGER_H

#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

/* The function keeps its own name in traces: the compiler neither inlines it
 * nor makes a clone of it (`.constprop.0`, `.isra.0`). */
#define RW_NAMED __attribute__((noipa))

static void rw_crash(char how);

static ssize_t rw_trigger_write(struct file *file, const char __user *text, size_t size, loff_t *at)
{
	char how;

	if (size == 0 || get_user(how, text))
		return -EFAULT;
	rw_crash(how);
	return (ssize_t)size;
}

static const struct proc_ops rw_trigger_ops = {.proc_write = rw_trigger_write};

static int __init rw_trigger_init(void)
{
	return proc_create(KBUILD_MODNAME, 0200, NULL, &rw_trigger_ops) ? 0 : -ENOMEM;
}

static void __exit rw_trigger_exit(void)
{
	remove_proc_entry(KBUILD_MODNAME, NULL);
}
module_init(rw_trigger_init);
module_exit(rw_trigger_exit);
MODULE_LICENSE("Dual BSD/GPL");

#endif
