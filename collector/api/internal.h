/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the API share.
 *
 * http.c takes a request from libmicrohttpd; check.c holds it against its client's
 * rate (limits.h) and the table in routes.c: host, path, method, token, parameters,
 * body. Then the route's
 * handler asks the loop (rw_hub_call) for copies, renders them (render.c) and
 * answers exactly once with rw_answer or rw_fail (answer.c).
 *
 * A request belongs to one thread of the server's pool.
 */
#ifndef RINGWATCH_API_INTERNAL_H
#define RINGWATCH_API_INTERNAL_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "collector/api/api.h"
#include "collector/api/deadlines.h"
#include "collector/api/forms.h"
#include "collector/api/slots.h"
#include "collector/api/tokens.h"
#include "collector/api/traffic.h"
#include "collector/api/uri.h"
#include "collector/hub.h"
#include "lib/spiffe.h"

enum {
	RW_BODY_MAX = 64 * 1024,
	RW_PATH_ARGS_MAX = 3,
	RW_LIST_DEFAULT = 100,
	RW_LIST_MAX = 1000,
	RW_REASON_TEXT_MAX = 200,
	RW_VERSION_TEXT_MAX = 200,
	RW_MAINTENANCE_MAX_S = 7 * 24 * 60 * 60,
	RW_API_READERS = 8,
	RW_HOST_TRANSITIONS = 50,
	RW_HOST_TEXT_BYTES = 272,
	RW_VERDICT_LINE_BYTES = 512,
};

struct MHD_Daemon;

struct rw_api {
	struct MHD_Daemon *daemon;
	struct rw_feed *feed;
	struct rw_deadlines *deadlines;
	struct rw_hub *hub;
	char name[RW_NAME_MAX + 1];
	char listen_host[RW_HOST_TEXT_BYTES];
	char *store_path;
	char *tokens_file;
	char **hosts; /* further names of this server */
	uint32_t host_count;
	uint16_t port;
	struct rw_limits *limits;
	struct rw_slots *slots; /* the loop's */
	struct rw_traffic traffic;

	pthread_mutex_t lock;   /* of what follows */
	struct rw_api_tls *tls; /* of new connections; NULL: plain HTTP */
	struct rw_tokens *tokens;
	struct rw_store_reader *readers[RW_API_READERS]; /* idle ones */
	unsigned reader_count;
};

struct rw_route;

struct rw_request {
	struct rw_api *api;
	struct rw_uri uri;
	const struct rw_route *route;
	char args[RW_PATH_ARGS_MAX][RW_NAME_MAX + 1]; /* what stood at `:` in the path: names */
	json_t *body;    /* an object with exactly the route's fields; NULL for GET */
	const char *raw; /* a POST of RW_FORM_PROMETHEUS: its body as it came, no NUL behind */
	size_t raw_length;
	char actor[RW_NAME_MAX + 1]; /* of a good token; else "" */
	enum rw_role role;
	struct rw_identity
		host;      /* let in by its certificate, for its ring; role 0: by other means */
	uint64_t begun_ns; /* of the boot clock: its head was there */

	/* the answer */
	unsigned status;  /* 0: none yet */
	const char *code; /* of an error */
	char *text;       /* malloc'd */
	size_t text_length;
	const char *content_type;
	const char *allow; /* with 405 */
	uint32_t retry_s;  /* with 429 */
	bool tagged;       /* may be kept, and asked for again by its tag */
	bool streams;      /* is answered by what the feed tells, until it ends */
};

typedef void rw_handler_fn(struct rw_request *request);

struct rw_route {
	const char *method; /* "GET" (which serves HEAD too) or "POST" */
	const char *path;   /* "/v1/hosts/:"; a `:` stands for one name */
	enum rw_role role;
	rw_handler_fn *handler;
	const char *params; /* the query parameters it knows, with spaces between */
	const char
		*fields; /* POST: the body's fields, each NAME=s, i or a (string, integer, array) */
};

extern const struct rw_route rw_routes[];
extern const size_t rw_route_count;

/* ---- check.c ------------------------------------------------------------------- */

/* What a request says of itself before its body. */
struct rw_head {
	const char *method;
	const char *host, *authorization, *content_type; /* NULL: not there */
	const char *fleet_lock;                          /* likewise */
	const struct rw_identity *certified; /* the host of a verified certificate, or NULL */
	const char *repeated; /* a header that stands more than once and must not, or NULL */
	uint64_t content_length;
	struct sockaddr_storage local; /* the address that was connected to */
	struct sockaddr_storage peer;  /* who connected */
	uint64_t now_ms;
};

/* Each answers what it refuses, and is false then. Called in this order. */
bool rw_check_client(struct rw_request *request, const struct rw_head *head); /* and its rate */
bool rw_check_head(struct rw_request *request, const struct rw_head *head);
bool rw_check_body(struct rw_request *request, const char *bytes, size_t length);

/* ---- fleetlock.c ---------------------------------------------------------------- */

/* Who may ask there. False after answering. */
bool rw_check_fleetlock(struct rw_request *request, const struct rw_head *head);

/* ---- listen.c ------------------------------------------------------------------ */

/* Listens on "127.0.0.1:8470" or "[::1]:8470". The descriptor, or negative errno with a line. */
int rw_listen(const char *address, char host[RW_HOST_TEXT_BYTES], uint16_t *port,
	      char error[RW_API_ERROR_BYTES]);

/* ---- answer.c ------------------------------------------------------------------ */

/* Answers with `json`, whose reference it takes; NULL is an internal error. */
void rw_answer(struct rw_request *request, unsigned status, json_t *json);
/* With 200 and what changes seldom enough to be asked for by its tag. */
void rw_answer_tagged(struct rw_request *request, json_t *json);
/* Answers with text that it frees. */
void rw_answer_text(struct rw_request *request, unsigned status, const char *content_type,
		    char *text, size_t length);
/* An error; `code` is a literal. */
__attribute__((format(printf, 4, 5))) void rw_fail(struct rw_request *request, unsigned status,
						   const char *code, const char *fmt, ...);
/* A store connection for the while of a request; NULL after answering with 503. */
struct rw_store_reader *rw_api_take_reader(struct rw_request *request);
void rw_api_give_reader(struct rw_api *api, struct rw_store_reader *reader);

/* rw_hub_call, answered with 503 and false when the loop does not turn. */
bool rw_ask_loop(struct rw_request *request, rw_hub_fn *fn, void *context);

/* ---- render.c: copies to JSON. NULL: no memory -------------------------------------- */

struct rw_run_summary {
	char ring[RW_CORE_NAME_BYTES];
	uint32_t step, steps;
	uint64_t started_wall_ms;
	enum rw_decision decision;
	uint32_t reason_count;
	enum rw_reason reasons[RW_CORE_REASONS_MAX];
	bool breaker_open; /* of this ring */
	enum rw_rule rule;
	enum rw_bake_state bake;
	uint64_t observed_ms, required_ms;
	uint64_t exposed, at_risk, failed, offline, crashed, module_failed, looping;
	uint64_t control_failed;
	bool certified;
};

struct rw_deployment_view {
	struct rw_deployment_row row;
	struct rw_run_summary runs[RW_CORE_RINGS_MAX];
};

json_t *rw_json_time(uint64_t wall_ms);
json_t *rw_json_count(uint64_t value); /* beyond 2^63 - 1: that */
json_t *rw_json_ppm(uint32_t ppm);     /* 1000 → 0.001 */
json_t *rw_render_verdict(const struct rw_verdict *verdict);
json_t *rw_render_ring(const struct rw_ring_view *ring, const struct rw_ring_coverage *coverage,
		       json_t *deployments);
json_t *rw_render_host(const struct rw_host_row *host, const struct rw_host_marks *marks);
json_t *rw_render_deployment(const struct rw_deployment_view *view);
json_t *rw_render_event(const struct rw_event_row *event);
/* One line for people: "hold: deployment D in ring R: bake_incomplete". Always fits. */
void rw_verdict_line(const struct rw_verdict *verdict, char *out, size_t size);
json_t *rw_render_reasons(const enum rw_reason *reasons, uint32_t count);

/* On the loop's thread: a deployment with a summary of each of its rings. `scratch` is the
 * caller's, because a verdict is large. False: no such index. */
bool rw_view_deployment(const struct rw_core *core, uint32_t index, struct rw_now now,
			struct rw_verdict *scratch, struct rw_deployment_view *out);

/* ---- params.c: each is false after answering 400 by the parameter's name ------------ */

/* A parameter that must be a name when given; "" when it is not given. */
bool rw_name_param(struct rw_request *request, const char *name, const char **out);
bool rw_number_param(struct rw_request *request, const char *name, uint64_t least, uint64_t most,
		     uint64_t preset, uint64_t *out);
/* 0 when it is not given. */
bool rw_time_param(struct rw_request *request, const char *name, uint64_t *out);
bool rw_page_params(struct rw_request *request, uint64_t *limit, uint64_t *cursor);

/* ---- read.c ------------------------------------------------------------------------- */

struct rw_deployment_list {
	uint32_t count;
	struct rw_deployment_view *views; /* the caller frees them */
};
/* All deployments, or only those that have not ended, a few to each call of the
 * loop. False after answering. */
bool rw_take_deployments(struct rw_request *request, bool only_active,
			 struct rw_deployment_list *out);

/* A page of rows of the store: one row more than was asked for tells whether there is another. */
struct rw_rows {
	json_t *list;
	uint64_t limit;
	uint64_t last;
	bool more;
};
/* Whether the row is one of the page. */
bool rw_page_takes(struct rw_rows *page, uint64_t row_id);
/* Answers {NAME: list, "next_cursor": …}, or with 503 when err < 0; takes the list. */
void rw_answer_page(struct rw_request *request, const char *name, struct rw_rows *page, int err);

/* ---- the handlers, by file ----------------------------------------------------------- */

rw_handler_fn rw_get_verdict, rw_get_rings, rw_get_ring, rw_get_hosts, rw_get_host, rw_get_events,
	rw_get_event, rw_get_deployments, rw_get_deployment, rw_get_audit, rw_get_gasps,
	rw_get_timeline, rw_get_stream, rw_get_signatures, rw_get_openapi, rw_get_webhooks,
	rw_get_deliveries;
rw_handler_fn rw_get_drills, rw_get_drill, rw_post_drill;
rw_handler_fn rw_post_deployments, rw_post_start, rw_post_finish, rw_post_withdraw, rw_post_reset;
rw_handler_fn rw_post_host_retire, rw_post_host_enrol, rw_post_host_exclude,
	rw_post_host_maintenance, rw_post_retry;
rw_handler_fn rw_post_flagger_gate, rw_post_flagger_check, rw_post_flagger_rollback;
rw_handler_fn rw_post_pre_reboot, rw_post_steady_state, rw_query;
rw_handler_fn rw_get_root, rw_get_page, rw_get_healthz, rw_get_readyz, rw_get_metrics;

#endif
