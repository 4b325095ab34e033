/* SPDX-License-Identifier: Apache-2.0 */
/* What a sensor starts from: its configuration and certificates, and that both
 * speak of the same host. */
#ifndef RINGWATCH_SENSOR_LOAD_H
#define RINGWATCH_SENSOR_LOAD_H

#include <openssl/ssl.h>

#include "lib/conf.h"
#include "lib/spiffe.h"
#include "sensor/config.h"

/* 0, or negative errno with one line in `error`; *tls is the caller's then. */
int rw_sensor_load_tls(const struct rw_sensor_config *config, SSL_CTX **tls,
		       struct rw_identity *identity, char error[RW_CONF_ERROR_BYTES]);

/* All of it; config.host_id is filled from the certificate. An exit code, after
 * one line on stderr when it is not 0. */
int rw_sensor_load(const char *path, struct rw_sensor_config *config, SSL_CTX **tls,
		   struct rw_identity *identity);

/* One line for whoever started it; not the log's form, since nothing runs yet.
 * Returns `code`. */
int rw_sensor_fail(int code, const char *line);
/* "FOLDER: WHAT: reason"; returns RW_EXIT_STATE. */
int rw_sensor_fail_state(const char *folder, const char *what, int err);

#endif
