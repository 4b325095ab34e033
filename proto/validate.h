/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The validator below wire.h. Only proto/ and its tests include this: a test
 * brings descriptors of its own for what the schema does not use (bools, fixed
 * numbers, repeated numbers).
 */
#ifndef RINGWATCH_PROTO_VALIDATE_H
#define RINGWATCH_PROTO_VALIDATE_H

#include "proto/wire.h"

enum { RW_WIRE_FIELDS_MAX = 32 }; /* of one message; more are refused */

/* rw_wire_validate() for another message than Frame. */
enum rw_wire_error rw_wire_validate_as(const ProtobufCMessageDescriptor *root,
				       const uint8_t *message, size_t length,
				       enum rw_wire_side from, char detail[RW_WIRE_ERROR_BYTES]);

#endif
