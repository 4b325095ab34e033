/* SPDX-License-Identifier: Apache-2.0 */
/* What --version prints. The build defines RW_REVISION from the source's commit. */
#ifndef RINGWATCH_LIB_VERSION_H
#define RINGWATCH_LIB_VERSION_H

#define RW_VERSION "0.1.0"

enum {
	RW_WIRE_SCHEMA = 4,   /* proto/ringwatch.proto; Hello.schema */
	RW_CONFIG_SCHEMA = 1, /* sensor, collector and policy files; their `schema:` */
};

/* Prints "PROGRAM 0.1.0 (wire schema 1, config schema 1, revision abc)" to stdout. */
void rw_version_print(const char *program);

#endif
