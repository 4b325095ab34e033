/* SPDX-License-Identifier: Apache-2.0 */
/* Why the sensor is being stopped: because the machine goes down, or alone. */
#ifndef RINGWATCH_SENSOR_SHUTDOWN_H
#define RINGWATCH_SENSOR_SHUTDOWN_H

#include "sensor/boot.h"

/*
 * Asks systemd, where it runs, for at most two seconds. RW_ARMED_REBOOT,
 * _POWER_OFF or _KEXEC while the system is stopping, else RW_ARMED_STOPPED.
 */
enum rw_boot_armed rw_shutdown_ask_systemd(void);

/* From what `systemctl list-jobs` prints: which end is queued. A soft reboot
 * keeps the kernel: RW_ARMED_STOPPED. */
enum rw_boot_armed rw_shutdown_from_jobs(const char *jobs);

#endif
