/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the file's keys, its checks across keys, and the secrets that it names. */
#include "collector/webhook/config.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/version.h"

enum { KEY_BYTES = 64, KINDS_MAX = 2, SECRET_FILE_MAX = 4096 };

static const char *const body_names[] = {"generic", "slack", "pagerduty", "hawkbit", NULL};

enum { ON_VERDICT, ON_BREAKER };
static const char *const on_names[] = {"verdict", "breaker", NULL};

const char *rw_webhook_body_name(enum rw_webhook_body body)
{
	return body_names[body];
}

/* A target as it stands in the file. */
struct raw_target {
	char name[RW_NAME_MAX + 1];
	char url[RW_WEBHOOK_URL_BYTES];
	uint32_t body;
	char signing_key_file[RW_WEBHOOK_PATH_BYTES];
	char routing_key_file[RW_WEBHOOK_PATH_BYTES];
	char authorization_file[RW_WEBHOOK_PATH_BYTES];
	char ca[RW_WEBHOOK_PATH_BYTES];
	char rings[RW_CORE_RINGS_MAX][RW_NAME_MAX + 1];
	uint32_t ring_count;
	uint32_t on[KINDS_MAX];
	uint32_t on_count;
};

struct raw_config {
	uint32_t count;
	struct raw_target targets[RW_WEBHOOK_TARGETS_MAX];
};

#define OPTIONAL_FILE(field)                                                                       \
	{                                                                                          \
		.name = #field, .type = RW_CONF_PATH,                                              \
		.offset = offsetof(struct raw_target, field), .size = RW_WEBHOOK_PATH_BYTES,       \
		.none_allowed = true                                                               \
	}

static const struct rw_conf_key ring_key = {
	.name = "", .type = RW_CONF_NAME, .size = RW_NAME_MAX + 1};
static const struct rw_conf_key on_key = {
	.name = "", .type = RW_CONF_ENUM, .size = sizeof(uint32_t), .choices = on_names};

static const struct rw_conf_key target_keys[] = {
	{.name = "name",
	 .type = RW_CONF_NAME,
	 .offset = offsetof(struct raw_target, name),
	 .size = RW_NAME_MAX + 1},
	{.name = "url",
	 .type = RW_CONF_STRING,
	 .offset = offsetof(struct raw_target, url),
	 .size = RW_WEBHOOK_URL_BYTES},
	{.name = "body",
	 .type = RW_CONF_ENUM,
	 .offset = offsetof(struct raw_target, body),
	 .size = sizeof(uint32_t),
	 .choices = body_names},
	OPTIONAL_FILE(signing_key_file),
	OPTIONAL_FILE(routing_key_file),
	OPTIONAL_FILE(authorization_file),
	OPTIONAL_FILE(ca),
	{.name = "only_rings",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct raw_target, rings),
	 .size = RW_NAME_MAX + 1,
	 .element = &ring_key,
	 .count_offset = offsetof(struct raw_target, ring_count),
	 .count_min = 1,
	 .count_max = RW_CORE_RINGS_MAX,
	 .none_allowed = true},
	{.name = "on",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct raw_target, on),
	 .size = sizeof(uint32_t),
	 .element = &on_key,
	 .count_offset = offsetof(struct raw_target, on_count),
	 .count_min = 1,
	 .count_max = KINDS_MAX},
	{.name = NULL},
};

static const struct rw_conf_key target_key = {.name = "",
					      .type = RW_CONF_MAP,
					      .size = sizeof(struct raw_target),
					      .children = target_keys};

static const struct rw_conf_key keys[] = {
	{.name = "targets",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct raw_config, targets),
	 .size = sizeof(struct raw_target),
	 .element = &target_key,
	 .count_offset = offsetof(struct raw_config, count),
	 .count_min = 1,
	 .count_max = RW_WEBHOOK_TARGETS_MAX},
	{.name = NULL},
};

/* What is being taken over, and where to complain. */
struct load {
	const char *path;
	const struct rw_policy *policy;
	uint32_t index;
	const struct raw_target *raw;
	struct rw_webhook_target *target;
	char *error;
};

__attribute__((format(printf, 3, 4))) static int complain(const struct load *load, const char *key,
							  const char *fmt, ...)
{
	char name[KEY_BYTES], text[RW_CONF_ERROR_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(name, sizeof(name), "targets[%u].%s", (unsigned)load->index, key);
	return rw_conf_complain(load->path, name, load->error, "%s", text);
}

/* ---- files that hold secrets ------------------------------------------------------- */

/* NULL, or why it may not be read. `room` keeps the text. */
static const char *rights_fault(const char *path, char *room, size_t size)
{
	struct stat st;

	if (stat(path, &st) != 0)
		snprintf(room, size, "%.256s: %s", path, strerror(errno));
	/* A unit's dynamic user owns no file: it reads them by its group. */
	else if ((st.st_mode & (S_IWGRP | S_IROTH | S_IWOTH)) != 0)
		snprintf(room, size,
			 "%.256s: others may read it, or group or others write it, expected mode "
			 "0640 or 0600",
			 path);
	else
		return NULL;
	return room;
}

/* One line of printable ASCII: it may stand in a header. */
static bool is_line(const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (*c < 0x20 || *c > 0x7e)
			return false;
	}
	return text[0] != '\0';
}

static int take_secret(const struct load *load, const char *key, const char *file,
		       char out[RW_WEBHOOK_SECRET_BYTES])
{
	char room[RW_CONF_ERROR_BYTES];
	char *text = NULL;
	size_t length = 0;

	if (file[0] == '\0')
		return 0;
	const char *fault = rights_fault(file, room, sizeof(room));
	if (fault != NULL)
		return complain(load, key, "%s", fault);
	int err = rw_file_read(file, SECRET_FILE_MAX, &text, &length);
	if (err != 0)
		return complain(load, key, "%.256s: %s", file, strerror(-err));
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		text[--length] = '\0';
	if (length >= RW_WEBHOOK_SECRET_BYTES || strlen(text) != length || !is_line(text))
		err = complain(load, key,
			       "%.256s: expected one line of 1 to %d printable characters", file,
			       RW_WEBHOOK_SECRET_BYTES - 1);
	else
		memcpy(out, text, length + 1);
	OPENSSL_cleanse(text, length);
	free(text);
	return err;
}

/* ---- the URL ------------------------------------------------------------------------- */

static bool is_loopback(const char *host)
{
	struct in_addr v4;

	if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* NULL, or what is wrong with it. Sets the host that may be shown. */
static const char *parse_url(CURLU *url, const char *text, char host_out[RW_WEBHOOK_HOST_BYTES])
{
	char *scheme = NULL, *host = NULL, *port = NULL, *part = NULL;
	const char *fault = NULL;

	/* libcurl takes more slashes than there are. */
	if (!is_line(text) || strchr(text, ' ') != NULL || strstr(text, ":///") != NULL ||
	    curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		fault = "expected https://HOST[:PORT]/PATH without a user";
	else if (curl_url_get(url, CURLUPART_FRAGMENT, &part, 0) == CURLUE_OK)
		fault = "a fragment (#…) is never sent, expected none";
	else if (strcmp(scheme, "https") != 0 &&
		 !(strcmp(scheme, "http") == 0 && is_loopback(host)))
		fault = "expected https://, or http:// to this machine (127.0.0.1, [::1])";
	if (fault == NULL) {
		bool has_port = curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK;

		snprintf(host_out, RW_WEBHOOK_HOST_BYTES, "%s%s%s", host, has_port ? ":" : "",
			 has_port ? port : "");
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(part);
	return fault;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* Whether the first placeholder stands behind scheme and host. */
static bool is_behind_host(const char *url)
{
	const char *host = strstr(url, "//");
	const char *path = host == NULL ? NULL : strpbrk(host + 2, "/{");

	return path != NULL && *path == '/';
}

static int take_url(const struct load *load)
{
	const struct raw_target *raw = load->raw;
	struct rw_webhook_target *target = load->target;
	char example[RW_WEBHOOK_URL_BYTES];
	CURLU *url = curl_url();

	if (url == NULL) {
		snprintf(load->error, RW_CONF_ERROR_BYTES, "%.256s: out of memory", load->path);
		return -ENOMEM;
	}
	memcpy(target->url, raw->url, sizeof(target->url));
	const char *fault = NULL;
	if (raw->body != RW_WEBHOOK_HAWKBIT && strpbrk(raw->url, "{}") != NULL)
		fault = "{ and } only stand in the URL of hawkbit";
	else if (raw->body == RW_WEBHOOK_HAWKBIT &&
		 (!ends_with(raw->url, "/pause") || (strstr(raw->url, "{deployment}") == NULL &&
						     strstr(raw->url, "{number}") == NULL)))
		fault = "expected {deployment} or {number} for the rollout, and /pause at the end";
	else if (raw->body == RW_WEBHOOK_HAWKBIT && !is_behind_host(raw->url))
		fault = "a placeholder stands in the path alone";
	else if (!rw_webhook_url(target, "d1", example))
		fault = "it is too long";
	else
		fault = parse_url(url, example, target->host);
	curl_url_cleanup(url);
	/* The URL itself may be a secret. */
	return fault == NULL ? 0 : complain(load, "url", "%s", fault);
}

/* ---- the rest ------------------------------------------------------------------------ */

static int take_rings(const struct load *load)
{
	const struct raw_target *raw = load->raw;
	char key[KEY_BYTES];

	for (uint32_t i = 0; i < raw->ring_count; i++) {
		bool known = false;

		snprintf(key, sizeof(key), "only_rings[%u]", (unsigned)i);
		for (uint32_t j = 0; j < load->policy->ring_count; j++)
			known |= strcmp(raw->rings[i], load->policy->rings[j].name) == 0;
		if (!known)
			return complain(load, key, "'%s' is no ring of the policy", raw->rings[i]);
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(raw->rings[i], raw->rings[j]) == 0)
				return complain(load, key, "'%s' stands twice, expected once",
						raw->rings[i]);
		}
		memcpy(load->target->rings[i], raw->rings[i], sizeof(raw->rings[i]));
	}
	load->target->ring_count = raw->ring_count;
	return 0;
}

static int take_on(const struct load *load)
{
	const struct raw_target *raw = load->raw;
	struct rw_webhook_target *target = load->target;

	for (uint32_t i = 0; i < raw->on_count; i++) {
		bool *wanted = raw->on[i] == ON_VERDICT ? &target->on_verdict : &target->on_breaker;

		if (*wanted)
			return complain(load, "on", "'%s' stands twice, expected once",
					on_names[raw->on[i]]);
		*wanted = true;
	}
	/* An abort is what they act on, and its end: a breaker's opening is part of that. */
	if ((raw->body == RW_WEBHOOK_PAGERDUTY || raw->body == RW_WEBHOOK_HAWKBIT) &&
	    (!target->on_verdict || target->on_breaker))
		return complain(load, "on", "expected [verdict] with body %s",
				body_names[raw->body]);
	return 0;
}

static int take_ca(const struct load *load)
{
	const char *ca = load->raw->ca;
	struct stat st;

	memcpy(load->target->ca, ca, sizeof(load->target->ca));
	if (ca[0] == '\0')
		return 0;
	if (strncmp(load->raw->url, "https:", 6) != 0)
		return complain(load, "ca", "the URL is not https://, expected none");
	/* libcurl would blame the server. */
	if (stat(ca, &st) != 0 || !S_ISREG(st.st_mode))
		return complain(load, "ca", "%.256s: %s", ca,
				errno == ENOENT ? strerror(ENOENT) : "it cannot be read");
	return 0;
}

static int take_secrets(const struct load *load)
{
	const struct raw_target *raw = load->raw;
	bool pages = raw->body == RW_WEBHOOK_PAGERDUTY;

	if (pages != (raw->routing_key_file[0] != '\0'))
		return complain(load, "routing_key_file",
				pages ? "expected a file: body pagerduty needs the key"
				      : "only body pagerduty has one, expected none");
	int err = take_secret(load, "signing_key_file", raw->signing_key_file,
			      load->target->signing_key);
	if (err == 0)
		err = take_secret(load, "routing_key_file", raw->routing_key_file,
				  load->target->routing_key);
	if (err == 0)
		err = take_secret(load, "authorization_file", raw->authorization_file,
				  load->target->authorization);
	return err;
}

static int take_target(const struct load *load, const struct rw_webhook_config *config)
{
	const struct raw_target *raw = load->raw;

	for (uint32_t i = 0; i < load->index; i++) {
		if (strcmp(config->targets[i].name, raw->name) == 0)
			return complain(load, "name", "'%s' stands twice, expected once",
					raw->name);
	}
	memcpy(load->target->name, raw->name, sizeof(load->target->name));
	load->target->body = (enum rw_webhook_body)raw->body;
	int err = take_url(load);
	if (err == 0)
		err = take_secrets(load);
	if (err == 0)
		err = take_ca(load);
	if (err == 0)
		err = take_rings(load);
	return err == 0 ? take_on(load) : err;
}

static int load_file(const char *path, const struct rw_policy *policy,
		     struct rw_webhook_config *config, char error[RW_CONF_ERROR_BYTES])
{
	if (rights_fault(path, error, RW_CONF_ERROR_BYTES) != NULL)
		return -EACCES;
	rw_autofree struct raw_config *raw = calloc(1, sizeof(*raw));
	if (raw == NULL) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%.256s: out of memory", path);
		return -ENOMEM;
	}
	int err = rw_conf_load(path, RW_CONFIG_SCHEMA, keys, raw, sizeof(*raw), error);
	for (uint32_t i = 0; err == 0 && i < raw->count; i++) {
		const struct load load = {path, policy, i, &raw->targets[i], &config->targets[i],
					  error};

		err = take_target(&load, config);
	}
	config->count = raw->count;
	return err;
}

int rw_webhook_config_load(const char *path, const struct rw_policy *policy,
			   struct rw_webhook_config **out, char error[RW_CONF_ERROR_BYTES])
{
	struct rw_webhook_config *config = calloc(1, sizeof(*config));
	int err = 0;

	if (config == NULL) {
		snprintf(error, RW_CONF_ERROR_BYTES, "%.256s: out of memory",
			 path == NULL ? "webhooks" : path);
		return -ENOMEM;
	}
	if (path != NULL)
		err = load_file(path, policy, config, error);
	if (err != 0) {
		rw_webhook_config_free(config);
		return err;
	}
	*out = config;
	return 0;
}

void rw_webhook_config_free(struct rw_webhook_config *config)
{
	if (config != NULL)
		OPENSSL_cleanse(config, sizeof(*config));
	free(config);
}

bool rw_webhook_target_wants_ring(const struct rw_webhook_target *target, const char *ring)
{
	for (uint32_t i = 0; i < target->ring_count; i++) {
		if (strcmp(target->rings[i], ring) == 0)
			return true;
	}
	return target->ring_count == 0;
}

/* Names need no quoting in a URL. */
bool rw_webhook_url(const struct rw_webhook_target *target, const char *deployment,
		    char out[RW_WEBHOOK_URL_BYTES])
{
	static const char whole[] = "{deployment}", digits[] = "{number}";
	const char *number = deployment + strlen(deployment);
	size_t used = 0;

	while (number > deployment && number[-1] >= '0' && number[-1] <= '9')
		number--;
	for (const char *c = target->url; *c != '\0';) {
		const char *put = NULL;

		if (strncmp(c, whole, sizeof(whole) - 1) == 0) {
			put = deployment;
			c += sizeof(whole) - 1;
		} else if (strncmp(c, digits, sizeof(digits) - 1) == 0) {
			if (number[0] == '\0')
				return false;
			put = number;
			c += sizeof(digits) - 1;
		}
		size_t length = put == NULL ? 1 : strlen(put);

		if (used + length >= RW_WEBHOOK_URL_BYTES)
			return false;
		memcpy(out + used, put == NULL ? c++ : put, length);
		used += length;
	}
	out[used] = '\0';
	return true;
}
