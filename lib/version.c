/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/version.h"

#include <stdio.h>

void rw_version_print(const char *program)
{
	printf("%s %s (wire schema %d, config schema %d, revision %s)\n", program, RW_VERSION,
	       RW_WIRE_SCHEMA, RW_CONFIG_SCHEMA, RW_REVISION);
}
