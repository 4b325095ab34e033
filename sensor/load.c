/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration and certificates; see load.h. */
#include "sensor/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/exit_codes.h"
#include "lib/text.h"
#include "lib/tls.h"

int rw_sensor_fail(int code, const char *line)
{
	char clean[1024];

	rw_text_escape(clean, sizeof(clean), line, strlen(line));
	fprintf(stderr, "ringwatch-sensor: %s\n", clean);
	return code;
}

int rw_sensor_fail_state(const char *folder, const char *what, int err)
{
	char line[RW_SENSOR_PATH_BYTES + 128];

	snprintf(line, sizeof(line), "%s: %s: %s", folder, what, strerror(-err));
	return rw_sensor_fail(RW_EXIT_STATE, line);
}

int rw_sensor_load_tls(const struct rw_sensor_config *c, SSL_CTX **tls,
		       struct rw_identity *identity, char error[RW_CONF_ERROR_BYTES])
{
	char reason[RW_TLS_ERROR_BYTES];
	struct rw_tls_files files = {
		.certificate = c->tls.certificate,
		.key = c->tls.key,
		.ca = c->tls.ca,
		.crl = c->tls.crl_given ? c->tls.crl : NULL,
	};
	SSL_CTX *context;
	int err = rw_tls_context(RW_TLS_SENSOR, &files, &context, reason);

	if (err == 0) {
		err = rw_tls_own_identity(context, identity, reason);
		if (err == 0 && identity->role != RW_IDENTITY_HOST) {
			snprintf(reason, sizeof(reason),
				 "%.200s: a collector's certificate, expected a host's",
				 c->tls.certificate);
			err = -EINVAL;
		}
		if (err != 0)
			SSL_CTX_free(context);
	}
	if (err != 0) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%s", reason);
		return err;
	}
	*tls = context;
	return 0;
}

int rw_sensor_load(const char *path, struct rw_sensor_config *c, SSL_CTX **tls,
		   struct rw_identity *identity)
{
	char error[RW_CONF_ERROR_BYTES];

	if (rw_sensor_config_load(path, c, error) != 0)
		return rw_sensor_fail(RW_EXIT_USAGE, error);
	if (rw_sensor_load_tls(c, tls, identity, error) != 0)
		return rw_sensor_fail(RW_EXIT_USAGE, error);
	if (c->host_id_given && strcmp(c->host_id, identity->name) != 0) {
		rw_conf_complain(path, "host_id", error, "%s, but the certificate is that of %s",
				 c->host_id, identity->name);
		SSL_CTX_free(*tls);
		*tls = NULL;
		return rw_sensor_fail(RW_EXIT_USAGE, error);
	}
	memcpy(c->host_id, identity->name, sizeof(c->host_id));
	return RW_EXIT_OK;
}
