/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to proofs and gasps; see gasp_watch.h. */
#include "collector/ingest/gasp_watch.h"

#include <stdlib.h>
#include <string.h>

#include "collector/ingest/gasp_sources.h"
#include "collector/ingest/netconsole_line.h"
#include "lib/events/line.h"

struct rw_gasp_watch {
	struct rw_gasp_watch_config config;
	struct rw_gasp_stats *stats;
	struct rw_bindings *bindings;
	struct rw_sources *hosts, *strangers;
	/* apart, so that no stranger can push out a piece of a host's */
	struct rw_netconsole_pieces *host_pieces, *stranger_pieces;
	char body[RW_NETCONSOLE_DATAGRAM_MAX];
};

/* One datagram on its way through. */
struct passage {
	struct rw_gasp_watch *watch;
	const struct rw_source *source;
	rw_host_handle host; /* RW_NO_HOST: a stranger's */
	struct rw_now now;
};

struct rw_gasp_watch *rw_gasp_watch_new(const struct rw_gasp_watch_config *config)
{
	static const struct rw_bucket_limit host = {RW_GASP_HOST_BURST, RW_GASP_HOST_PER_SECOND},
					    hosts = {RW_GASP_HOSTS_BURST, RW_GASP_HOSTS_PER_SECOND},
					    stranger = {RW_GASP_STRANGER_BURST,
							RW_GASP_STRANGER_PER_SECOND},
					    strangers = {RW_GASP_STRANGERS_BURST,
							 RW_GASP_STRANGERS_PER_SECOND};
	struct rw_gasp_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->config = *config;
	w->stats = rw_gasps_stats(config->gasps);
	w->bindings = rw_bindings_new(config->hash_key);
	w->hosts = rw_sources_new(host, hosts, config->hash_key);
	w->strangers = rw_sources_new(stranger, strangers, config->hash_key);
	w->host_pieces = rw_netconsole_pieces_new();
	w->stranger_pieces = rw_netconsole_pieces_new();
	if (w->bindings == NULL || w->hosts == NULL || w->strangers == NULL ||
	    w->host_pieces == NULL || w->stranger_pieces == NULL) {
		rw_gasp_watch_free(w);
		return NULL;
	}
	return w;
}

void rw_gasp_watch_free(struct rw_gasp_watch *w)
{
	if (w == NULL)
		return;
	rw_bindings_free(w->bindings);
	rw_sources_free(w->hosts);
	rw_sources_free(w->strangers);
	rw_netconsole_pieces_free(w->host_pieces);
	rw_netconsole_pieces_free(w->stranger_pieces);
	free(w);
}

/* ---- challenges --------------------------------------------------------------------- */

static void send_challenges(struct rw_gasp_watch *w, struct rw_now now)
{
	uint8_t nonce[RW_GASP_NONCE_BYTES];

	for (int i = 0; i < RW_CHALLENGES_PER_TICK; i++) {
		/* who is due is only taken out with a nonce in hand */
		if (!w->config.make_nonce(w->config.context, nonce))
			return;
		rw_host_handle host = rw_bindings_next(w->bindings, now.boot_ms, nonce);
		if (host == RW_NO_HOST)
			return;
		w->stats->challenged++;
		w->config.challenge(w->config.context, host, nonce);
	}
}

void rw_gasp_watch_host_live(struct rw_gasp_watch *w, rw_host_handle host, bool armed,
			     const struct rw_source *peer, struct rw_now now)
{
	if (armed)
		(void)rw_bindings_arm(w->bindings, host, peer, now.boot_ms);
	else
		rw_bindings_disarm(w->bindings, host);
	w->stats->hosts_armed = rw_bindings_armed(w->bindings);
}

void rw_gasp_watch_host_gone(struct rw_gasp_watch *w, rw_host_handle host)
{
	rw_bindings_disarm(w->bindings, host);
	w->stats->hosts_armed = rw_bindings_armed(w->bindings);
}

void rw_gasp_watch_tick(struct rw_gasp_watch *w, struct rw_now now)
{
	send_challenges(w, now);
	w->stats->hosts_proved = rw_bindings_proved(w->bindings, now.boot_ms);
	w->stats->sources = rw_sources_count(w->strangers);
}

/* ---- nonces ---------------------------------------------------------------------------- */

/* A nonce that comes back, if it is one. */
static bool take_nonce(const struct passage *p, const char *text, size_t length)
{
	struct rw_gasp_watch *w = p->watch;
	uint8_t nonce[RW_GASP_NONCE_BYTES];
	char source[RW_SOURCE_TEXT_BYTES], name[RW_CORE_NAME_BYTES];

	const char *newline = memchr(text, '\n', length); /* a dictionary may follow */
	if (newline != NULL)
		length = (size_t)(newline - text);
	if (!rw_netconsole_parse_nonce(text, length, nonce))
		return false;
	rw_host_handle host = rw_bindings_prove(w->bindings, p->source, nonce, p->now.boot_ms);
	if (host == RW_NO_HOST) {
		w->stats->nonces_refused++;
		return true;
	}
	w->stats->proved++;
	w->config.host_name(w->config.context, host, name);
	w->config.proved(w->config.context, name, rw_source_print(p->source, source));
	return true;
}

/* ---- gasps --------------------------------------------------------------------------------- */

static const char *kind_of(const char *text, size_t length)
{
	struct rw_klog_fact fact;

	rw_klog_parse(text, length, &fact);
	switch (fact.type) {
	case RW_KLOG_PANIC:
		return "panic";
	case RW_KLOG_OOPS:
	case RW_KLOG_DIE:
		return "oops";
	case RW_KLOG_HARD_LOCKUP:
		return "hard_lockup";
	default:
		return NULL;
	}
}

static void take_line(void *context, const struct rw_netconsole_head *head, const char *text,
		      size_t length)
{
	struct passage *p = context;
	struct rw_gasp_watch *w = p->watch;
	const char *kind = kind_of(text, length);
	char source[RW_SOURCE_TEXT_BYTES], name[RW_CORE_NAME_BYTES] = "";

	if (kind == NULL)
		return;
	struct rw_gasp_heard heard = {
		.source = rw_source_print(p->source, source),
		.host = name,
		.forged = head->is_extended && head->facility != 0,
		.kind = kind,
		.text = text,
		.text_length = length,
	};
	rw_host_handle host = head->is_extended && head->facility == 0 ? p->host : RW_NO_HOST;
	if (host != RW_NO_HOST)
		w->config.host_name(w->config.context, host, name);
	if (heard.forged)
		w->stats->forged++;
	else if (host != RW_NO_HOST)
		w->stats->verified++;
	else
		w->stats->unverified++;
	rw_gasps_add(w->config.gasps, &heard, p->now.wall_ms);
	if (w->config.heard(w->config.context, host, &heard))
		w->stats->acted++;
}

/* ---- datagrams ------------------------------------------------------------------- */

/* Whether there is time to look closer at it; counts it if not. */
static bool is_within_limits(const struct passage *p)
{
	struct rw_gasp_watch *w = p->watch;
	struct rw_sources *sources = p->host != RW_NO_HOST ? w->hosts : w->strangers;

	switch (rw_sources_take(sources, p->source, p->now.boot_ms)) {
	case RW_SOURCES_OVER_ITS_LIMIT:
		w->stats->limited_source++;
		return false;
	case RW_SOURCES_OVER_ALL:
		w->stats->limited_all++;
		return false;
	default:
		return true;
	}
}

static void take_body(struct passage *p, const struct rw_netconsole_head *head,
		      const uint8_t *bytes, size_t length)
{
	struct rw_gasp_watch *w = p->watch;
	char *body = w->body;

	if (head->is_fragment) {
		int whole = rw_netconsole_pieces_add(
			p->host != RW_NO_HOST ? w->host_pieces : w->stranger_pieces, p->source,
			head, bytes, length, p->now.boot_ms, &body, &length);
		if (whole < 0) {
			w->stats->unparsable++;
			return;
		}
		w->stats->accepted++;
		if (whole == 0)
			return;
	} else {
		w->stats->accepted++;
		memcpy(body, bytes, length);
	}
	rw_netconsole_each_line(head, body, length, take_line, p);
}

void rw_gasp_watch_take(struct rw_gasp_watch *w, const struct rw_source *source,
			const uint8_t *bytes, size_t length, struct rw_now now)
{
	struct passage p = {.watch = w, .source = source, .now = now};
	struct rw_netconsole_head head;

	/* A sensor that looks for its way here sends an empty one. */
	if (length == 0)
		return;
	if (length > RW_NETCONSOLE_DATAGRAM_MAX ||
	    rw_netconsole_parse_head(bytes, length, &head) != 0) {
		w->stats->unparsable++;
		return;
	}
	const char *text = (const char *)bytes + head.body_at;
	if (head.is_extended && take_nonce(&p, text, length - head.body_at)) {
		w->stats->accepted++;
		return;
	}
	p.host = rw_bindings_host(w->bindings, source, now.boot_ms);
	if (!is_within_limits(&p))
		return;
	if (p.host == RW_NO_HOST)
		rw_bindings_prompt(w->bindings, source, now.boot_ms);
	take_body(&p, &head, bytes + head.body_at, length - head.body_at);
}
