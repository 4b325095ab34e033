/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FleetLock, which Zincati and others ask before a host reboots into an update and again
 * when it is well: {"client_params":{"id":"…","group":"…"}}, and the group is the ring.
 *
 * pre-reboot is `enter` for every active deployment of the ring, and takes one of the
 * slots that are left: fewer hosts than may be exposed are exposed or on their way. The id
 * is the client's own and tells nothing of which host it is, so a host that is exposed
 * already and has not been steady since counts twice; that errs on the side of fewer
 * reboots. steady-state gives the slot back. A slot of a host that never came back stays
 * taken, which is the point of it.
 *
 * A slot takes effect at once and is told when it and its line in the audit are on disk.
 */
#include "collector/api/fleetlock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "collector/api/slots.h"
#include "lib/cleanup.h"

/* ---- may it enter ------------------------------------------------------------------- */

/* The one thing that stands against it is that the step has no room. */
static bool lacks_room_alone(const struct rw_verdict *verdict)
{
	for (uint32_t i = 0; i < verdict->reason_count; i++) {
		enum rw_reason reason = verdict->reasons[i];

		if (reason != RW_REASON_BAKE_INCOMPLETE &&
		    (reason != RW_REASON_NOT_STARTED || verdict->step == 0))
			return false;
	}
	return verdict->decision == RW_HOLD;
}

static void weigh(const struct rw_verdict *verdict, bool holds, struct rw_enter *out)
{
	uint64_t room = verdict->exposed < verdict->max_exposed_hosts
				? verdict->max_exposed_hosts - verdict->exposed
				: 0;
	bool is_over = verdict->bake == RW_BAKE_COMPLETE && verdict->step == verdict->steps;

	if (verdict->decision != RW_PROCEED && !(holds && lacks_room_alone(verdict))) {
		out->granted = false;
		out->kind = verdict->breaker_open       ? "breaker_open"
			    : verdict->reason_count > 0 ? rw_reason_name(verdict->reasons[0])
							: "hold";
		rw_verdict_line(verdict, out->value, sizeof(out->value));
	} else if (!is_over && (!out->limited || room < out->room)) {
		out->limited = true;
		out->room = room;
	}
}

static bool goes_through(const struct rw_deployment_row *row, const char *ring)
{
	for (uint32_t i = 0; i < row->ring_count; i++) {
		if (strcmp(row->rings[i], ring) == 0)
			return row->state == RW_DEPLOYMENT_ACTIVE;
	}
	return false;
}

void rw_may_enter(const struct rw_core *core, const char *ring, bool holds, struct rw_now now,
		  struct rw_verdict *scratch, struct rw_enter *out)
{
	const char *blind = rw_core_blind_reason(core, now);

	*out = (struct rw_enter){.granted = true};
	if (rw_core_ring_find(core, ring) < 0) {
		out->granted = false;
		out->kind = "unknown_ring";
		snprintf(out->value, sizeof(out->value), "no ring '%s' in the policy", ring);
	} else if (blind != NULL) {
		out->granted = false;
		out->kind = "blind";
		snprintf(out->value, sizeof(out->value), "the collector cannot see: %s", blind);
	}
	for (uint32_t i = 0; out->granted && i < rw_core_deployment_count(core); i++) {
		struct rw_deployment_row row;

		if (!rw_core_deployment_at(core, i, &row) || !goes_through(&row, ring))
			continue;
		rw_core_verdict(core, row.id, ring, RW_FOR_ENTER, now, scratch);
		weigh(scratch, holds, out);
	}
}

/* ---- who asks ------------------------------------------------------------------------ */

struct lock_ask {
	struct rw_hub *hub;
	struct rw_slots *slots;
	const char *actor, *ring, *holder;
	const char *host; /* that asks by its certificate; "": somebody else */
	bool stranger;    /* and it is not enrolled in the ring */
	char host_actor[RW_NAME_MAX + 8];
	int err;           /* of taking the slot */
	uint64_t sequence; /* to wait for; 0: nothing */
	struct rw_enter enter;
	struct rw_verdict scratch;
};

/* A line in the audit, and the slot beside it. */
static void record(struct lock_ask *ask, struct rw_now now, const char *action,
		   const struct rw_slot_row *slot)
{
	char subject[RW_CORE_NAME_BYTES + 16];
	const struct rw_audit_row row = {
		.at_wall_ms = now.wall_ms,
		.actor = ask->actor,
		.action = action,
		.subject = subject,
		.detail = ask->holder,
	};

	snprintf(subject, sizeof(subject), "ring=%s", slot->ring);
	ask->sequence = rw_hub_audit(ask->hub, &row);
	if (ask->sequence != 0)
		ask->sequence = rw_hub_slot(ask->hub, slot);
	if (ask->sequence == 0)
		ask->err = -EIO;
}

static void take_slot(struct lock_ask *ask, struct rw_now now)
{
	struct rw_slot slot = {.since_wall_ms = now.wall_ms};
	struct rw_slot *taken;

	if (ask->enter.limited && rw_slots_held(ask->slots, ask->ring) >= ask->enter.room) {
		ask->enter.granted = false;
		ask->enter.kind = "no_slot";
		snprintf(ask->enter.value, sizeof(ask->enter.value),
			 "all %llu slots of ring %s are taken", (unsigned long long)ask->enter.room,
			 ask->ring);
		return;
	}
	if (!ask->enter.limited)
		return; /* nothing to count */
	snprintf(slot.ring, sizeof(slot.ring), "%s", ask->ring);
	snprintf(slot.holder, sizeof(slot.holder), "%s", ask->holder);
	ask->err = rw_slots_take(ask->slots, &slot, &taken);
	if (ask->err != 0)
		return;
	record(ask, now, "slot_taken", &(struct rw_slot_row){ask->ring, ask->holder, now.wall_ms});
	taken->sequence = ask->sequence;
	if (ask->err != 0)
		(void)rw_slots_drop(ask->slots, ask->holder, &slot);
}

/* A certificate outlives its host's place in the ring. */
static bool is_stranger(const struct rw_core *core, const struct lock_ask *ask)
{
	struct rw_host_row row;

	if (ask->host[0] == '\0')
		return false;
	return !rw_core_host_at(core, rw_core_host_find(core, ask->host), &row) ||
	       row.presence == RW_RETIRED || strcmp(row.ring, ask->ring) != 0;
}

static void run_pre_reboot(struct rw_core *core, struct rw_now now, void *context)
{
	struct lock_ask *ask = context;
	const struct rw_slot *held = rw_slots_find(ask->slots, ask->ring, ask->holder);

	ask->stranger = is_stranger(core, ask);
	if (ask->stranger)
		return;
	rw_may_enter(core, ask->ring, held != NULL, now, &ask->scratch, &ask->enter);
	if (!ask->enter.granted)
		return;
	if (held != NULL)
		ask->sequence = held->sequence;
	else
		take_slot(ask, now);
}

static void run_steady_state(struct rw_core *core, struct rw_now now, void *context)
{
	struct lock_ask *ask = context;
	struct rw_slot slot;

	ask->stranger = is_stranger(core, ask);
	while (!ask->stranger && rw_slots_drop(ask->slots, ask->holder, &slot))
		record(ask, now, "slot_returned", &(struct rw_slot_row){slot.ring, ask->holder, 0});
}

/* ---- the body -------------------------------------------------------------------------- */

static const char *param_of(struct rw_request *request, const char *key)
{
	const json_t *params = json_object_get(request->body, "client_params");

	return json_string_value(json_object_get(params, key));
}

/* One word of visible ASCII: it stands in the audit. */
static bool is_holder(const char *text)
{
	size_t length = text == NULL ? 0 : strlen(text);

	for (size_t i = 0; i < length; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return length >= 1 && length <= RW_SLOT_HOLDER_MAX;
}

static struct lock_ask *new_ask(struct rw_request *request)
{
	const char *ring = param_of(request, "group");
	const char *holder = param_of(request, "id");

	if (!is_holder(holder)) {
		rw_fail(request, 400, "bad_request",
			"client_params.id: expected 1 to %d visible ASCII characters",
			RW_SLOT_HOLDER_MAX);
		return NULL;
	}
	if (ring == NULL || !rw_name_is_valid(ring, strlen(ring))) {
		rw_fail(request, 400, "bad_request",
			"client_params.group: expected " RW_NAME_EXPECTED);
		return NULL;
	}
	if (request->host.role != 0 && strcmp(request->host.ring, ring) != 0) {
		rw_fail(request, 403, "forbidden",
			"the certificate of host '%s' is for ring %s, this is ring %s",
			request->host.name, request->host.ring, ring);
		return NULL;
	}
	struct lock_ask *ask = calloc(1, sizeof(*ask));
	if (ask == NULL) {
		rw_answer(request, 500, NULL);
		return NULL;
	}
	ask->hub = request->api->hub;
	ask->slots = request->api->slots;
	ask->host = request->host.name;
	snprintf(ask->host_actor, sizeof(ask->host_actor), "host:%s", ask->host);
	ask->actor = ask->host[0] != '\0'        ? ask->host_actor
		     : request->actor[0] == '\0' ? "fleetlock"
						 : request->actor;
	ask->ring = ring;
	/* A host speaks for itself alone, whatever id it names: it has one slot, and gives back
	 * nobody else's. */
	ask->holder = ask->host[0] != '\0' ? ask->host_actor : holder;
	return ask;
}

static bool ask_loop(struct rw_request *request, rw_hub_fn *fn, struct lock_ask *ask)
{
	if (!rw_ask_loop(request, fn, ask))
		return false;
	if (ask->stranger)
		rw_fail(request, 403, "forbidden", "host '%s' is not enrolled in ring %s",
			ask->host, ask->ring);
	return !ask->stranger;
}

static bool is_on_disk(struct rw_request *request, const struct lock_ask *ask)
{
	int err = ask->err;

	if (err == 0 && ask->sequence != 0)
		err = rw_hub_wait_committed(ask->hub, ask->sequence);
	if (err == -ENOSPC)
		rw_fail(request, 409, "no_slot", "more than %d slots are taken", RW_SLOTS_MAX);
	else if (err != 0)
		rw_fail(request, 503, "store_failed", "it is not on disk (%s): ask again",
			strerror(-err));
	return err == 0;
}

void rw_post_pre_reboot(struct rw_request *request)
{
	rw_autofree struct lock_ask *ask = new_ask(request);

	if (ask == NULL || !ask_loop(request, run_pre_reboot, ask))
		return;
	if (!ask->enter.granted)
		rw_fail(request, 409, ask->enter.kind, "%s", ask->enter.value);
	else if (is_on_disk(request, ask))
		rw_answer(request, 200,
			  json_pack("{s:s, s:s}", "kind", "granted", "value", ask->ring));
}

void rw_post_steady_state(struct rw_request *request)
{
	rw_autofree struct lock_ask *ask = new_ask(request);

	if (ask != NULL && ask_loop(request, run_steady_state, ask) && is_on_disk(request, ask))
		rw_answer(request, 200,
			  json_pack("{s:s, s:s}", "kind", "steady", "value", ask->ring));
}

/* ---- before the body ------------------------------------------------------------------- */

static bool is_loopback(const struct sockaddr_storage *local)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)local;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)local;

	if (local->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return local->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static int sextet(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* The password of `Basic base64(USER:PASSWORD)`; false when there is none. */
static bool password_of(const char *base64, char *out, size_t size)
{
	char text[512];
	size_t used = 0;
	unsigned bits = 0;
	unsigned held = 0;

	for (; sextet(*base64) >= 0 && used < sizeof(text) - 1; base64++) {
		held = held << 6 | (unsigned)sextet(*base64);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			text[used++] = (char)(held >> bits & 0xff);
		}
	}
	text[used] = '\0';
	const char *colon = strchr(text, ':');
	if (base64[strspn(base64, "=")] != '\0' || colon == NULL || strlen(text) != used)
		return false;
	return (size_t)snprintf(out, size, "%s", colon + 1) < size;
}

static enum rw_role role_of(struct rw_request *request, const char *header)
{
	char password[512];
	const char *token = NULL;
	enum rw_role role = RW_ROLE_NONE;

	if (strncasecmp(header, "Bearer ", 7) == 0)
		token = header + 7;
	else if (strncasecmp(header, "Basic ", 6) == 0 &&
		 password_of(header + 6, password, sizeof(password)))
		token = password;
	if (token == NULL)
		return RW_ROLE_NONE;
	pthread_mutex_lock(&request->api->lock);
	role = rw_tokens_check(request->api->tokens, token, request->actor);
	pthread_mutex_unlock(&request->api->lock);
	return role;
}

/*
 * No client of this protocol can be told a token, but all take an address with
 * USER:PASSWORD in it and send that in a header, and the password may be one. Without
 * any, a host is let in by its certificate, for its own ring, and who is on this machine.
 * A certificate that is no host's, a person's say, lets nobody in here. The protocol's own
 * header keeps browsers out: a page of another server cannot send it.
 */
bool rw_check_fleetlock(struct rw_request *request, const struct rw_head *head)
{
	if (head->fleet_lock == NULL || strcasecmp(head->fleet_lock, "true") != 0) {
		rw_fail(request, 400, "bad_request",
			"fleet-lock-protocol: expected this header, with true");
		return false;
	}
	if (head->authorization != NULL) {
		if (role_of(request, head->authorization) >= RW_ROLE_ROLLOUT)
			return true;
	} else if (head->certified != NULL) {
		request->host = *head->certified;
		return true;
	} else if (is_loopback(&head->local)) {
		return true;
	}
	rw_fail(request, 401, "unauthorized",
		"a token with role rollout is needed, as the password in the client's base URL, "
		"or a host's certificate");
	return false;
}
