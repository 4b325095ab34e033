/* SPDX-License-Identifier: Apache-2.0 */
/* The value of a hexadecimal digit. */
#ifndef RINGWATCH_LIB_HEX_H
#define RINGWATCH_LIB_HEX_H

/* 0 … 15, or -1. Upper case is refused: the kernel and this project write lower case alone. */
static inline int rw_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

#endif
