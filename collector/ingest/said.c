/* SPDX-License-Identifier: Apache-2.0 */
/* Words of hosts, each set once; see said.h. */
#include "collector/ingest/said.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024, TEXTS_BEFORE_SPOOL_REASON = 4 };

/* Texts stand one behind the other, each with its NUL: program, kernel release,
 * architecture, netconsole, why the spool is in memory, then hook and reason of
 * each coverage. */
struct words {
	struct words *next; /* of its bucket */
	struct rw_said_table *table;
	uint64_t hash;
	uint32_t users;
	uint32_t length; /* of `texts` */
	/* Bits of the kinds that are seen through BPF, otherwise, and not at all. */
	uint32_t bpf_kinds, log_kinds, blind_kinds;
	uint32_t coverage_count;
	uint8_t kinds[RW_COVERAGE_MAX];
	char texts[];
};

struct rw_said_table {
	uint32_t sets;
	struct words *buckets[BUCKETS];
	struct rw_ring_coverage rings[RW_CORE_RINGS_MAX];
};

struct rw_host_said {
	struct words *words;
	uint64_t pending_events, lost_events;
	uint32_t ring; /* UINT32_MAX: counts nowhere */
	bool safe_start;
	bool memory_spool;
};

struct rw_said_table *rw_said_table_new(void)
{
	return calloc(1, sizeof(struct rw_said_table));
}

void rw_said_table_free(struct rw_said_table *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct words *w = table->buckets[i]; w != NULL; w = w->next)
			w->table = NULL;
	}
	free(table);
}

/* BPF's hooks stand first, by type and place: "fentry/oops_enter + kernel log". */
static bool is_bpf(const char *hook)
{
	static const char *const types[] = {"fentry/", "fexit/",  "kprobe/", "kretprobe/",
					    "tp_btf/", "raw_tp/", "tp/"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strncmp(hook, types[i], strlen(types[i])) == 0)
			return true;
	}
	return false;
}

static void sort_kind(struct words *w, uint32_t kind, const char *hook)
{
	if (kind >= RW_RING_COVERAGE_KINDS)
		return;
	if (is_bpf(hook))
		w->bpf_kinds |= UINT32_C(1) << kind;
	else if (strcmp(hook, "none") == 0)
		w->blind_kinds |= UINT32_C(1) << kind;
	else
		w->log_kinds |= UINT32_C(1) << kind;
}

/* ---- words ------------------------------------------------------------------- */

static char *put_text(char *room, const char *text)
{
	size_t length = strlen(text) + 1;

	memcpy(room, text, length);
	return room + length;
}

static size_t coverage_kept(const Ringwatch__V1__Hello *hello)
{
	return hello->n_coverage < RW_COVERAGE_MAX ? hello->n_coverage : RW_COVERAGE_MAX;
}

static struct words *make_words(const Ringwatch__V1__Hello *hello)
{
	const char *const texts[] = {hello->program, hello->kernel_release, hello->architecture,
				     hello->netconsole, hello->spool_reason};
	const size_t count = coverage_kept(hello);
	size_t length = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		length += strlen(texts[i]) + 1;
	for (size_t i = 0; i < count; i++)
		length += strlen(hello->coverage[i]->hook) + strlen(hello->coverage[i]->reason) + 2;

	struct words *w = calloc(1, sizeof(*w) + length);
	if (w == NULL)
		return NULL;
	char *room = w->texts;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		room = put_text(room, texts[i]);
	for (size_t i = 0; i < count; i++) {
		w->kinds[i] = (uint8_t)hello->coverage[i]->kind;
		sort_kind(w, w->kinds[i], hello->coverage[i]->hook);
		room = put_text(room, hello->coverage[i]->hook);
		room = put_text(room, hello->coverage[i]->reason);
	}
	/* A kind that has several rows is seen in the best way that one of them names. */
	w->log_kinds &= ~w->bpf_kinds;
	w->blind_kinds &= ~(w->bpf_kinds | w->log_kinds);
	w->coverage_count = (uint32_t)count;
	w->length = (uint32_t)length;
	return w;
}

static uint64_t hash_of(const struct words *w)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	for (uint32_t i = 0; i < w->coverage_count; i++)
		h = (h ^ w->kinds[i]) * 0x100000001b3;
	for (uint32_t i = 0; i < w->length; i++)
		h = (h ^ (uint8_t)w->texts[i]) * 0x100000001b3;
	return h;
}

static bool are_same(const struct words *a, const struct words *b)
{
	return a->hash == b->hash && a->length == b->length &&
	       a->coverage_count == b->coverage_count &&
	       memcmp(a->kinds, b->kinds, sizeof(a->kinds)) == 0 &&
	       memcmp(a->texts, b->texts, a->length) == 0;
}

/* The one set with these words; with one user more. */
static struct words *share(struct rw_said_table *table, const Ringwatch__V1__Hello *hello)
{
	struct words *made = make_words(hello);

	if (made == NULL)
		return NULL;
	made->hash = hash_of(made);
	struct words **bucket = &table->buckets[made->hash % BUCKETS];
	for (struct words *w = *bucket; w != NULL; w = w->next) {
		if (are_same(w, made)) {
			free(made);
			w->users++;
			return w;
		}
	}
	made->table = table;
	made->users = 1;
	made->next = *bucket;
	*bucket = made;
	table->sets++;
	return made;
}

static void let_go(struct words *w)
{
	if (--w->users > 0)
		return;
	if (w->table != NULL) {
		struct words **link = &w->table->buckets[w->hash % BUCKETS];
		while (*link != w)
			link = &(*link)->next;
		*link = w->next;
		w->table->sets--;
	}
	free(w);
}

/* ---- a host -------------------------------------------------------------------- */

struct rw_host_said *rw_host_said_new(struct rw_said_table *table,
				      const Ringwatch__V1__Hello *hello)
{
	struct rw_host_said *said = calloc(1, sizeof(*said));

	if (said == NULL)
		return NULL;
	said->words = share(table, hello);
	if (said->words == NULL) {
		free(said);
		return NULL;
	}
	said->ring = UINT32_MAX;
	said->safe_start = hello->safe_start;
	said->memory_spool = hello->spool_state == RINGWATCH__V1__SPOOL_STATE__SPOOL_MEMORY;
	return said;
}

/* `by` is 1 or -1, modulo 2^64. */
static void count(const struct rw_host_said *said, uint64_t by)
{
	const struct words *w = said->words;

	if (w->table == NULL || said->ring >= RW_CORE_RINGS_MAX)
		return;
	struct rw_ring_coverage *ring = &w->table->rings[said->ring];
	ring->hosts += by;
	ring->safe_start += said->safe_start ? by : 0;
	ring->memory_spool += said->memory_spool ? by : 0;
	for (uint32_t kind = 0; kind < RW_RING_COVERAGE_KINDS; kind++) {
		ring->kinds[kind].bpf += (w->bpf_kinds >> kind & 1) != 0 ? by : 0;
		ring->kinds[kind].log += (w->log_kinds >> kind & 1) != 0 ? by : 0;
		ring->kinds[kind].none += (w->blind_kinds >> kind & 1) != 0 ? by : 0;
	}
}

void rw_host_said_free(struct rw_host_said *said)
{
	if (said == NULL)
		return;
	count(said, UINT64_MAX);
	let_go(said->words);
	free(said);
}

void rw_host_said_count(struct rw_host_said *said, uint32_t ring)
{
	count(said, UINT64_MAX);
	said->ring = ring;
	count(said, 1);
}

uint32_t rw_host_said_blind_kinds(const struct rw_host_said *said)
{
	return said->words->blind_kinds;
}

void rw_host_said_heartbeat(struct rw_host_said *said, const Ringwatch__V1__Heartbeat *heartbeat)
{
	said->pending_events = heartbeat->pending_events;
	said->lost_events = heartbeat->lost_events;
}

/* The next text, cut to the room that the reader has for it. */
static const char *take_text(const char *text, char *out, size_t size)
{
	size_t length = strlen(text);
	size_t kept = length < size ? length : size - 1;

	/* Not in the midst of a character: JSON must be UTF-8. */
	while (kept < length && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
		kept--;
	memcpy(out, text, kept);
	out[kept] = '\0';
	return text + length + 1;
}

static const char *skip_texts(const char *text, int count)
{
	while (count-- > 0)
		text += strlen(text) + 1;
	return text;
}

void rw_host_said_marks(const struct rw_host_said *said, struct rw_host_marks *out)
{
	memset(out, 0, sizeof(*out));
	if (said == NULL)
		return;
	out->known = true;
	out->safe_start = said->safe_start;
	out->memory_spool = said->memory_spool;
	take_text(skip_texts(said->words->texts, TEXTS_BEFORE_SPOOL_REASON), out->spool_reason,
		  sizeof(out->spool_reason));
}

void rw_host_said_facts(const struct rw_host_said *said, struct rw_host_facts *out)
{
	memset(out, 0, sizeof(*out));
	if (said == NULL)
		return;
	const struct words *w = said->words;
	rw_host_said_marks(said, &out->marks);
	out->pending_events = said->pending_events;
	out->lost_events = said->lost_events;
	out->coverage_count = w->coverage_count;
	const char *text = take_text(w->texts, out->program, sizeof(out->program));
	text = take_text(text, out->kernel_release, sizeof(out->kernel_release));
	text = take_text(text, out->architecture, sizeof(out->architecture));
	text = skip_texts(take_text(text, out->netconsole, sizeof(out->netconsole)), 1);
	for (uint32_t i = 0; i < w->coverage_count; i++) {
		out->coverage[i].kind = (Ringwatch__V1__Kind)w->kinds[i];
		text = take_text(text, out->coverage[i].hook, sizeof(out->coverage[i].hook));
		text = take_text(text, out->coverage[i].reason, sizeof(out->coverage[i].reason));
	}
}

/* ---- rings ------------------------------------------------------------------------ */

uint32_t rw_said_sets(const struct rw_said_table *table)
{
	return table->sets;
}

void rw_said_coverage(const struct rw_said_table *table, uint32_t ring,
		      struct rw_ring_coverage *out)
{
	if (ring < RW_CORE_RINGS_MAX)
		*out = table->rings[ring];
	else
		memset(out, 0, sizeof(*out));
}
