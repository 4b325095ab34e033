/* SPDX-License-Identifier: Apache-2.0 */
/* What hosts send, what operators do to them, and time: the naive way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/naive/naive.h"

enum { STALL_MS = 2 * RW_CORE_TICK_MS, SLACK_MS = 1000, HOUR_MS = 3600 * 1000 };
static const uint64_t loop_ms = 30 * 60 * 1000, week_ms = UINT64_C(7) * 24 * HOUR_MS;

static void *get(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL)
		abort();
	return memory;
}

struct naive *nv_new(const struct rw_policy *policy, uint32_t hosts, struct rw_now now)
{
	struct naive *m = get(1, sizeof(*m));

	m->host_count = hosts;
	for (uint32_t h = 0; h < hosts; h++) {
		m->hosts[h].crashes = get(NV_CRASHES_MAX, sizeof(struct nv_crash));
		m->hosts[h].modules = get(NV_MODULES_MAX, sizeof(struct nv_module));
	}
	m->policy = *policy;
	m->last_boot_ms = now.boot_ms;
	m->was_hidden = true;
	return m;
}

void nv_free(struct naive *m)
{
	for (uint32_t h = 0; h < m->host_count; h++) {
		free(m->hosts[h].crashes);
		free(m->hosts[h].modules);
	}
	free(m);
}

/* ---- the observing clock ----------------------------------------- */

static uint64_t gap_ms(const struct naive *m, struct rw_now now)
{
	return now.boot_ms - m->last_boot_ms;
}

static void stall(struct naive *m)
{
	m->stalled = true;
	m->stall_obs_ms = m->obs_ms;
}

void nv_advance(struct naive *m, struct rw_now now)
{
	uint64_t gap = gap_ms(m, now);

	m->turn++;
	m->last_boot_ms = now.boot_ms;
	if (m->sick != NULL || m->dark)
		return;
	m->obs_ms += gap > STALL_MS ? RW_CORE_TICK_MS : gap;
	if (gap > STALL_MS)
		stall(m);
}

uint64_t nv_listening_ms(const struct naive *m)
{
	uint64_t least = m->policy.timing.suspect_after_ms;
	uint64_t all = m->policy.timing.offline_after_ms;

	return m->listened_ms + least < all ? all - m->listened_ms : least;
}

const char *nv_blind_reason(const struct naive *m, struct rw_now now)
{
	uint64_t gap = gap_ms(m, now);
	uint64_t obs_ms = m->obs_ms + (gap > STALL_MS ? RW_CORE_TICK_MS : gap);

	if (m->sick != NULL)
		return m->sick;
	if (m->dark)
		return "witness";
	if (obs_ms < nv_listening_ms(m))
		return "listening";
	if (gap > STALL_MS ||
	    (m->stalled && obs_ms - m->stall_obs_ms < m->policy.timing.suspect_after_ms))
		return "stalled";
	return NULL;
}

void nv_set_sick(struct naive *m, const char *reason, struct rw_now now)
{
	nv_advance(m, now);
	if (m->sick != NULL && reason == NULL)
		stall(m);
	m->sick = reason;
}

/* ---- control ----------------------------------------------------- */

bool nv_is_active(const struct naive *m, uint32_t deployment)
{
	return m->deployments[deployment].row.state == RW_DEPLOYMENT_ACTIVE;
}

bool nv_is_control(const struct naive *m, const struct nv_host *host)
{
	if (!host->known || host->excluded || host->presence == RW_RETIRED)
		return false;
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		if (host->exposures[d].is && nv_is_active(m, d))
			return false;
	}
	return true;
}

uint64_t nv_watched_control(const struct naive *m)
{
	uint64_t watched = 0;

	for (uint32_t h = 0; h < m->host_count; h++) {
		const struct nv_host *host = &m->hosts[h];

		watched += nv_is_control(m, host) &&
			   (host->presence == RW_ONLINE || host->presence == RW_SUSPECT);
	}
	return watched;
}

uint64_t nv_enrolled(const struct naive *m, int ring)
{
	uint64_t enrolled = 0;

	for (uint32_t h = 0; h < m->host_count; h++)
		enrolled += m->hosts[h].known && m->hosts[h].presence != RW_RETIRED &&
			    (ring < 0 || m->hosts[h].ring == (uint32_t)ring);
	return enrolled;
}

static void control_is_back(struct naive *m, struct nv_host *host)
{
	if (host->control_silence_turn == 0)
		return;
	host->control_silence_turn = 0;
	if (m->natural_failures > 0)
		m->natural_failures--;
}

/* ---- exposures --------------------------------------------------- */

bool nv_is_offline(const struct nv_exposure *e, const struct nv_host *host)
{
	return e->heard && !e->acknowledged && (host->presence == RW_OFFLINE || e->left_offline);
}

void nv_set_base(struct nv_exposure *e, const struct nv_host *host, struct rw_now now)
{
	e->order = host->order;
	e->boot_ms = host->clock_known ? host->clock_ms + now.boot_ms : UINT64_MAX;
	e->placed_ms = now.boot_ms;
	e->alive = host->presence == RW_ONLINE || host->presence == RW_SUSPECT;
}

void nv_expose(struct naive *m, uint32_t h, uint32_t deployment, uint32_t step, struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];
	struct nv_exposure *e = &host->exposures[deployment];

	*e = (struct nv_exposure){.is = true, .ring = host->ring, .step = step};
	nv_set_base(e, host, now);
	e->wall_ms = now.wall_ms;
	e->watched_ms = m->deployments[deployment].runs[host->ring].watched_ms;
}

static void exposure_heard(const struct naive *m, uint32_t d, struct nv_host *host, bool back)
{
	struct nv_exposure *e = &host->exposures[d];

	if (back && e->heard)
		e->recovered = true;
	if (!e->heard) /* only from now on it is watched */
		e->watched_ms = m->deployments[d].runs[e->ring].watched_ms;
	e->heard = true;
	e->left_offline = false;
	if (host->order == e->order)
		e->alive = true;
}

static void exposures_heard(struct naive *m, struct nv_host *host, bool back)
{
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		if (host->exposures[d].is && nv_is_active(m, d))
			exposure_heard(m, d, host, back);
	}
}

static bool boot_end_counts(const struct nv_exposure *e, uint64_t order)
{
	return order > e->order || (order == e->order && e->alive);
}

static bool moment_counts(const struct nv_exposure *e, uint64_t order, uint64_t boot_ms)
{
	return order > e->order || (order == e->order && boot_ms + SLACK_MS >= e->boot_ms);
}

static bool counts_kind(const struct naive *m, uint32_t ring, uint32_t kind)
{
	return kind < 32 && (m->policy.rings[ring].crash_kinds >> kind & 1) != 0;
}

static void exposure_crashed(struct nv_exposure *e)
{
	e->heard = true;
	e->crashed = true;
	e->acknowledged = false;
	e->recovered = false;
}

/* ---- what a host has been through -------------------------------- */

static bool is_loop(const struct nv_host *host)
{
	uint32_t n = host->crash_count;

	return n >= 2 && host->crashes[n - 1].wall_ms - host->crashes[n - 2].wall_ms <= loop_ms;
}

static void host_crashed(struct naive *m, struct nv_host *host, uint32_t kind, uint64_t order,
			 struct rw_now now)
{
	bool unexpected = kind == RW_CORE_KIND_UNEXPECTED_REBOOT;

	if (!counts_kind(m, host->ring, kind))
		return;
	/* Of boots long past it is not known any more; hosts that lose count use a number again. */
	for (uint32_t i = host->crash_count; i > 0 && i + RW_CORE_CRASHES_KEPT > host->crash_count;
	     i--) {
		if (host->crashes[i - 1].order != order)
			continue;
		host->crashes[i - 1].unexpected = host->crashes[i - 1].unexpected || unexpected;
		return;
	}
	if (host->crash_count == NV_CRASHES_MAX)
		abort();
	host->crashes[host->crash_count++] = (struct nv_crash){order, now.wall_ms, unexpected};
	if (is_loop(host)) {
		host->looping = true;
		host->loop_end_obs_ms = m->obs_ms + loop_ms;
	}
	if (!nv_is_control(m, host))
		return;
	if (host->control_silence_turn == 0)
		m->natural_failures++;
	host->control_silence_turn = 0;
	host->control_crash_turn = m->turn;
}

/* None in the week before the exposure. */
static bool was_calm_before(const struct nv_host *host, const struct nv_exposure *e)
{
	for (uint32_t i = 0; i < host->crash_count; i++) {
		const struct nv_crash *crash = &host->crashes[i];

		if (crash->unexpected && !boot_end_counts(e, crash->order) &&
		    crash->wall_ms + week_ms >= e->wall_ms)
			return false;
	}
	return true;
}

/* How many of its last `of` crashes are unexpected ends since the exposure, within half an
 * hour before the last such. */
static uint32_t reboots_since(const struct nv_host *host, const struct nv_exposure *e, uint32_t of)
{
	uint64_t newest = 0;
	uint32_t since = 0;

	for (uint32_t i = host->crash_count; i > 0 && i + of > host->crash_count; i--) {
		const struct nv_crash *crash = &host->crashes[i - 1];

		if (!crash->unexpected || !boot_end_counts(e, crash->order))
			continue;
		newest = newest == 0 ? crash->wall_ms : newest;
		since += newest - crash->wall_ms <= loop_ms;
	}
	return since;
}

/* Crashes that are no reboots, between reboots, may make it forget one of three. */
static void prove_boot_loop(struct naive *m, const struct nv_host *host, uint32_t d,
			    struct rw_now now)
{
	const struct nv_exposure *e = &host->exposures[d];

	if (!was_calm_before(host, e))
		return;
	if (reboots_since(host, e, RW_CORE_CRASHES_KEPT - 1) >= 3)
		nv_prove(m, d, e->ring, RW_PROOF_BOOT_LOOP, true, now);
	else if (reboots_since(host, e, NV_CRASHES_MAX) >= 3)
		nv_prove(m, d, e->ring, RW_PROOF_BOOT_LOOP, false, now);
}

static bool excuses(const struct naive *m, struct nv_host *host, uint64_t order, struct rw_now now)
{
	uint64_t until = host->maintenance_until_wall_ms;

	if (until == 0 || host->heard_wall_ms > until ||
	    now.wall_ms > until + m->policy.timing.max_planned_ms)
		return false;
	host->excused_order = order;
	return true;
}

/* ---- being heard ------------------------------------------------- */

static void set_presence(struct nv_host *host, enum rw_presence to, struct rw_now now)
{
	host->presence = to;
	host->since_wall_ms = now.wall_ms;
	host->gasping = false;
	host->lost = false;
}

static void hear(struct naive *m, struct nv_host *host, struct rw_now now)
{
	host->heard_wall_ms = now.wall_ms;
	host->heard_obs_ms = m->obs_ms;
	host->heard_turn = m->turn;
	if (host->presence != RW_ONLINE)
		set_presence(host, RW_ONLINE, now);
}

static void heard(struct naive *m, struct nv_host *host, struct rw_now now)
{
	bool back = host->presence == RW_OFFLINE;

	hear(m, host, now);
	if (back)
		control_is_back(m, host);
	exposures_heard(m, host, back);
}

static void byte_heard(struct naive *m, struct nv_host *host, struct rw_now now)
{
	if (host->presence != RW_PLANNED && host->presence != RW_ABSENT &&
	    host->presence != RW_RETIRED)
		heard(m, host, now);
}

void nv_heard(struct naive *m, uint32_t h, struct rw_now now)
{
	nv_advance(m, now);
	byte_heard(m, &m->hosts[h], now);
	nv_settle(m, false, now);
}

void nv_heartbeat(struct naive *m, uint32_t h, uint64_t boot_ms, struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];

	nv_advance(m, now);
	if (host->presence != RW_RETIRED) {
		host->clock_known = true;
		host->clock_ms = boot_ms - now.boot_ms;
		heard(m, host, now);
	}
	nv_settle(m, false, now);
}

void nv_goodbye(struct naive *m, uint32_t h, enum rw_goodbye kind, uint64_t back_in_ms,
		struct rw_now now)
{
	const struct rw_timing *timing = &m->policy.timing;
	struct nv_host *host = &m->hosts[h];

	nv_advance(m, now);
	if (host->presence == RW_RETIRED)
		return;
	heard(m, host, now);
	nv_settle(m, false, now);
	if (back_in_ms > timing->max_planned_ms)
		back_in_ms = timing->max_planned_ms;
	if (back_in_ms < timing->offline_after_ms)
		back_in_ms = timing->offline_after_ms;
	if (kind == RW_BYE_POWER_OFF)
		back_in_ms = timing->power_off_grace_ms;
	set_presence(host, RW_PLANNED, now);
	host->goodbye = kind;
	host->due_obs_ms = m->obs_ms + back_in_ms;
	nv_settle(m, false, now);
}

bool nv_gasp(struct naive *m, uint32_t h, struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];

	nv_advance(m, now);
	uint64_t due = m->obs_ms + RW_CORE_GASP_MS;

	if (host->gasp_due_obs_ms > m->obs_ms || host->gasping)
		return false;
	if (host->presence == RW_SUSPECT) {
		if (host->heard_obs_ms + m->policy.timing.offline_after_ms <= due)
			return false;
	} else if (host->presence == RW_ONLINE || host->presence == RW_PLANNED) {
		set_presence(host, RW_SUSPECT, now);
	} else {
		return false;
	}
	host->gasping = true;
	host->gasp_due_obs_ms = due;
	nv_settle(m, false, now);
	return true;
}

void nv_duplicate(struct naive *m, uint32_t h, struct rw_now now)
{
	nv_advance(m, now);
	m->hosts[h].duplicate = true;
	nv_settle(m, false, now);
}

/* ---- hello ------------------------------------------------------- */

static bool boot_died(enum rw_boot_end end, enum rw_presence presence)
{
	if (end == RW_END_NONE)
		return presence != RW_PLANNED && presence != RW_ABSENT;
	if (end == RW_END_UNKNOWN)
		return presence == RW_OFFLINE;
	return end == RW_END_UNEXPECTED;
}

/* A host that was silent at its exposure says now where in its life that was. */
static bool refine(struct nv_exposure *e, const struct rw_boot *boot, struct rw_now now)
{
	if (e->alive || e->placed_ms == UINT64_MAX || (e->heard && e->boot_ms != UINT64_MAX) ||
	    boot->boot_ms < now.boot_ms - e->placed_ms)
		return false;
	e->order = boot->order;
	e->boot_ms = boot->boot_ms - (now.boot_ms - e->placed_ms);
	e->alive = true;
	return true;
}

static void exposure_hello(struct naive *m, struct nv_host *host, uint32_t d,
			   const struct rw_boot *boot, bool is_new_boot, bool died, bool unwatched,
			   bool back, uint64_t old_order, struct rw_now now)
{
	struct nv_exposure *e = &host->exposures[d];
	bool crashed = (died || (unwatched && e->left_offline)) && !host->excluded &&
		       boot_end_counts(e, old_order) &&
		       counts_kind(m, e->ring, RW_CORE_KIND_UNEXPECTED_REBOOT);

	if (!refine(e, boot, now) && is_new_boot && boot->order <= e->order) {
		e->order = boot->order;
		e->boot_ms = 0;
	}
	exposure_heard(m, d, host, (back || e->left_offline) && !is_new_boot);
	if (!crashed)
		return;
	exposure_crashed(e);
	nv_note(m, d, (uint32_t)(host - m->hosts), NV_LINE_UNEXPECTED_REBOOT);
	prove_boot_loop(m, host, d, now);
}

int nv_hello(struct naive *m, uint32_t h, uint32_t ring, const struct rw_boot *boot,
	     enum rw_boot_end end, struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];
	bool is_new = !host->known;

	nv_advance(m, now);
	if (host->known && host->presence == RW_RETIRED && !host->by_age)
		return -EPERM;
	if (is_new || host->presence == RW_RETIRED)
		set_presence(host, RW_UNKNOWN, now);
	if (is_new) {
		host->newcomer = true;
		host->newcomer_ring = ring;
		host->newcomer_obs_ms = m->obs_ms;
	}
	bool back = host->presence == RW_OFFLINE;
	bool new_boot = !is_new && memcmp(host->boot_id, boot->id, sizeof(boot->id)) != 0;
	uint64_t old_order = host->order;
	bool died = new_boot && boot_died(end, host->presence) && !excuses(m, host, old_order, now);

	host->known = true;
	host->by_age = false;
	host->ring = ring;
	host->order = boot->order;
	memcpy(host->boot_id, boot->id, sizeof(boot->id));
	host->clock_known = true;
	host->clock_ms = boot->boot_ms - now.boot_ms;
	host->duplicate = false;
	hear(m, host, now);
	if (died)
		host_crashed(m, host, RW_CORE_KIND_UNEXPECTED_REBOOT, old_order, now);
	if (back)
		control_is_back(m, host);
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		if (host->exposures[d].is && nv_is_active(m, d))
			exposure_hello(m, host, d, boot, new_boot, died,
				       new_boot && end == RW_END_UNKNOWN, back, old_order, now);
	}
	nv_settle(m, false, now);
	return 0;
}

/* ---- events ------------------------------------------------------ */

/* When this host first failed to load that module so; NULL: the event is no such failure. */
static const struct nv_module *first_failure(struct nv_host *host,
					     const struct rw_core_event *event)
{
	if (event->kind != RW_CORE_KIND_MODULE_LOAD_FAILED || event->module[0] == '\0' ||
	    event->error == -EEXIST || event->error == -EBUSY || event->error == -ENODEV)
		return NULL;
	for (uint32_t i = 0; i < host->module_count; i++) {
		if (strcmp(host->modules[i].name, event->module) == 0 &&
		    host->modules[i].error == event->error)
			return &host->modules[i];
	}
	if (host->module_count == NV_MODULES_MAX)
		abort();

	struct nv_module *module = &host->modules[host->module_count++];

	*module = (struct nv_module){
		.error = event->error, .order = event->boot_order, .boot_ms = event->boot_ms};
	strncpy(module->name, event->module, sizeof(module->name) - 1);
	return module;
}

static uint64_t first_exposure_wall_ms(const struct naive *m, uint32_t d)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t h = 0; h < m->host_count; h++) {
		const struct nv_exposure *e = &m->hosts[h].exposures[d];

		if (e->is && e->wall_ms < first)
			first = e->wall_ms;
	}
	return first;
}

/* No host had it in the week before the first exposure, and none of control since. */
static bool is_new_signature(const struct naive *m, uint32_t d, const char *text)
{
	uint64_t first = first_exposure_wall_ms(m, d);

	for (uint32_t i = 0; i < m->sighting_count; i++) {
		const struct nv_sighting *seen = &m->sightings[i];

		if (strcmp(seen->text, text) != 0)
			continue;
		if (seen->wall_ms < first && seen->wall_ms + week_ms >= first)
			return false;
		if (seen->wall_ms >= first && seen->control)
			return false;
	}
	return true;
}

static bool take_shared(struct nv_deployment *deployment, const char *text)
{
	for (uint32_t i = 0; i < deployment->shared_count; i++) {
		if (strcmp(deployment->shared[i], text) == 0)
			return false;
	}
	if (deployment->shared_count == 32)
		abort();
	strncpy(deployment->shared[deployment->shared_count++], text, 63);
	return true;
}

/* `now_seen` is this event's own sighting. It is the second host that shows a new one. */
static bool shares(struct naive *m, uint32_t d, uint32_t h, struct nv_sighting *now_seen)
{
	if (!is_new_signature(m, d, now_seen->text))
		return false;
	now_seen->fresh[d] = true;
	for (uint32_t i = 0; i < m->sighting_count; i++) {
		const struct nv_sighting *seen = &m->sightings[i];

		if (seen->fresh[d] && seen->host != h && strcmp(seen->text, now_seen->text) == 0)
			return take_shared(&m->deployments[d], now_seen->text);
	}
	return false;
}

static void exposure_event(struct naive *m, uint32_t h, uint32_t d,
			   const struct rw_core_event *event, const struct nv_module *first,
			   struct nv_sighting *seen, struct rw_now now)
{
	const struct nv_host *host = &m->hosts[h];
	struct nv_exposure *e = &m->hosts[h].exposures[d];
	bool reboot = event->kind == RW_CORE_KIND_UNEXPECTED_REBOOT;
	bool counts = reboot ? boot_end_counts(e, event->boot_order)
			     : moment_counts(e, event->boot_order, event->boot_ms);

	if (host->excluded || !counts)
		return;
	if (first != NULL && !e->module_failed && moment_counts(e, first->order, first->boot_ms)) {
		nv_note(m, d, h, NV_LINE_MODULE_LOAD_FAILED);
		e->heard = true;
		e->module_failed = true;
	}
	if (!counts_kind(m, e->ring, event->kind))
		return;
	exposure_crashed(e);
	for (int line = NV_LINE_OOPS; line < NV_LINE_COUNT; line++) {
		if (strcmp(nv_line_name((enum nv_line)line), event->kind_name) == 0)
			nv_note(m, d, h, (enum nv_line)line);
	}
	if (reboot)
		prove_boot_loop(m, host, d, now);
	if (seen != NULL && shares(m, d, h, seen))
		nv_prove(m, d, e->ring, RW_PROOF_SIGNATURE, true, now);
}

void nv_event(struct naive *m, uint32_t h, const struct rw_core_event *event, struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];
	struct nv_sighting *seen = NULL;

	nv_advance(m, now);
	byte_heard(m, host, now);
	nv_settle(m, false, now);
	if (event->kind == RW_CORE_KIND_UNEXPECTED_REBOOT && host->excused_order != 0 &&
	    host->excused_order == event->boot_order)
		return;

	const struct nv_module *first = first_failure(host, event);

	host_crashed(m, host, event->kind, event->boot_order, now);
	if (counts_kind(m, host->ring, event->kind) && event->signature[0] != '\0' &&
	    event->kind != RW_CORE_KIND_UNEXPECTED_REBOOT) {
		if (m->sighting_count == NV_SIGHTINGS_MAX)
			abort();
		seen = &m->sightings[m->sighting_count++];
		*seen = (struct nv_sighting){
			.host = h, .wall_ms = now.wall_ms, .control = nv_is_control(m, host)};
		strncpy(seen->text, event->signature, sizeof(seen->text) - 1);
	}
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		if (host->exposures[d].is && nv_is_active(m, d))
			exposure_event(m, h, d, event, first, seen, now);
	}
	nv_settle(m, false, now);
}

/* ---- versions ---------------------------------------------------- */

static bool is_version(const char *version, const char *value)
{
	size_t length = strlen(version);

	if (strcmp(version, value) == 0)
		return true;
	return strchr(version, ' ') == NULL && strncmp(version, value, length) == 0 &&
	       value[length] == ' ';
}

static void let_in(struct naive *m, uint32_t d, uint32_t ring, uint64_t room)
{
	struct nv_run *run = &m->deployments[d].runs[ring];
	uint64_t exposed = nv_figures(m, d, ring, -1).exposed;

	if (run->step > 0 && exposed <= room && exposed > run->target)
		run->target = exposed;
}

void nv_version(struct naive *m, uint32_t h, const char *subject, const char *value, bool changed,
		struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];
	bool named = false;

	nv_advance(m, now);
	byte_heard(m, host, now);
	nv_settle(m, false, now);
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		const struct rw_deployment_row *row = &m->deployments[d].row;
		struct nv_run *run = &m->deployments[d].runs[host->ring];

		if (!is_version(row->version, value) ||
		    (row->match[0] != '\0' && strcmp(row->match, subject) != 0))
			continue;
		named = true;
		if (row->exposure != RW_EXPOSURE_REPORTED || !nv_is_active(m, d) || !run->is ||
		    host->presence == RW_RETIRED || host->exposures[d].is)
			continue;
		uint64_t room = nv_room(m, d, host->ring);
		nv_expose(m, h, d, run->step, now);
		exposure_heard(m, d, host, false);
		let_in(m, d, host->ring, room);
		nv_settle(m, false, now);
	}
	if (value[0] != '\0' && (changed || named))
		host->unregistered = !named;
}

/* ---- operators --------------------------------------------------- */

static struct rw_act_result answer(int status, bool changed)
{
	return (struct rw_act_result){.status = status, .changed = changed};
}

struct rw_act_result nv_retire(struct naive *m, uint32_t h, struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];

	nv_advance(m, now);
	if (!host->known)
		return answer(-ENOENT, false);
	if (host->presence == RW_RETIRED) {
		bool by_age = host->by_age;

		host->by_age = false;
		return answer(0, by_age);
	}
	control_is_back(m, host);
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		if (host->exposures[d].is && nv_is_active(m, d) && host->presence == RW_OFFLINE)
			host->exposures[d].left_offline = true;
	}
	set_presence(host, RW_RETIRED, now);
	nv_settle(m, false, now);
	return answer(0, true);
}

static void set_excluded(struct naive *m, struct nv_host *host, bool excluded)
{
	control_is_back(m, host);
	host->control_crash_turn = 0;
	host->excluded = excluded;
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		uint32_t ring = host->exposures[d].ring;

		if (host->exposures[d].is && nv_is_active(m, d) &&
		    m->deployments[d].row.exposure == RW_EXPOSURE_REPORTED)
			let_in(m, d, ring, nv_room(m, d, ring));
	}
}

struct rw_act_result nv_enrol(struct naive *m, uint32_t h, struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];

	nv_advance(m, now);
	if (!host->known)
		return answer(-ENOENT, false);
	if (host->presence != RW_RETIRED && !host->excluded)
		return answer(0, false);
	if (host->presence == RW_RETIRED) {
		set_presence(host, RW_UNKNOWN, now);
		host->by_age = false;
		host->heard_obs_ms = m->obs_ms;
		host->heard_turn = m->turn;
	}
	if (host->excluded)
		set_excluded(m, host, false);
	nv_settle(m, false, now);
	return answer(0, true);
}

struct rw_act_result nv_exclude(struct naive *m, uint32_t h, struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];

	nv_advance(m, now);
	if (!host->known)
		return answer(-ENOENT, false);
	if (host->excluded)
		return answer(0, false);
	set_excluded(m, host, true);
	nv_settle(m, false, now);
	return answer(0, true);
}

struct rw_act_result nv_maintenance(struct naive *m, uint32_t h, uint64_t ms, struct rw_now now)
{
	struct nv_host *host = &m->hosts[h];

	nv_advance(m, now);
	if (!host->known)
		return answer(-ENOENT, false);
	if (ms > week_ms)
		return answer(-EINVAL, false);
	if (ms > 0 && (host->presence == RW_OFFLINE || host->presence == RW_SUSPECT ||
		       host->presence == RW_RETIRED))
		return answer(-EPERM, false);
	host->maintenance_until_wall_ms = ms > 0 ? now.wall_ms + ms : 0;
	return answer(0, true);
}

/* ---- silence ----------------------------------------------------- */

static bool is_silent(uint64_t online, uint64_t silent)
{
	return silent >= 3 && silent * 5 >= online + silent;
}

static void control_group(const struct naive *m, uint64_t *online, uint64_t *silent)
{
	*online = 0;
	*silent = 0;
	for (uint32_t h = 0; h < m->host_count; h++) {
		const struct nv_host *host = &m->hosts[h];

		if (!nv_is_control(m, host))
			continue;
		*online += host->presence == RW_ONLINE;
		*silent += host->presence == RW_SUSPECT || host->lost;
	}
}

static bool has_control(const struct naive *m)
{
	uint64_t online, silent;

	control_group(m, &online, &silent);
	return online + silent >= 3;
}

static bool control_is_silent(const struct naive *m)
{
	uint64_t online, silent;

	control_group(m, &online, &silent);
	return is_silent(online, silent);
}

/* Whether a run of an active deployment is silent; or has exposed hosts and was started. */
static bool some_run(const struct naive *m, bool silent)
{
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		for (uint32_t r = 0; nv_is_active(m, d) && r < m->policy.ring_count; r++) {
			struct nv_figures f = nv_figures(m, d, r, -1);

			if (silent ? is_silent(f.online, f.silent)
				   : f.exposed > 0 && m->deployments[d].runs[r].step > 0)
				return true;
		}
	}
	return false;
}

bool nv_hides(const struct naive *m, struct rw_now now)
{
	return m->blackout || nv_blind_reason(m, now) != NULL;
}

bool nv_silence_is_evidence(const struct naive *m)
{
	return has_control(m) || (m->policy.has_witness && m->reachable);
}

static void set_dark(struct naive *m, bool dark)
{
	if (m->dark && !dark)
		stall(m);
	m->dark = dark;
}

void nv_witness(struct naive *m, bool reachable, struct rw_now now)
{
	nv_advance(m, now);
	if (!m->was_asked)
		return;
	m->reachable = reachable;
	set_dark(m, !reachable);
}

static void tick_blackout(struct naive *m)
{
	uint64_t patience_ms = m->policy.timing.offline_after_ms;

	if (control_is_silent(m)) {
		if (!m->blackout && !some_run(m, false))
			return;
		if (!m->blackout)
			m->was_extended = false;
		m->blackout = true;
		m->back_obs_ms = UINT64_MAX;
		if (some_run(m, true) && !m->was_extended) {
			m->was_extended = true;
			m->extended_obs_ms = m->obs_ms + patience_ms;
		}
	} else if (m->blackout) {
		if (m->back_obs_ms == UINT64_MAX)
			m->back_obs_ms = m->obs_ms;
		if (m->obs_ms - m->back_obs_ms >= patience_ms)
			m->blackout = false;
	}
}

static void tick_witness(struct naive *m, struct rw_now now)
{
	if (!m->policy.has_witness || !some_run(m, true) || has_control(m)) {
		m->was_asked = false;
		m->reachable = false;
		set_dark(m, false);
		return;
	}
	m->was_asked = true;
	set_dark(m, !m->reachable);
	(void)now;
}

/* ---- time -------------------------------------------------------- */

static void lose(struct naive *m, struct nv_host *host, struct rw_now now)
{
	if (host->maintenance_until_wall_ms > now.wall_ms) {
		host->due_obs_ms = m->obs_ms + host->maintenance_until_wall_ms - now.wall_ms;
		host->goodbye = RW_BYE_SENSOR_STOP;
		set_presence(host, RW_PLANNED, now);
		return;
	}
	/* Unknown for another reason than a restart, it was not heard lately. */
	bool lost = host->presence != RW_UNKNOWN || host->lost;

	set_presence(host, RW_OFFLINE, now);
	host->lost = lost;
	host->lost_obs_ms = m->obs_ms;
	if (nv_is_control(m, host)) {
		m->natural_failures++;
		host->control_silence_turn = m->turn;
	}
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		struct nv_exposure *e = &host->exposures[d];

		if (!e->is || !nv_is_active(m, d) || !e->heard)
			continue;
		e->acknowledged = false;
		e->recovered = false;
	}
}

enum which { GASPING, SUSPECTS, PLANNED, UNKNOWNS };

/* UINT64_MAX: it has no such deadline. */
static uint64_t deadline(const struct naive *m, const struct nv_host *host, enum which which)
{
	uint64_t patience_ms = m->policy.timing.offline_after_ms;

	if (!host->known)
		return UINT64_MAX;
	if (which == GASPING && host->gasping)
		return host->gasp_due_obs_ms;
	if (which == SUSPECTS && host->presence == RW_SUSPECT && !host->gasping)
		return host->heard_obs_ms + patience_ms;
	if (which == PLANNED && host->presence == RW_PLANNED)
		return host->due_obs_ms;
	if (which == UNKNOWNS &&
	    host->presence == RW_UNKNOWN) /* of this life or of the one before */
		return host->heard_obs_ms > 0 ? host->heard_obs_ms + patience_ms
					      : nv_listening_ms(m);
	return UINT64_MAX;
}

static bool let_one_go(struct naive *m, enum which which, struct rw_now now)
{
	struct nv_host *next = NULL;

	for (uint32_t h = 0; h < m->host_count; h++) {
		struct nv_host *host = &m->hosts[h];
		uint64_t due = deadline(m, host, which);

		if (due > m->obs_ms || (next != NULL && (due > deadline(m, next, which) ||
							 (due == deadline(m, next, which) &&
							  host->heard_turn > next->heard_turn))))
			continue;
		next = host;
	}
	if (next == NULL)
		return false;
	if (which == PLANNED && next->goodbye == RW_BYE_POWER_OFF)
		set_presence(next, RW_ABSENT, now);
	else
		lose(m, next, now);
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		const struct nv_exposure *e = &next->exposures[d];

		if (e->is && nv_is_active(m, d) && !next->excluded && nv_is_offline(e, next) &&
		    m->deployments[d].runs[e->ring].open)
			nv_note(m, d, (uint32_t)(next - m->hosts), NV_LINE_OFFLINE);
	}
	return true;
}

static void tick_hosts(struct naive *m)
{
	for (uint32_t h = 0; h < m->host_count; h++) {
		struct nv_host *host = &m->hosts[h];

		if (host->lost && host->presence == RW_OFFLINE && !m->blackout &&
		    m->obs_ms - host->lost_obs_ms >= m->policy.timing.suspect_after_ms)
			host->lost = false;
	}
}

static void tick_loops(struct naive *m)
{
	for (uint32_t h = 0; h < m->host_count; h++) {
		if (m->hosts[h].looping && m->hosts[h].loop_end_obs_ms <= m->obs_ms)
			m->hosts[h].looping = false;
	}
}

void nv_tick(struct naive *m, struct rw_now now)
{
	const char *blind;

	nv_advance(m, now);
	for (uint32_t h = 0; h < m->host_count; h++) {
		struct nv_host *host = &m->hosts[h];

		if (host->known && host->presence == RW_ONLINE &&
		    m->obs_ms - host->heard_obs_ms >= m->policy.timing.suspect_after_ms)
			set_presence(host, RW_SUSPECT, now);
	}
	blind = nv_blind_reason(m, now);
	if (blind == NULL)
		tick_blackout(m);
	if (blind == NULL || m->was_asked)
		tick_witness(m, now);
	while (let_one_go(m, GASPING, now))
		;
	tick_hosts(m);
	if (!m->dark && m->obs_ms >= m->extended_obs_ms) {
		for (int which = SUSPECTS; which <= UNKNOWNS; which++) {
			while (let_one_go(m, (enum which)which, now))
				;
		}
	}
	/* Those of one tick are weighed together. */
	nv_settle(m, false, now);
	tick_loops(m);
	for (uint32_t h = 0; h < m->host_count; h++) {
		uint64_t *aged_obs_ms = &m->hosts[h].aged_obs_ms;

		if (!nv_is_aged(m, h, now))
			*aged_obs_ms = 0;
		else if (*aged_obs_ms == 0)
			*aged_obs_ms = m->obs_ms;
	}

	bool hidden = nv_hides(m, now);

	nv_settle(m, m->was_hidden && !hidden, now);
	m->was_hidden = hidden;
	nv_bake(m, hidden);
	m->tick_obs_ms = m->obs_ms;
}

/* ---- age --------------------------------------------------------- */

bool nv_is_aged(const struct naive *m, uint32_t h, struct rw_now now)
{
	const struct nv_host *host = &m->hosts[h];
	uint64_t after_ms = m->policy.timing.retire_after_ms;

	if (after_ms == 0 || (host->presence != RW_OFFLINE && host->presence != RW_ABSENT))
		return false;
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		if (host->exposures[d].is && nv_is_active(m, d))
			return false;
	}
	return now.wall_ms > host->since_wall_ms + after_ms;
}

void nv_retire_by_age(struct naive *m, uint32_t h, uint64_t wall_ms)
{
	struct nv_host *host = &m->hosts[h];

	control_is_back(m, host);
	set_presence(host, RW_RETIRED, (struct rw_now){.wall_ms = wall_ms});
	host->by_age = true;
	host->aged_obs_ms = 0;
}

/* ---- restart ----------------------------------------------------- */

static void restart_host(struct naive *m, struct nv_host *host, struct rw_now now)
{
	uint32_t n = host->crash_count;

	if (!host->known)
		return;
	host->gasping = false;
	host->gasp_due_obs_ms = 0;
	host->aged_obs_ms = 0;
	host->lost = (host->presence == RW_OFFLINE && m->blackout) ||
		     (host->presence == RW_UNKNOWN && host->lost);
	host->lost_obs_ms = 0;
	host->clock_known = false;
	host->duplicate = false;
	host->blind_kinds = 0;
	host->newcomer = false;
	host->heard_obs_ms = 0;
	if (host->presence == RW_ONLINE || host->presence == RW_SUSPECT) {
		set_presence(host, RW_UNKNOWN, now);
		host->lost = true;
	}
	host->looping = is_loop(host) && now.wall_ms - host->crashes[n - 1].wall_ms < loop_ms;
	host->loop_end_obs_ms = loop_ms;
	for (uint32_t d = 0; d < NV_DEPLOYMENTS; d++) {
		host->exposures[d].placed_ms = UINT64_MAX;
	}
}

void nv_restart(struct naive *m, struct rw_now now)
{
	m->turn++;
	m->last_boot_ms = now.boot_ms;
	m->obs_ms = 0;
	m->tick_obs_ms = 0;
	m->stalled = false;
	m->was_hidden = true;
	m->sick = NULL;
	m->store_failed = false;
	m->was_extended = false;
	m->extended_obs_ms = 0;
	m->back_obs_ms = UINT64_MAX;
	m->dark = false;
	m->was_asked = false;
	m->reachable = false;
	for (uint32_t h = 0; h < m->host_count; h++)
		restart_host(m, &m->hosts[h], now);
	for (uint32_t d = 0; d < m->deployment_count; d++) {
		for (uint32_t r = 0; r < m->policy.ring_count; r++)
			m->deployments[d].runs[r].ran = false;
	}
}
