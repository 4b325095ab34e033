/* SPDX-License-Identifier: Apache-2.0 */
/* The whole fleet from start to end. */
#ifndef RINGWATCH_CTL_FLEET_FLEET_H
#define RINGWATCH_CTL_FLEET_FLEET_H

#include "ctl/fleet/options.h"

/* Runs until the duration is over or a signal comes; returns the exit status.
 * Errors are one line on stderr. */
int rw_fleet_run(const struct rw_fleet_options *options);

#endif
