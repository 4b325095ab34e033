/* SPDX-License-Identifier: Apache-2.0 */
/* struct rw_event to and from the wire's Event message. Pure. */
#ifndef RINGWATCH_SENSOR_PACK_H
#define RINGWATCH_SENSOR_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/events/event.h"

/* Bytes written to `out`, with the log that `event` points to, or -EMSGSIZE. */
long rw_event_pack(const struct rw_event *event, uint8_t *out, size_t size);

/*
 * 0, -EBADMSG when the bytes are no Event or do not fit. `log` may be NULL: the
 * log is left off then. Else it takes the log, and out->log points to it when
 * there is one.
 */
int rw_event_unpack(const uint8_t *bytes, size_t length, struct rw_event *out,
		    struct rw_log_excerpt *log);

#endif
