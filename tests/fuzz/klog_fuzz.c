/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel log text to facts. Attackers write to a kernel log: whatever stands
 * there, a fact's strings end within their arrays and are clean UTF-8, and a
 * line parsed twice says the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/events/line.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rw_klog_fact fact;
	struct rw_klog_fact again;

	memset(&fact, 0xa5, sizeof(fact));
	memset(&again, 0x5a, sizeof(again));
	rw_klog_parse((const char *)data, size, &fact);
	rw_klog_parse((const char *)data, size, &again);
	check_text(fact.comm, sizeof(fact.comm));
	check_text(fact.symbol, sizeof(fact.symbol));
	check_text(fact.module, sizeof(fact.module));
	check_text(fact.text, sizeof(fact.text));
	check_text(fact.word, sizeof(fact.word));
	check_text(fact.device, sizeof(fact.device));
	must(fact.type == again.type && fact.cpu == again.cpu && fact.pid == again.pid);
	must(strcmp(fact.symbol, again.symbol) == 0 && strcmp(fact.text, again.text) == 0);
	must(fact.error <= 0 && fact.error > -4096);
	must(fact.type != RW_KLOG_OTHER || (fact.symbol[0] == '\0' && fact.text[0] == '\0'));
	return 0;
}
