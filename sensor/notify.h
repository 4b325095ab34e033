/* SPDX-License-Identifier: Apache-2.0 */
/* Telling systemd (Type=notify, WatchdogSec=) without linking to its library. */
#ifndef RINGWATCH_SENSOR_NOTIFY_H
#define RINGWATCH_SENSOR_NOTIFY_H

/* "READY=1", "STOPPING=1", "WATCHDOG=1". Does nothing where nobody listens. */
void rw_sensor_notify(const char *state);

#endif
