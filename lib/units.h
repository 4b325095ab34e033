/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities as people write them in files and on command lines. Each carries
 * its unit; a bare number is refused, so nobody ever wonders.
 */
#ifndef RINGWATCH_LIB_UNITS_H
#define RINGWATCH_LIB_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "250ms" "30s" "10m" "48h" "7d" → milliseconds. One number, one unit, no sign,
 * no fraction, no leading zero. -EINVAL, or -ERANGE above 10 years. */
int rw_units_parse_duration(const char *text, uint64_t *out_ms);
#define RW_DURATION_EXPECTED "a duration such as 30s, 10m or 48h"

/* "0.1%" "90%" → parts per million, exact: at most four digits behind the
 * point, 0% … 100%. -EINVAL otherwise. */
int rw_units_parse_ratio(const char *text, uint32_t *out_ppm);
#define RW_RATIO_EXPECTED "a share such as 0.1% (0% to 100%, at most four decimals)"

/* "65536B" "64KiB" "16MiB" "1GiB" → bytes. */
int rw_units_parse_bytes(const char *text, uint64_t *out_bytes);
#define RW_BYTES_EXPECTED "a size such as 64KiB or 16MiB"

/* Decimal digits only, no sign, no leading zero but "0" itself. -EINVAL, -ERANGE. */
int rw_units_parse_uint(const char *text, uint64_t *out);

enum { RW_DURATION_TEXT_BYTES = 24 };
/* For people: "47h 12m", "3m 05s", "12s", "0s". Returns `out`. */
char *rw_units_format_duration(uint64_t ms, char out[RW_DURATION_TEXT_BYTES]);

#endif
