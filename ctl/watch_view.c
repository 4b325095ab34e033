/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of `ringwatch watch`: from what is known to lines; see watch.h. */
#include <stdarg.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/verdict.h"
#include "ctl/watch.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

enum {
	INDENT = 4,
	LABEL = 9,
	VERDICT = 9,
	NAME_MAX_COLUMNS = 24,
	BAR_MAX = 40,
	NARROW = 60,
	LISTS_LEAST = 6, /* lines that events and signatures should have */
};

/* Its width in columns when it has its names in columns. */
struct layout {
	size_t ring;
	size_t deployment;
};

static bool is_stale(const struct rw_watch *watch)
{
	return watch->trouble[0] != '\0' || watch->answered_ms == 0;
}

/* ---- verdicts -------------------------------------------------------------- */

/* What the row's answers amount to: an exit status of `verdict`; RW_CTL_FAILED is none. */
static int status_of(const struct rw_watch_row *row)
{
	const char *word = rw_view_text(row->run, "verdict");

	if (row->verdict != NULL)
		return rw_verdict_status(row->verdict, rw_watch_deployment(row), rw_watch_ring(row),
					 NULL);
	if (strcmp(word, "proceed") == 0)
		return strcmp(rw_view_text(row->run, "breaker"), "closed") == 0 ? RW_CTL_DONE
										: RW_CTL_FAILED;
	if (strcmp(word, "abort") == 0)
		return RW_CTL_ABORT;
	return strcmp(word, "hold") == 0 ? RW_CTL_HOLD : RW_CTL_FAILED;
}

/* What was a green light is none once nobody answers; what was red stays so. */
static void put_verdict(struct rw_lines *out, const struct rw_watch *watch,
			const struct rw_watch_row *row)
{
	int status = row->run == NULL ? -1 : status_of(row);
	bool stale = is_stale(watch);

	if (status < 0)
		rw_lines_cell(out, RW_DIM, "-", VERDICT);
	else if (status == RW_CTL_ABORT)
		rw_lines_cell(out, RW_BAD, stale ? "ABORT?" : "ABORT", VERDICT);
	else if (stale || status == RW_CTL_FAILED)
		rw_lines_cell(out, RW_CAREFUL, "HOLD?", VERDICT);
	else if (status == RW_CTL_DONE)
		rw_lines_cell(out, RW_GOOD, "PROCEED", VERDICT);
	else
		rw_lines_cell(out, RW_CAREFUL, "HOLD", VERDICT);
}

static const json_t *reasons_of(const struct rw_watch_row *row)
{
	return json_object_get(row->verdict != NULL ? row->verdict : row->run, "reasons");
}

/* ---- bars ------------------------------------------------------------------ */

static void put_cells(struct rw_lines *out, enum rw_style style, const char *cell, size_t count)
{
	char cells[BAR_MAX * 4 + 1] = "";
	size_t length = strlen(cell);

	for (size_t i = 0; i < count && i < BAR_MAX; i++)
		memcpy(cells + i * length, cell, length + 1);
	rw_lines_put(out, style, cells);
}

static size_t bar_columns(const struct rw_lines *out)
{
	size_t columns = out->width / 5;

	return columns > BAR_MAX ? BAR_MAX : columns;
}

static void put_progress(struct rw_lines *out, uint64_t observed, uint64_t required, size_t columns)
{
	size_t filled = required == 0 || observed >= required
				? columns
				: (size_t)((double)observed / (double)required * (double)columns);

	if (columns == 0)
		return;
	rw_lines_put(out, RW_DIM, "[");
	put_cells(out, RW_BOLD, out->utf8 ? "█" : "#", filled);
	put_cells(out, RW_DIM, out->utf8 ? "░" : ".", columns - filled);
	rw_lines_put(out, RW_DIM, "] ");
}

static const struct state {
	const char *name;
	const char *cell; /* told apart without colour, too */
	enum rw_style style;
} states[] = {
	{"online", "#", RW_GOOD},   {"suspect", "?", RW_CAREFUL}, {"offline", "x", RW_BAD},
	{"planned", "-", RW_PLAIN}, {"absent", "a", RW_PLAIN},    {"unknown", ".", RW_CAREFUL},
};
enum { STATES = sizeof(states) / sizeof(states[0]) };

/* Each state that there is has a cell at least. */
static void put_hosts_bar(struct rw_lines *out, const json_t *hosts, size_t columns, bool stale)
{
	uint64_t all = rw_view_count(hosts, "enrolled");
	size_t cells[STATES] = {0};
	size_t used = 0;

	if (all == 0 || columns < STATES)
		return;
	for (size_t i = 1; i < STATES; i++) {
		uint64_t count = rw_view_count(hosts, states[i].name);
		double share = count >= all ? 1.0 : (double)count / (double)all;
		cells[i] = (size_t)(share * (double)(columns - STATES));
		if (cells[i] == 0 && count > 0)
			cells[i] = 1;
		used += cells[i];
	}
	if (rw_view_count(hosts, "online") > 0)
		cells[0] = used < columns ? columns - used : 0;
	rw_lines_put(out, RW_DIM, "[");
	for (size_t i = 0; i < STATES; i++)
		put_cells(out, stale ? RW_DIM : states[i].style,
			  i == 0 && out->utf8 ? "█" : states[i].cell, cells[i]);
	rw_lines_put(out, RW_DIM, "] ");
}

/* ---- a row in full --------------------------------------------------------- */

static void begin_label(struct rw_lines *out, const char *label)
{
	rw_lines_begin(out);
	rw_lines_cell(out, RW_PLAIN, "", INDENT);
	rw_lines_cell(out, RW_DIM, label, LABEL);
}

static void wrap(struct rw_lines *out, enum rw_style style, const char *text)
{
	rw_lines_wrap(out, style, text, INDENT + LABEL);
}

__attribute__((format(printf, 3, 4))) static void wrapf(struct rw_lines *out, enum rw_style style,
							const char *fmt, ...)
{
	char text[RW_VIEW_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	wrap(out, style, text);
}

typedef void sentence_fn(FILE *to, const json_t *answer);

/* A sentence of verdict.c behind a label. */
static void wrap_sentence(struct rw_lines *out, const char *label, sentence_fn *say,
			  const json_t *answer)
{
	rw_autofree char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	if (to == NULL)
		return;
	say(to, answer);
	if (fclose(to) != 0)
		return;
	begin_label(out, label);
	wrap(out, RW_PLAIN, text);
}

static void put_bake(struct rw_lines *out, const struct rw_watch_row *row)
{
	const json_t *bake = json_object_get(row->verdict, "bake");
	uint64_t observed = rw_view_count(row->run, "observed_seconds");
	uint64_t required = rw_view_count(row->run, "required_seconds");
	const char *state = rw_view_text(row->run, "bake");

	if (bake != NULL) {
		observed = rw_view_count(bake, "observed_seconds");
		required = rw_view_count(bake, "required_seconds");
		state = rw_view_text(bake, "state");
	}
	begin_label(out, "bake");
	if (strcmp(state, "not_started") == 0) {
		wrapf(out, RW_PLAIN, "not started; %s a step", rw_view_seconds(required).text);
		return;
	}
	put_progress(out, observed, required, bar_columns(out));
	wrapf(out, RW_PLAIN, "%s of %s, %s", rw_view_seconds(observed).text,
	      rw_view_seconds(required).text, state);
	if (observed < required)
		wrapf(out, RW_BOLD, ", %s left", rw_view_seconds(required - observed).text);
	wrapf(out, RW_PLAIN, "; step %llu of %llu",
	      (unsigned long long)rw_view_count(row->run, "step"),
	      (unsigned long long)rw_view_count(row->run, "steps"));
}

static void put_hosts(struct rw_lines *out, const struct rw_watch_row *row, bool stale)
{
	const json_t *hosts = json_object_get(row->ring, "hosts");

	begin_label(out, "hosts");
	put_hosts_bar(out, hosts, bar_columns(out), stale);
	wrapf(out, RW_PLAIN, "%s enrolled", rw_view_number(rw_view_count(hosts, "enrolled")).text);
	for (size_t i = 0; i < STATES; i++) {
		uint64_t count = rw_view_count(hosts, states[i].name);
		if (count == 0)
			continue;
		wrapf(out, stale || i == 0 ? RW_PLAIN : states[i].style, ", %s %s",
		      rw_view_number(count).text, states[i].name);
	}
	if (row->run == NULL)
		return;
	wrapf(out, RW_PLAIN, "; %s exposed",
	      rw_view_number(rw_view_count(row->run, "exposed")).text);
	const json_t *exposed = json_object_get(row->verdict, "hosts");
	if (rw_view_count(exposed, "unheard") > 0)
		wrapf(out, RW_CAREFUL, ", %s of them never heard",
		      rw_view_number(rw_view_count(exposed, "unheard")).text);
}

/* k of n, and the limit of the rule that counts them all. */
static void failed_of(const struct rw_watch_row *row, uint64_t *k, uint64_t *n, double *limit)
{
	const json_t *failed = json_object_get(row->verdict, "failed");

	*k = rw_view_count(row->run, "failed");
	*n = rw_view_count(row->run, "at_risk");
	*limit = rw_view_real(json_object_get(row->ring, "limits"), "failed");
	if (failed == NULL)
		return;
	*k = rw_view_count(failed, "count");
	*n = rw_view_count(failed, "hosts");
	*limit = rw_view_real(failed, "limit");
}

/* A negative one is not judged. */
static struct rw_view limit_text(double limit)
{
	return limit < 0 ? rw_view_safe("none") : rw_view_share(limit);
}

static void put_failed(struct rw_lines *out, const struct rw_watch_row *row)
{
	const json_t *failed = json_object_get(row->verdict, "failed");
	uint64_t k;
	uint64_t n;
	double limit;

	failed_of(row, &k, &n, &limit);
	begin_label(out, "failed");
	wrapf(out, k > 0 ? RW_BAD : RW_BOLD, "%s of %s at risk", rw_view_number(k).text,
	      rw_view_number(n).text);
	if (failed == NULL) {
		wrapf(out, RW_PLAIN, ", limit %s", limit_text(limit).text);
		return;
	}
	wrapf(out, RW_PLAIN, " = %s, limit %s", rw_view_share(rw_view_real(failed, "ratio")).text,
	      limit_text(limit).text);
	if (k > 0)
		wrapf(out, RW_PLAIN, "; at least %s with 95%% (%llu crashed, %llu offline)",
		      rw_view_share(rw_view_real(failed, "lower95")).text,
		      (unsigned long long)rw_view_count(failed, "crashed"),
		      (unsigned long long)rw_view_count(failed, "offline"));
	wrap_sentence(out, "bounds", rw_verdict_bounds, row->verdict);
}

static void put_breaker(struct rw_lines *out, const struct rw_watch_row *row)
{
	const json_t *breaker = json_object_get(row->verdict, "breaker");
	bool open = strcmp(rw_view_text(breaker, "state"), "open") == 0 ||
		    strcmp(rw_view_text(row->run, "breaker"), "open") == 0;

	if (!open)
		return;
	begin_label(out, "breaker");
	wrap(out, RW_BAD, "OPEN");
	if (breaker == NULL) {
		wrap(out, RW_PLAIN, " by rule ");
		wrap(out, RW_PLAIN, rw_view_text(row->run, "rule"));
		return;
	}
	wrap(out, RW_PLAIN, " since ");
	wrap(out, RW_PLAIN, rw_view_time(rw_view_text(breaker, "opened_at")).text);
	wrap(out, RW_PLAIN, ", by rule ");
	wrap(out, RW_PLAIN, rw_view_text(breaker, "rule"));
	wrap(out, RW_PLAIN, "; stays open until it is reset");
	if (strcmp(rw_view_text(breaker, "grade"), "evidence") == 0)
		wrap_sentence(out, "", rw_verdict_grade, breaker);
}

static void put_reasons(struct rw_lines *out, const struct rw_watch_row *row)
{
	const json_t *reasons = reasons_of(row);

	for (size_t i = 0; i < json_array_size(reasons); i++) {
		const char *name = json_string_value(json_array_get(reasons, i));
		if (name == NULL)
			continue;
		const char *words = rw_verdict_reason(name);
		begin_label(out, i == 0 ? "why" : "");
		if (words[0] == '\0') {
			wrap(out, RW_PLAIN, name);
			continue;
		}
		wrap(out, RW_PLAIN, words);
		wrap(out, RW_DIM, " (");
		wrap(out, RW_DIM, name);
		wrap(out, RW_DIM, ")");
	}
	if (status_of(row) == RW_CTL_FAILED) {
		begin_label(out, json_array_size(reasons) == 0 ? "why" : "");
		wrap(out, RW_CAREFUL, "the collector's answer contradicts itself: treat as hold");
	}
	const json_t *warnings = json_object_get(row->verdict, "warnings");
	if (json_array_size(warnings) > 0) {
		begin_label(out, "warnings");
		wrap(out, RW_CAREFUL, rw_view_words(warnings).text);
	}
}

/* ---- rows ------------------------------------------------------------------ */

static void put_name(struct rw_lines *out, enum rw_style style, const char *name, size_t columns)
{
	if (columns > 0) {
		rw_lines_cell(out, style, name, columns);
		rw_lines_put(out, RW_PLAIN, " ");
	} else {
		rw_lines_put(out, style, name);
		rw_lines_put(out, RW_PLAIN, " ");
	}
}

/* Verdict and names first: they are seen on the narrowest screen. */
static void put_title(struct rw_lines *out, const struct rw_watch *watch, size_t index,
		      const struct layout *layout)
{
	const struct rw_watch_row *row = &watch->rows[index];
	bool chosen = index == watch->chosen;

	rw_lines_begin(out);
	rw_lines_put(out, RW_BOLD, chosen ? "> " : "  ");
	put_verdict(out, watch, row);
	put_name(out, RW_BOLD, rw_watch_ring(row), layout->ring);
	if (row->run == NULL) {
		rw_lines_put(out, RW_DIM, "nothing is being rolled out");
		return;
	}
	put_name(out, RW_PLAIN, rw_watch_deployment(row), layout->deployment);
	const char *state = rw_view_text(row->deployment, "state");
	if (strcmp(state, "active") != 0)
		put_name(out, RW_CAREFUL, state, 0);
}

/* The rest of a row that has but one line. */
static void put_short(struct rw_lines *out, const struct rw_watch_row *row)
{
	const json_t *hosts = json_object_get(row->ring, "hosts");
	uint64_t observed = rw_view_count(row->run, "observed_seconds");
	uint64_t required = rw_view_count(row->run, "required_seconds");
	uint64_t k;
	uint64_t n;
	double limit;

	if (row->run != NULL) {
		failed_of(row, &k, &n, &limit);
		rw_lines_putf(out, k > 0 ? RW_BAD : RW_PLAIN, "%s of %s failed",
			      rw_view_number(k).text, rw_view_number(n).text);
		rw_lines_put(out, RW_PLAIN, "  ");
		put_progress(out, observed, required, 10);
		if (strcmp(rw_view_text(row->run, "bake"), "not_started") == 0)
			rw_lines_put(out, RW_PLAIN, "not started");
		else if (observed < required)
			rw_lines_putf(out, RW_PLAIN, "%s left",
				      rw_view_seconds(required - observed).text);
		else
			rw_lines_put(out, RW_PLAIN, "baked");
	}
	rw_lines_putf(out, RW_PLAIN, "  %s of %s online",
		      rw_view_number(rw_view_count(hosts, "online")).text,
		      rw_view_number(rw_view_count(hosts, "enrolled")).text);
	if (row->run != NULL && json_array_size(reasons_of(row)) > 0)
		rw_lines_putf(out, RW_DIM, "  %s", rw_view_words(reasons_of(row)).text);
}

static void put_row(struct rw_lines *out, const struct rw_watch *watch, size_t index,
		    const struct layout *layout, bool in_full)
{
	const struct rw_watch_row *row = &watch->rows[index];

	put_title(out, watch, index, layout);
	if (!in_full) {
		put_short(out, row);
		return;
	}
	if (row->run != NULL) {
		put_breaker(out, row);
		put_reasons(out, row);
		put_failed(out, row);
		put_bake(out, row);
	}
	if (row->ring != NULL)
		put_hosts(out, row, is_stale(watch));
}

static struct layout lay_out(const struct rw_watch *watch, size_t width)
{
	struct layout layout = {0};

	for (size_t i = 0; i < watch->row_count && width >= NARROW; i++) {
		size_t ring = strlen(rw_watch_ring(&watch->rows[i]));
		size_t deployment = strlen(rw_watch_deployment(&watch->rows[i]));
		if (ring > layout.ring)
			layout.ring = ring;
		if (deployment > layout.deployment)
			layout.deployment = deployment;
	}
	if (layout.ring > NAME_MAX_COLUMNS)
		layout.ring = NAME_MAX_COLUMNS;
	if (layout.deployment > NAME_MAX_COLUMNS)
		layout.deployment = NAME_MAX_COLUMNS;
	return layout;
}

/* ---- head ------------------------------------------------------------------ */

static void put_stale(struct rw_lines *out, const struct rw_watch *watch, uint64_t now_ms)
{
	char at[RW_TIME_TEXT_BYTES];
	uint64_t ago = now_ms > watch->answered_ms ? (now_ms - watch->answered_ms) / 1000 : 0;
	char text[RW_VIEW_BYTES] = "no answer yet: treat as hold";

	if (watch->answered_ms != 0)
		snprintf(text, sizeof(text), "no answer since %.32s (%.32s ago): treat as hold",
			 rw_view_time(rw_clock_format_wall(watch->answered_ms, at)).text,
			 rw_view_seconds(ago).text);
	rw_lines_begin(out);
	rw_lines_wrap(out, RW_BAD, text, 0);
	if (watch->trouble[0] != '\0') {
		rw_lines_begin(out);
		rw_lines_wrap(out, RW_CAREFUL, watch->trouble, 0);
	}
}

/* How many of each verdict there are: of the rows that are out of sight, too. */
static void put_summary(struct rw_lines *out, const struct rw_watch *watch)
{
	static const struct {
		int status;
		const char *word;
		enum rw_style style;
	} kinds[] = {
		{RW_CTL_ABORT, "abort", RW_BAD},
		{RW_CTL_FAILED, "unclear", RW_CAREFUL},
		{RW_CTL_HOLD, "hold", RW_CAREFUL},
		{RW_CTL_DONE, "proceed", RW_GOOD},
	};
	size_t runs = 0;

	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		size_t count = 0;
		for (size_t i = 0; i < watch->row_count; i++)
			count += watch->rows[i].run != NULL &&
				 status_of(&watch->rows[i]) == kinds[kind].status;
		if (count > 0)
			rw_lines_putf(out, kinds[kind].style, "%s%zu %s", runs > 0 ? ", " : "  ",
				      count, kinds[kind].word);
		runs += count;
	}
	if (watch->left_out > 0)
		rw_lines_putf(out, RW_CAREFUL, ", %zu more not shown", watch->left_out);
}

static void put_head(struct rw_lines *out, const struct rw_watch *watch, uint64_t now_ms)
{
	char at[RW_TIME_TEXT_BYTES];
	const char *ready = rw_view_text(watch->answers.ready, "status");

	if (is_stale(watch)) {
		put_stale(out, watch, now_ms);
		return;
	}
	rw_lines_begin(out);
	rw_lines_put(out, RW_DIM, rw_view_time(rw_clock_format_wall(watch->answered_ms, at)).text);
	put_summary(out, watch);
	rw_lines_putf(out, RW_DIM, "  %s", watch->url);
	if (strcmp(ready, "ready") != 0) {
		rw_lines_begin(out);
		rw_lines_put(out, RW_CAREFUL, "the collector is not ready: ");
		rw_lines_put(out, RW_CAREFUL, rw_view_text(watch->answers.ready, "reason"));
	}
}

static void put_keys(struct rw_lines *out, const struct rw_watch *watch)
{
	rw_lines_begin(out);
	if (watch->opened)
		rw_lines_put(out, RW_DIM, "q quit  r refresh  enter back  ? help");
	else
		rw_lines_putf(out, RW_DIM, "q quit  r refresh  %s choose  enter open  ? help",
			      out->utf8 ? "↑↓" : "up/down");
}

/* ---- lists below ----------------------------------------------------------- */

static void put_events(struct rw_lines *out, const struct rw_watch *watch, size_t most)
{
	const json_t *events = watch->answers.events;

	if (most < 2)
		return;
	rw_lines_begin(out);
	rw_lines_put(out, RW_DIM, "Newest events");
	if (json_array_size(events) == 0)
		rw_lines_put(out, RW_DIM, ": none");
	for (size_t i = 0; i < json_array_size(events) && i + 1 < most; i++) {
		const json_t *event = json_array_get(events, i);
		bool critical = strcmp(rw_view_text(event, "severity"), "critical") == 0;
		rw_lines_begin(out);
		rw_lines_putf(out, RW_DIM, "  %s  ", rw_view_time(rw_view_text(event, "at")).text);
		rw_lines_put(out, RW_BOLD, rw_view_text(event, "host"));
		rw_lines_put(out, RW_PLAIN, "  ");
		rw_lines_put(out, critical ? RW_BAD : RW_CAREFUL, rw_view_text(event, "kind"));
		rw_lines_put(out, RW_PLAIN, "  ");
		rw_lines_put(out, RW_PLAIN, rw_view_text(event, "signature"));
		rw_lines_put(out, RW_DIM, "  ");
		rw_lines_put(out, RW_DIM, rw_view_text(event, "detail"));
	}
}

static void put_signatures(struct rw_lines *out, const struct rw_watch *watch, size_t most)
{
	const json_t *signatures = watch->answers.signatures;

	if (most < 2 || json_array_size(signatures) == 0)
		return;
	rw_lines_begin(out);
	rw_lines_put(out, RW_DIM, "Signatures");
	for (size_t i = 0; i < json_array_size(signatures) && i + 1 < most; i++) {
		const json_t *row = json_array_get(signatures, i);
		const json_t *new_since = json_object_get(row, "new_since");
		rw_lines_begin(out);
		rw_lines_putf(out, RW_DIM, "  %s  ",
			      rw_view_time(rw_view_text(row, "last_at")).text);
		rw_lines_putf(out, RW_BOLD, "%s host%s",
			      rw_view_number(rw_view_count(row, "hosts")).text,
			      rw_view_count(row, "hosts") == 1 ? "" : "s");
		rw_lines_put(out, RW_PLAIN, "  ");
		rw_lines_put(out, RW_PLAIN, rw_view_text(row, "signature"));
		if (json_array_size(new_since) > 0)
			rw_lines_putf(out, RW_BAD, "  new since %s", rw_view_words(new_since).text);
	}
}

/* ---- an opened ring -------------------------------------------------------- */

static void put_evidence(struct rw_lines *out, const struct rw_watch_row *row)
{
	const json_t *evidence =
		json_object_get(json_object_get(row->verdict, "breaker"), "evidence");

	if (json_array_size(evidence) == 0)
		return;
	rw_lines_begin(out);
	rw_lines_begin(out);
	rw_lines_put(out, RW_DIM, "Evidence (`ringwatch event EVENT` shows its kernel log)");
	for (size_t i = 0; i < json_array_size(evidence); i++) {
		const json_t *piece = json_array_get(evidence, i);
		rw_lines_begin(out);
		rw_lines_putf(out, RW_DIM, "  %s  ", rw_view_time(rw_view_text(piece, "at")).text);
		rw_lines_put(out, RW_BOLD, rw_view_text(piece, "host"));
		rw_lines_put(out, RW_PLAIN, "  ");
		rw_lines_put(out, RW_BAD, rw_view_text(piece, "kind"));
		rw_lines_put(out, RW_PLAIN, "  ");
		rw_lines_put(out, RW_PLAIN, rw_view_text(piece, "signature"));
		rw_lines_put(out, RW_DIM, "  ");
		rw_lines_put(out, RW_DIM, rw_view_text(piece, "event"));
	}
}

static void put_away(struct rw_lines *out, const struct rw_watch *watch)
{
	const json_t *away = watch->answers.away;

	rw_lines_begin(out);
	rw_lines_begin(out);
	rw_lines_put(out, RW_DIM, "Hosts that are not online");
	if (json_array_size(away) == 0)
		rw_lines_put(out, RW_DIM, away == NULL ? ": not asked yet" : ": none");
	for (size_t i = 0; i < json_array_size(away); i++) {
		const json_t *host = json_array_get(away, i);
		const char *state = rw_view_text(host, "state");
		const char *back = rw_view_text(host, "back_by");
		rw_lines_begin(out);
		rw_lines_put(out, RW_PLAIN, "  ");
		rw_lines_cell(out, strcmp(state, "offline") == 0 ? RW_BAD : RW_CAREFUL, state, 9);
		rw_lines_put(out, RW_BOLD, rw_view_text(host, "host"));
		rw_lines_putf(out, RW_PLAIN, "  since %s, last heard %s",
			      rw_view_time(rw_view_text(host, "since")).text,
			      rw_view_time(rw_view_text(host, "last_heard")).text);
		if (back[0] != '\0')
			rw_lines_putf(out, RW_PLAIN, ", back by %s", rw_view_time(back).text);
	}
}

static void put_opened(struct rw_lines *out, const struct rw_watch *watch,
		       const struct layout *layout)
{
	const struct rw_watch_row *row = &watch->rows[watch->chosen];

	put_row(out, watch, watch->chosen, layout, true);
	if (row->verdict != NULL) {
		wrap_sentence(out, "control", rw_verdict_control, row->verdict);
		wrap_sentence(out, "noise", rw_verdict_noise, row->verdict);
	}
	put_evidence(out, row);
	put_away(out, watch);
}

static void put_help(struct rw_lines *out)
{
	static const char *const lines[] = {
		"q, Ctrl-C   quit",
		"r           ask now",
		"up, down    choose a ring (also k and j)",
		"enter       open it: evidence, and hosts that are not online; again: back",
		"?           this text, and back",
		"",
		"HOLD? and ABORT? are of an answer that is no longer good: treat both as no.",
		"Hosts: # online, ? suspect, x offline, - planned, a absent, . unknown.",
		"The collector's answer decides, not this screen: a pipeline runs",
		"`ringwatch verdict`.",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		rw_lines_begin(out);
		rw_lines_wrap(out, RW_PLAIN, lines[i], 12);
	}
}

/* ---- the whole ------------------------------------------------------------- */

/* Rows as `out`; *first and *last: the lines of the chosen one. */
static void put_rows(struct rw_lines *out, const struct rw_watch *watch,
		     const struct layout *layout, bool all_in_full, size_t *first, size_t *last)
{
	for (size_t i = 0; i < watch->row_count; i++) {
		if (i == watch->chosen)
			*first = out->count;
		put_row(out, watch, i, layout, all_in_full || i == watch->chosen);
		if (i == watch->chosen)
			*last = out->count;
	}
	if (watch->row_count > 0 || is_stale(watch))
		return;
	rw_lines_begin(out);
	if (watch->only_deployment != NULL)
		rw_lines_putf(out, RW_CAREFUL, "there is no deployment %s%s%s",
			      watch->only_deployment,
			      watch->only_ring == NULL ? "" : " that goes through ",
			      watch->only_ring == NULL ? "" : watch->only_ring);
	else
		rw_lines_put(out, RW_CAREFUL, "there is no such ring");
}

static struct rw_lines like(const struct rw_lines *lines)
{
	return (struct rw_lines){
		.width = lines->width, .colour = lines->colour, .utf8 = lines->utf8};
}

/* As many lines of `rows` as there is room for, the chosen row among them. */
static void take_rows(struct rw_lines *out, const struct rw_lines *rows, size_t room, size_t first,
		      size_t last)
{
	size_t from = 0;

	if (rows->count > room) {
		from = last > room ? last - room : 0;
		from = from > first ? first : from;
	}
	rw_lines_take(out, rows, from, room);
}

static void put_body(struct rw_lines *out, const struct rw_watch *watch, size_t room)
{
	const struct layout layout = lay_out(watch, out->width);
	struct rw_lines body = like(out);
	size_t first = 0;
	size_t last = 0;

	if (watch->help) {
		put_help(&body);
	} else if (watch->opened && watch->row_count > 0) {
		put_opened(&body, watch, &layout);
	} else {
		put_rows(&body, watch, &layout, true, &first, &last);
		if (body.count + LISTS_LEAST > room) {
			rw_lines_free(&body);
			put_rows(&body, watch, &layout, false, &first, &last);
		}
	}
	take_rows(out, &body, room, first, last);
	size_t left = body.count < room ? room - body.count : 0;
	rw_lines_free(&body);
	out->out_of_memory |= body.out_of_memory;
	if (watch->help || watch->opened || left < 3)
		return;
	rw_lines_begin(out);
	size_t signatures = json_array_size(watch->answers.signatures);
	size_t for_signatures = signatures == 0 ? 0 : signatures + 1;
	if (for_signatures > (left - 1) / 2)
		for_signatures = (left - 1) / 2;
	put_events(out, watch, left - 1 - for_signatures);
	put_signatures(out, watch, for_signatures);
}

void rw_watch_render(const struct rw_watch *watch, uint64_t now_ms, size_t width, size_t height,
		     struct rw_lines *out)
{
	*out = (struct rw_lines){.width = width, .colour = watch->colour, .utf8 = watch->utf8};
	struct rw_lines head = like(out);

	if (width == 0 || height == 0)
		return;
	put_head(&head, watch, now_ms);
	rw_lines_take(out, &head, 0, height);
	out->out_of_memory |= head.out_of_memory;
	rw_lines_free(&head);
	/* The line of keys gives way first. */
	bool keys = out->count + 2 < height;
	if (out->count < height)
		put_body(out, watch, height - out->count - (keys ? 1 : 0));
	while (keys && out->count + 1 < height && !out->out_of_memory)
		rw_lines_begin(out);
	if (keys)
		put_keys(out, watch);
}

/* ---- for what is no terminal ----------------------------------------------- */

void rw_watch_tell(const struct rw_watch *watch, size_t index, FILE *to)
{
	const struct rw_watch_row *row = &watch->rows[index];
	const json_t *hosts = json_object_get(row->ring, "hosts");
	const char *separator = "; ";
	uint64_t k;
	uint64_t n;
	double limit;

	if (row->run == NULL) {
		fprintf(to, "nothing on %s", rw_view_safe(rw_watch_ring(row)).text);
	} else {
		int status = status_of(row);
		failed_of(row, &k, &n, &limit);
		fprintf(to, "verdict %s, %s on %s",
			status == RW_CTL_FAILED
				? "unclear: treat as hold"
				: rw_view_safe(rw_view_text(row->verdict != NULL ? row->verdict
										 : row->run,
							    "verdict"))
					  .text,
			rw_view_safe(rw_watch_deployment(row)).text,
			rw_view_safe(rw_watch_ring(row)).text);
		if (json_array_size(reasons_of(row)) > 0)
			fprintf(to, ": %s", rw_view_words(reasons_of(row)).text);
		if (strcmp(rw_view_text(row->run, "breaker"), "open") == 0)
			fprintf(to, "; breaker open by rule %s",
				rw_view_safe(rw_view_text(row->run, "rule")).text);
		fprintf(to, "; bake %s; %llu of %llu failed, limit %s",
			rw_view_safe(rw_view_text(row->run, "bake")).text, (unsigned long long)k,
			(unsigned long long)n, limit_text(limit).text);
	}
	for (size_t i = 0; i < STATES; i++) {
		uint64_t count = rw_view_count(hosts, states[i].name);
		if (count == 0)
			continue;
		fprintf(to, "%s%llu %s", separator, (unsigned long long)count, states[i].name);
		separator = ", ";
	}
}
