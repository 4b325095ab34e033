/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot ids: /proc/sys/kernel/random/boot_id as text (8-4-4-4-12 lower-case hex)
 * on the wire, as 16 bytes in the collector.
 */
#ifndef RINGWATCH_PROTO_BOOTID_H
#define RINGWATCH_PROTO_BOOTID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

bool rw_boot_id_is_valid(const char *text, size_t length);

/* 0, or -EINVAL when the text is not exactly that form; `out` is untouched then. */
int rw_boot_id_parse(const char *text, uint8_t out[16]);

/* Returns `out`. */
char *rw_boot_id_format(const uint8_t id[16], char out[RW_BOOT_ID_LENGTH + 1]);

#endif
