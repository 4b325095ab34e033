/* SPDX-License-Identifier: Apache-2.0 */
/* struct rw_event to and from the wire's Event message. */
#ifndef RINGWATCH_SENSOR_PACK_H
#define RINGWATCH_SENSOR_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "sensor/event.h"

/* Bytes written to `out`, or -EMSGSIZE. */
long rw_event_pack(const struct rw_event *event, uint8_t *out, size_t size);

/* 0, -EBADMSG when the bytes are no Event or do not fit, -ENOMEM. */
int rw_event_unpack(const uint8_t *bytes, size_t length, struct rw_event *out);

#endif
