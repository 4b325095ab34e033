// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The demo's bad driver: loads well, and a moment later its first completion
 * follows a pointer that nobody set. What a missing field in a configuration
 * does to a driver that trusts it.
 */
#include <linux/module.h>
#include <linux/workqueue.h>

struct acme_queue {
	int depth;
	struct acme_queue *next;
};

static struct acme_queue *first_queue;
static struct delayed_work completion;

/* noipa: keeps its own name in traces. */
static __attribute__((noipa)) int acme_complete_request(struct acme_queue *queue)
{
	return READ_ONCE(queue->next->depth);
}

static void acme_complete(struct work_struct *work)
{
	struct acme_queue queue = {.depth = 32, .next = first_queue};

	pr_info("acme_storage: depth %d\n", acme_complete_request(&queue));
}

static int __init acme_init(void)
{
	pr_info("acme_storage: version 2 ready\n");
	INIT_DELAYED_WORK(&completion, acme_complete);
	schedule_delayed_work(&completion, HZ / 4);
	return 0;
}

static void __exit acme_exit(void)
{
	cancel_delayed_work_sync(&completion);
}
module_init(acme_init);
module_exit(acme_exit);
MODULE_DESCRIPTION("ringwatch demo: a storage driver with a bug");
MODULE_LICENSE("Dual BSD/GPL");
