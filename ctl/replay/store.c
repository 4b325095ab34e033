/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a store's rows become statements.
 *
 *   hosts, transitions   a host enrols, falls silent (so that it turns suspect when
 *                        it did), says goodbye, comes back, moves
 *   events               the event, at the moment when the collector had it, of the
 *                        boot and boot clock that it had
 *   events of a reboot   and the Hello of the boot behind it: the next one that is
 *                        known of that host by any row
 *   deployments, audit   the acts
 *   exposures            of `reported` exposure: the host reports the version
 *
 * The play begins a week before the first deployment, or with the first row, so
 * that signatures and reboots that were there before are known.
 */
#include "ctl/replay/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/replay/verbs.h"
#include "ctl/store_file.h"
#include "lib/cleanup.h"
#include "lib/name.h"
#include "proto/wire.h"

_Static_assert((int)RW_EXPOSURE_REPORTED == 2, "the SQL below knows it by its number");

enum {
	MAGIC_BYTES = 16,
	SCHEMA_LEAST = 2,
	SCHEMA_MOST = 4,
	SETTLE_MS =
		2 * 60 * 1000, /* before the first row: the collector listens, hosts are heard */
	/* An event of a reboot arrives so long after the Hello of the boot behind it. */
	REBOOT_TOLD_MS = 60 * 1000,
	DAY_MS = 24 * 60 * 60 * 1000,
	WEEK_MS = 7 * DAY_MS,
};

struct boot {
	uint64_t order;
	uint64_t began_wall_ms; /* 0: not known */
};

struct reboot {
	uint64_t at_wall_ms; /* when it was told */
	uint64_t of_order;   /* the boot that ended */
	enum rw_boot_end end;
	bool used;
};

struct host {
	char name[RW_CORE_NAME_BYTES];
	char ring[RW_CORE_NAME_BYTES]; /* at the place where the reading is */
	enum rw_presence now;          /* of the store: as it is */
	bool seen_before; /* it did something before the play begins, or its first row */
	bool enrolled;
	uint64_t order; /* of the boot at the place where the reading is */
	struct boot *boots;
	uint32_t boot_count;
	struct reboot *reboots;
	uint32_t reboot_count;
};

struct reading {
	const char *path;
	struct rw_store_file file;
	sqlite3 *db; /* the file's */
	int64_t schema;
	const struct rw_policy *policy;
	struct rw_scenario *scenario;
	struct host *hosts; /* by name */
	uint32_t host_count;
	uint64_t begin_wall_ms, end_wall_ms;
	uint32_t sequence;
	char *error;
};

/* ---- the file ------------------------------------------------------------------------ */

bool rw_replay_is_store(const char *path)
{
	static const char magic[MAGIC_BYTES] = "SQLite format 3";
	char bytes[MAGIC_BYTES];
	rw_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes) &&
	       memcmp(bytes, magic, sizeof(magic)) == 0;
}

static int refuse(struct reading *r, int status, const char *complaint)
{
	snprintf(r->error, RW_SCENARIO_ERROR_BYTES, "%.256s: %.200s", r->path, complaint);
	return status;
}

static int refuse_sqlite(struct reading *r, int code)
{
	if (code == SQLITE_NOMEM)
		return refuse(r, -ENOMEM, "out of memory");
	return refuse(r, -EIO, sqlite3_errmsg(r->db));
}

static int open_store(struct reading *r)
{
	char complaint[RW_STORE_FILE_ERROR_BYTES];
	int err = rw_store_file_open(r->path, &r->file, complaint);

	if (err != 0)
		return refuse(r, err, complaint);
	r->db = r->file.db;
	int code = sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : refuse_sqlite(r, code);
}

/* ---- rows ------------------------------------------------------------------------------- */

typedef int row_fn(struct reading *r, sqlite3_stmt *row);

static uint64_t number(sqlite3_stmt *row, int column)
{
	return (uint64_t)sqlite3_column_int64(row, column);
}

static const char *text(sqlite3_stmt *row, int column)
{
	const char *value = (const char *)sqlite3_column_text(row, column);

	return value == NULL ? "" : value;
}

/* Each row of the query, which may take the begin as its one argument. */
static int each(struct reading *r, const char *sql, row_fn *fn)
{
	sqlite3_stmt *row = NULL;
	int code = sqlite3_prepare_v2(r->db, sql, -1, &row, NULL);
	int status = 0;

	if (code == SQLITE_OK && sqlite3_bind_parameter_count(row) > 0)
		code = sqlite3_bind_int64(row, 1, (sqlite3_int64)r->begin_wall_ms);
	if (code == SQLITE_OK) {
		while (status == 0 && (code = sqlite3_step(row)) == SQLITE_ROW)
			status = fn(r, row);
		if (code == SQLITE_DONE)
			code = SQLITE_OK;
	}
	if (status == 0 && code != SQLITE_OK)
		status = refuse_sqlite(r, code);
	sqlite3_finalize(row);
	return status;
}

static int by_name(const void *key, const void *host)
{
	return strcmp(key, ((const struct host *)host)->name);
}

static struct host *find(const struct reading *r, const char *name)
{
	return r->host_count == 0
		       ? NULL
		       : bsearch(name, r->hosts, r->host_count, sizeof(r->hosts[0]), by_name);
}

static bool copy_name(char out[RW_CORE_NAME_BYTES], const char *name)
{
	if (!rw_name_is_valid(name, strlen(name)))
		return false;
	memcpy(out, name, strlen(name) + 1);
	return true;
}

/* ---- statements ----------------------------------------------------------------------------- */

/* One at that moment, about `host` unless NULL; NULL: no memory. */
static struct rw_statement *state(struct reading *r, uint64_t at_wall_ms, enum rw_verb verb,
				  const struct host *host)
{
	struct rw_statement *statement = rw_scenario_add(r->scenario);

	if (statement == NULL) {
		refuse(r, -ENOMEM, "it holds too much for this machine's memory");
		return NULL;
	}
	statement->at_ms = at_wall_ms > r->begin_wall_ms ? at_wall_ms - r->begin_wall_ms : 0;
	statement->line = ++r->sequence;
	statement->verb = verb;
	if (host != NULL)
		statement->who = (struct rw_hosts_said){.how = RW_WHO_RANGE, .first = host->name};
	return statement;
}

static const char *keep(struct reading *r, const char *words)
{
	const char *kept = rw_scenario_keep_text(r->scenario, words);

	if (kept == NULL)
		refuse(r, -ENOMEM, "out of memory");
	return kept;
}

/* ---- what is there ----------------------------------------------------------------------------
 */

static int take_schema(struct reading *r, sqlite3_stmt *row)
{
	r->schema = sqlite3_column_int64(row, 0);
	return 0;
}

static int take_application(struct reading *r, sqlite3_stmt *row)
{
	return sqlite3_column_int64(row, 0) == RW_STORE_FILE_APPLICATION_ID
		       ? 0
		       : refuse(r, -EINVAL, "this is no store of a collector");
}

static int take_begin(struct reading *r, sqlite3_stmt *row)
{
	uint64_t first_wall_ms = number(row, 0), created_wall_ms = number(row, 1);

	if (created_wall_ms == 0)
		return refuse(r, -EINVAL,
			      "no deployment was ever created in it: there is nothing to judge");
	r->begin_wall_ms = created_wall_ms;
	if (first_wall_ms != 0 && first_wall_ms < created_wall_ms)
		r->begin_wall_ms = first_wall_ms;
	if (created_wall_ms - r->begin_wall_ms > WEEK_MS)
		r->begin_wall_ms = created_wall_ms - WEEK_MS;
	r->begin_wall_ms -= r->begin_wall_ms > SETTLE_MS ? SETTLE_MS : r->begin_wall_ms;
	r->end_wall_ms = number(row, 2);
	return 0;
}

/* `heard` says nothing of the first row: only of the last. */
static const char begin_sql[] =
	"SELECT min(at), min(created), max(until) FROM ("
	" SELECT at_wall_ms AS at, NULL AS created, at_wall_ms AS until"
	"  FROM transitions"
	" UNION ALL SELECT received_wall_ms, NULL, received_wall_ms FROM events"
	" UNION ALL SELECT at_wall_ms, NULL, at_wall_ms FROM audit"
	" UNION ALL SELECT NULL, NULL, heard_wall_ms FROM hosts"
	" UNION ALL SELECT created_wall_ms, created_wall_ms, created_wall_ms"
	"  FROM deployments)";

static int take_host(struct reading *r, sqlite3_stmt *row)
{
	struct host *hosts = reallocarray(r->hosts, r->host_count + 1, sizeof(*hosts));

	if (hosts == NULL)
		return refuse(r, -ENOMEM, "out of memory");
	r->hosts = hosts;
	if (r->host_count == RW_SCENARIO_HOSTS_MAX)
		return refuse(r, -EINVAL, "it holds more than 100000 hosts");

	struct host *host = &r->hosts[r->host_count];

	*host = (struct host){.now = (enum rw_presence)number(row, 2)};
	if (!copy_name(host->name, text(row, 0)) || !copy_name(host->ring, text(row, 1)))
		return refuse(r, -EINVAL, "a host or ring in it has no valid name");
	r->host_count++;
	return 0;
}

static int take_boot(struct reading *r, sqlite3_stmt *row)
{
	struct host *host = find(r, text(row, 0));

	if (host == NULL)
		return 0;

	struct boot *boots = reallocarray(host->boots, host->boot_count + 1, sizeof(*boots));

	if (boots == NULL)
		return refuse(r, -ENOMEM, "out of memory");
	host->boots = boots;
	boots[host->boot_count++] = (struct boot){number(row, 1), number(row, 2)};
	return 0;
}

static const char boots_sql[] =
	"SELECT host, boot_order, coalesce(max(0, min(began)), 0) FROM ("
	" SELECT host, boot_order, CASE WHEN boot_ms > 0 THEN at_wall_ms - boot_ms END AS began"
	"  FROM events"
	" UNION ALL SELECT host, boot_order, NULL FROM hosts"
	" UNION ALL SELECT host, boot_order, NULL FROM exposures)"
	" WHERE boot_order > 0 GROUP BY host, boot_order ORDER BY host, boot_order";

static int take_reboot(struct reading *r, sqlite3_stmt *row)
{
	struct host *host = find(r, text(row, 0));

	if (host == NULL)
		return 0;

	struct reboot *reboots =
		reallocarray(host->reboots, host->reboot_count + 1, sizeof(*reboots));

	if (reboots == NULL)
		return refuse(r, -ENOMEM, "out of memory");
	host->reboots = reboots;
	reboots[host->reboot_count++] = (struct reboot){
		.at_wall_ms = number(row, 2),
		.of_order = number(row, 3),
		.end = strcmp(text(row, 1), "planned_reboot") == 0 ? RW_END_ORDERLY
								   : RW_END_UNEXPECTED,
	};
	return 0;
}

/* Who did anything before it first turned online was there before. */
static int take_earlier(struct reading *r, sqlite3_stmt *row)
{
	struct host *host = find(r, text(row, 0));

	if (host != NULL)
		host->seen_before = true;
	return 0;
}

static const char earlier_sql[] = "SELECT h.host FROM hosts h LEFT JOIN transitions t ON t.row_id ="
				  " (SELECT min(row_id) FROM transitions WHERE host = h.host)"
				  " WHERE t.row_id IS NULL OR t.was <> 0 OR t.at_wall_ms < ?1"
				  " OR EXISTS (SELECT 1 FROM events e WHERE e.host = h.host"
				  "  AND e.received_wall_ms < t.at_wall_ms)";

/* ---- boots
 * --------------------------------------------------------------------------------------- */

/* The next boot of the host that any row knows of; NULL: none. */
static const struct boot *boot_after(const struct host *host, uint64_t order)
{
	for (uint32_t i = 0; i < host->boot_count; i++) {
		if (host->boots[i].order > order)
			return &host->boots[i];
	}
	return NULL;
}

static uint64_t clock_of(const struct boot *boot, uint64_t at_wall_ms, uint64_t otherwise)
{
	return boot->began_wall_ms != 0 && boot->began_wall_ms < at_wall_ms
		       ? at_wall_ms - boot->began_wall_ms
		       : otherwise;
}

/* The Hello of the boot behind `of_order`, or of the same boot when none is known. */
static int come_back(struct reading *r, struct host *host, uint64_t at_wall_ms, uint64_t of_order,
		     enum rw_boot_end end)
{
	const struct boot *boot = boot_after(host, of_order > host->order ? of_order : host->order);
	struct rw_statement *back = state(r, at_wall_ms, RW_VERB_BACK, host);

	if (back == NULL)
		return -ENOMEM;
	if (boot == NULL)
		return 0;
	host->order = boot->order;
	back->boot_order = boot->order;
	back->boot_ms = clock_of(boot, at_wall_ms, 0);
	back->end = end;
	back->end_given = true;
	return 0;
}

static struct reboot *reboot_told_at(struct host *host, uint64_t at_wall_ms)
{
	for (uint32_t i = 0; i < host->reboot_count; i++) {
		struct reboot *reboot = &host->reboots[i];

		if (!reboot->used && reboot->at_wall_ms + 1000 >= at_wall_ms &&
		    reboot->at_wall_ms <= at_wall_ms + REBOOT_TOLD_MS)
			return reboot;
	}
	return NULL;
}

/* ---- presence
 * -------------------------------------------------------------------------------------- */

static int go_silent(struct reading *r, struct host *host, uint64_t at_wall_ms)
{
	struct rw_statement *silent = state(r, at_wall_ms, RW_VERB_SLEEP, host);

	if (silent == NULL)
		return -ENOMEM;
	silent->late = true; /* it is heard a last time, just then */
	return 0;
}

static int say_goodbye(struct reading *r, struct host *host, uint64_t at_wall_ms,
		       enum rw_goodbye kind)
{
	struct rw_statement *goodbye = state(r, at_wall_ms, RW_VERB_GOODBYE, host);

	if (goodbye == NULL)
		return -ENOMEM;
	goodbye->goodbye = kind;
	goodbye->ms = r->policy->timing.max_planned_ms;
	goodbye->more_ms = RW_SCENARIO_NEVER;
	return 0;
}

static int enrol(struct reading *r, struct host *host, const char *ring, uint64_t at_wall_ms)
{
	struct rw_statement *hosts = state(r, at_wall_ms, RW_VERB_HOSTS, host);

	if (hosts == NULL)
		return -ENOMEM;
	hosts->count = 1;
	hosts->more_ms = RW_SCENARIO_NEVER; /* the name itself */
	hosts->ring = keep(r, ring);
	host->enrolled = true;
	if (host->boot_count > 0) {
		host->order = host->boots[0].order;
		hosts->boot_order = host->order;
		hosts->boot_ms = clock_of(&host->boots[0], at_wall_ms, DAY_MS);
	}
	return hosts->ring == NULL ? -ENOMEM : 0;
}

/* There from the beginning, as it was then. */
static int enrol_as(struct reading *r, struct host *host, const char *ring, enum rw_presence was)
{
	int status = enrol(r, host, ring, r->begin_wall_ms);

	if (status != 0)
		return status;
	if (was == RW_OFFLINE)
		return go_silent(r, host, r->begin_wall_ms);
	if (was == RW_PLANNED)
		return say_goodbye(r, host, r->begin_wall_ms, RW_BYE_REBOOT);
	if (was == RW_ABSENT)
		return say_goodbye(r, host, r->begin_wall_ms, RW_BYE_POWER_OFF);
	return 0;
}

static int change_presence(struct reading *r, struct host *host, uint64_t at_wall_ms,
			   enum rw_presence was, enum rw_presence is, enum rw_presence then)
{
	uint64_t suspect_ms = r->policy->timing.suspect_after_ms;
	struct reboot *reboot;

	switch (is) {
	case RW_ONLINE:
		reboot = reboot_told_at(host, at_wall_ms);
		if (reboot != NULL) {
			reboot->used = true;
			return come_back(r, host, at_wall_ms, reboot->of_order, reboot->end);
		}
		if (was == RW_PLANNED || was == RW_ABSENT)
			return come_back(r, host, at_wall_ms, 0, RW_END_ORDERLY);
		return state(r, at_wall_ms, RW_VERB_BACK, host) == NULL ? -ENOMEM : 0;
	case RW_SUSPECT:
		return go_silent(r, host, at_wall_ms > suspect_ms ? at_wall_ms - suspect_ms : 0);
	case RW_OFFLINE:
		/* one that was not heard of since the collector came back is silent */
		return was == RW_UNKNOWN ? go_silent(r, host, at_wall_ms) : 0;
	case RW_PLANNED:
		return say_goodbye(r, host, at_wall_ms,
				   then == RW_ABSENT ? RW_BYE_POWER_OFF : RW_BYE_REBOOT);
	default:
		return 0;
	}
}

static int take_transition(struct reading *r, sqlite3_stmt *row)
{
	struct host *host = find(r, text(row, 1));
	uint64_t at_wall_ms = number(row, 0);
	const char *ring = text(row, 2);
	enum rw_presence was = (enum rw_presence)number(row, 3);
	enum rw_presence is = (enum rw_presence)number(row, 4);
	int status = 0;

	if (host == NULL || !rw_name_is_valid(ring, strlen(ring)))
		return 0;
	if (!host->enrolled && !host->seen_before) {
		memcpy(host->ring, ring, strlen(ring) + 1);
		return enrol(r, host, ring, at_wall_ms);
	}
	if (!host->enrolled) {
		memcpy(host->ring, ring, strlen(ring) + 1);
		status = enrol_as(r, host, ring, was);
	}
	if (status == 0 && strcmp(host->ring, ring) != 0) {
		struct rw_statement *move = state(r, at_wall_ms, RW_VERB_MOVE, host);

		memcpy(host->ring, ring, strlen(ring) + 1);
		if (move == NULL || (move->ring = keep(r, ring)) == NULL)
			return -ENOMEM;
	}
	return status != 0 ? status
			   : change_presence(r, host, at_wall_ms, was, is,
					     (enum rw_presence)number(row, 5));
}

static const char transitions_sql[] =
	"SELECT t.at_wall_ms, t.host, t.ring, t.was, t.is_now, coalesce((SELECT n.is_now FROM"
	" transitions n WHERE n.host = t.host AND n.row_id > t.row_id ORDER BY n.row_id LIMIT 1),"
	" (SELECT h.presence FROM hosts h WHERE h.host = t.host)) FROM transitions t"
	" WHERE t.at_wall_ms >= ?1 ORDER BY t.row_id";

/* What was there and did not change while the play lasts. */
static int enrol_rest(struct reading *r)
{
	int status = 0;

	for (uint32_t i = 0; status == 0 && i < r->host_count; i++) {
		struct host *host = &r->hosts[i];

		if (!host->enrolled && host->now != RW_RETIRED)
			status = enrol_as(r, host, host->ring, host->now);
		for (uint32_t j = 0; status == 0 && j < host->reboot_count; j++) {
			const struct reboot *reboot = &host->reboots[j];
			if (!reboot->used && host->enrolled)
				status = come_back(r, host, reboot->at_wall_ms, reboot->of_order,
						   reboot->end);
		}
	}
	return status;
}

/* ---- events
 * ------------------------------------------------------------------------------------------ */

static int take_event(struct reading *r, sqlite3_stmt *row)
{
	const struct host *host = find(r, text(row, 1));
	Ringwatch__V1__Kind kind;

	if (host == NULL || !host->enrolled || rw_kind_parse(text(row, 2), &kind) != 0)
		return 0;

	struct rw_statement *event = state(r, number(row, 0), RW_VERB_EVENT, host);

	if (event == NULL)
		return -ENOMEM;
	event->kind = (uint32_t)kind;
	event->boot_order = number(row, 3);
	event->boot_ms = number(row, 4);
	event->error = (int)sqlite3_column_int64(row, 5);
	event->text = keep(r, text(row, 6));
	event->subject = event->text == NULL ? NULL : keep(r, text(row, 7));
	event->event = event->subject == NULL ? NULL : keep(r, text(row, 8));
	return event->event == NULL ? -ENOMEM : 0;
}

/* ---- acts
 * -----------------------------------------------------------------------------------------------
 */

/* "d1 d2 d3" */
static bool split_rings(struct rw_deployment_row *row, const char *rings)
{
	while (*rings != '\0') {
		size_t length = strcspn(rings, " ");

		if (row->ring_count == RW_CORE_RINGS_MAX || !rw_name_is_valid(rings, length))
			return false;
		memcpy(row->rings[row->ring_count++], rings, length);
		rings += length + (rings[length] == ' ');
	}
	return row->ring_count > 0;
}

static int take_deployment(struct reading *r, sqlite3_stmt *row)
{
	struct rw_deployment_row *spec =
		rw_scenario_keep(r->scenario, calloc(1, sizeof(struct rw_deployment_row)));
	struct rw_statement *create = state(r, number(row, 0), RW_VERB_DEPLOY_CREATE, NULL);

	if (spec == NULL || create == NULL)
		return refuse(r, -ENOMEM, "out of memory");
	if (!copy_name(spec->id, text(row, 1)) || !copy_name(spec->component, text(row, 2)) ||
	    !split_rings(spec, text(row, 5)))
		return refuse(r, -EINVAL, "a deployment in it has no valid name or ring");
	snprintf(spec->version, sizeof(spec->version), "%s", text(row, 3));
	spec->exposure = (enum rw_exposure_mode)number(row, 4);
	snprintf(spec->match, sizeof(spec->match), "%s", text(row, 6));
	create->deployment = spec->id;
	create->row = spec;
	return 0;
}

static const struct {
	const char *action;
	enum rw_verb verb;
} acts[] = {
	{"deploy_start", RW_VERB_DEPLOY_START},
	{"deploy_finish", RW_VERB_DEPLOY_FINISH},
	{"deploy_withdraw", RW_VERB_DEPLOY_WITHDRAW},
	{"deploy_reset", RW_VERB_DEPLOY_RESET},
	{"host_retire", RW_VERB_HOST_RETIRE},
	{"host_enrol", RW_VERB_HOST_ENROL},
	{"host_exclude", RW_VERB_HOST_EXCLUDE},
	{"host_maintenance", RW_VERB_HOST_MAINTENANCE},
};

/* Copies the value behind "KEY=" in "KEY=VALUE KEY=VALUE"; false: there is none. */
static bool value_of(const char *words, const char *key, char out[RW_CORE_NAME_BYTES])
{
	size_t key_length = strlen(key);

	while (*words != '\0') {
		size_t length = strcspn(words, " ");

		if (length > key_length + 1 && length - key_length - 1 < RW_CORE_NAME_BYTES &&
		    memcmp(words, key, key_length) == 0 && words[key_length] == '=') {
			memcpy(out, words + key_length + 1, length - key_length - 1);
			out[length - key_length - 1] = '\0';
			return true;
		}
		words += length + (words[length] == ' ');
	}
	return false;
}

static int take_act_on_host(struct reading *r, sqlite3_stmt *row, enum rw_verb verb)
{
	char value[RW_CORE_NAME_BYTES];
	const struct host *host = value_of(text(row, 2), "host", value) ? find(r, value) : NULL;

	if (host == NULL || !host->enrolled)
		return 0;

	struct rw_statement *act = state(r, number(row, 0), verb, host);

	if (act == NULL)
		return -ENOMEM;
	if (verb == RW_VERB_HOST_MAINTENANCE && value_of(text(row, 3), "seconds", value))
		act->ms = strtoull(value, NULL, 10) * 1000;
	return 0;
}

static int take_act(struct reading *r, sqlite3_stmt *row)
{
	char deployment[RW_CORE_NAME_BYTES], value[RW_CORE_NAME_BYTES];
	size_t i = 0;

	while (i < sizeof(acts) / sizeof(acts[0]) && strcmp(acts[i].action, text(row, 1)) != 0)
		i++;
	if (i == sizeof(acts) / sizeof(acts[0]))
		return 0;
	if (acts[i].verb >= RW_VERB_HOST_RETIRE)
		return take_act_on_host(r, row, acts[i].verb);
	if (!value_of(text(row, 2), "deployment", deployment))
		return 0;

	struct rw_statement *act = state(r, number(row, 0), acts[i].verb, NULL);

	if (act == NULL || (act->deployment = keep(r, deployment)) == NULL)
		return -ENOMEM;
	if (value_of(text(row, 2), "ring", value) && (act->ring = keep(r, value)) == NULL)
		return -ENOMEM;
	act->count = value_of(text(row, 3), "step", value) ? strtoull(value, NULL, 10) : 1;
	act->text = keep(r, text(row, 3));
	return act->text == NULL ? -ENOMEM : 0;
}

/* Hosts that took a deployment of `reported` exposure by themselves. */
static int take_report(struct reading *r, sqlite3_stmt *row)
{
	const struct host *host = find(r, text(row, 1));

	if (host == NULL || !host->enrolled)
		return 0;

	struct rw_statement *report = state(r, number(row, 0), RW_VERB_REPORT, host);

	if (report == NULL || (report->subject = keep(r, text(row, 2))) == NULL)
		return -ENOMEM;
	report->text = keep(r, text(row, 3));
	return report->text == NULL ? -ENOMEM : 0;
}

/* ---- the whole
 * ---------------------------------------------------------------------------------------- */

static int read_hosts(struct reading *r)
{
	int status = each(r, "SELECT host, ring, presence FROM hosts ORDER BY host", take_host);

	/* statements name hosts by their names in here */
	if (r->hosts != NULL && rw_scenario_keep(r->scenario, r->hosts) == NULL) {
		r->hosts = NULL;
		r->host_count = 0;
		return refuse(r, -ENOMEM, "out of memory");
	}
	if (status == 0)
		status = each(r, boots_sql, take_boot);
	if (status == 0)
		status = each(r,
			      "SELECT host, kind, received_wall_ms, boot_order FROM events WHERE"
			      " kind IN ('unexpected_reboot', 'planned_reboot') AND"
			      " received_wall_ms >= ?1 ORDER BY received_wall_ms, row_id",
			      take_reboot);
	return status != 0 ? status : each(r, earlier_sql, take_earlier);
}

static int read_schema(struct reading *r)
{
	int status = each(r, "PRAGMA application_id", take_application);

	if (status == 0)
		status = each(r, "PRAGMA user_version", take_schema);
	if (status == 0 && (r->schema < SCHEMA_LEAST || r->schema > SCHEMA_MOST))
		return refuse(r, -EINVAL, "its schema is another one, expected 2 to 4");
	return status;
}

#define EVENTS_SQL(which)                                                                          \
	"SELECT received_wall_ms, host, kind, boot_order, boot_ms, error, signature, module,"      \
	" host || '/' || lower(hex(spool_id)) || '/' || sequence FROM events"                      \
	" WHERE received_wall_ms >= ?1" which " ORDER BY received_wall_ms, row_id"

/* In this order for what has one time: hosts are there before anything is done to them,
 * and what they did before people did something about it. */
static int read_all(struct reading *r)
{
	int status = open_store(r);

	if (status == 0)
		status = read_schema(r);
	if (status == 0)
		status = each(r, begin_sql, take_begin);
	if (status == 0)
		status = read_hosts(r);
	if (status == 0)
		status = each(r, transitions_sql, take_transition);
	if (status == 0)
		status = enrol_rest(r);
	if (status == 0)
		status = each(r, r->schema < 4 ? EVENTS_SQL("") : EVENTS_SQL(" AND drill = ''"),
			      take_event);
	if (status == 0)
		status = each(r,
			      r->schema < 3
				      ? "SELECT created_wall_ms, deployment, component, version,"
					" exposure, rings, '' FROM deployments ORDER BY row_id"
				      : "SELECT created_wall_ms, deployment, component, version,"
					" exposure, rings, match FROM deployments ORDER BY row_id",
			      take_deployment);
	if (status == 0)
		status = each(r,
			      "SELECT at_wall_ms, action, subject, detail FROM audit WHERE"
			      " at_wall_ms >= ?1 ORDER BY row_id",
			      take_act);
	if (status == 0 && r->schema >= 3)
		status = each(r,
			      "SELECT e.at_wall_ms, e.host, d.match, d.version FROM exposures e"
			      " JOIN deployments d USING (deployment) WHERE d.exposure = 2"
			      " ORDER BY e.at_wall_ms",
			      take_report);
	if (status == 0 && state(r, r->end_wall_ms, RW_VERB_END, NULL) == NULL)
		status = -ENOMEM;
	return status;
}

int rw_replay_read_store(const char *path, const struct rw_policy *policy, struct rw_scenario *out,
			 char error[RW_SCENARIO_ERROR_BYTES])
{
	struct reading r = {.path = path, .policy = policy, .scenario = out, .error = error};

	*out = (struct rw_scenario){.path = path, .policy = *policy, .is_store = true};

	int status = read_all(&r);

	rw_store_file_close(&r.file);
	for (uint32_t i = 0; i < r.host_count; i++) {
		free(r.hosts[i].boots);
		free(r.hosts[i].reboots);
	}
	if (status != 0)
		return status;
	out->wall_ms = r.begin_wall_ms;
	/* the longest that no host is late for, since nothing is known of each heartbeat */
	out->beat_ms = policy->timing.suspect_after_ms - 2 * (uint64_t)RW_CORE_TICK_MS;
	rw_scenario_sort(out);
	return rw_scenario_set_policy(out, policy, error);
}
