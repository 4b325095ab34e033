/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts by handle, and handles by name.
 *
 * Hosts stand in chunks that never move; a handle is their number. The index
 * by name is a crit-bit tree (D. J. Bernstein, "Crit-bit trees"): each fork
 * names the first bit in which the names below it differ. Names come from
 * certificates, and with this tree no choice of names makes a look-up slower
 * than the bits of one name; a hash table could promise that only with a
 * secret, and the core has no source of one.
 *
 * Limits: table.max hosts; 96 bytes a host, 12 a fork, and its name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/core/internal.h"

/* A child that is a leaf carries the handle and this bit. */
#define LEAF UINT32_C(0x80000000)
#define NOTHING UINT32_MAX
enum { CACHE_LINE = 64 };

void rw_table_init(struct rw_table *table, uint32_t hosts_max)
{
	*table = (struct rw_table){
		.max = hosts_max < LEAF - 1 ? hosts_max : LEAF - 1,
		.root = NOTHING,
	};
}

void rw_table_release(struct rw_table *table)
{
	for (uint32_t i = 0; i < table->chunk_count; i++)
		free(table->chunks[i]);
	free(table->chunks);
	for (uint32_t i = 0; i < table->name_chunk_count; i++)
		free(table->names[i]);
	free(table->names);
	free(table->forks);
	rw_table_init(table, 0);
}

/* Of a handle that is known to be one. */
static struct rw_host *slot(const struct rw_table *table, rw_host_handle handle)
{
	return &table->chunks[handle / RW_HOST_CHUNK][handle % RW_HOST_CHUNK];
}

struct rw_host *rw_table_at(const struct rw_table *table, rw_host_handle handle)
{
	return handle < table->count ? slot(table, handle) : NULL;
}

/* Which way a name goes at a fork: `others` has every bit but the one that counts. */
static unsigned direction(const struct rw_fork *fork, const char *id, size_t length)
{
	unsigned byte = fork->byte < length ? (unsigned char)id[fork->byte] : 0;

	return (1 + (fork->others | byte)) >> 8;
}

/* The one host that can have this name, if any has. */
static rw_host_handle nearest(const struct rw_table *table, const char *id, size_t length)
{
	uint32_t at = table->root;

	while ((at & LEAF) == 0)
		at = table->forks[at].child[direction(&table->forks[at], id, length)];
	return at & ~LEAF;
}

rw_host_handle rw_table_find(const struct rw_table *table, const char *id)
{
	if (table->root == NOTHING)
		return RW_NO_HOST;

	rw_host_handle handle = nearest(table, id, strlen(id));

	return strcmp(slot(table, handle)->id, id) == 0 ? handle : RW_NO_HOST;
}

static int grow_chunks(struct rw_table *table)
{
	if (table->count < table->chunk_count * RW_HOST_CHUNK)
		return 0;

	struct rw_host **chunks = realloc(table->chunks, (table->chunk_count + 1) * sizeof(void *));

	if (chunks == NULL)
		return -ENOMEM;
	table->chunks = chunks;
	chunks[table->chunk_count] =
		aligned_alloc(CACHE_LINE, RW_HOST_CHUNK * sizeof(struct rw_host));
	if (chunks[table->chunk_count] == NULL)
		return -ENOMEM;
	memset(chunks[table->chunk_count], 0, RW_HOST_CHUNK * sizeof(struct rw_host));
	table->chunk_count++;
	return 0;
}

/* Room for one more name of any length. */
static int grow_names(struct rw_table *table)
{
	if (table->name_chunk_count > 0 && table->name_used + RW_CORE_NAME_BYTES <= RW_NAME_CHUNK)
		return 0;

	char **names = realloc(table->names, (table->name_chunk_count + 1) * sizeof(*names));

	if (names == NULL)
		return -ENOMEM;
	table->names = names;
	names[table->name_chunk_count] = malloc(RW_NAME_CHUNK);
	if (names[table->name_chunk_count] == NULL)
		return -ENOMEM;
	table->name_chunk_count++;
	table->name_used = 0;
	return 0;
}

static const char *keep_name(struct rw_table *table, const char *id)
{
	char *name = &table->names[table->name_chunk_count - 1][table->name_used];

	rw_copy_text(name, RW_CORE_NAME_BYTES, id);
	table->name_used += (uint32_t)strlen(name) + 1;
	return name;
}

static int grow_forks(struct rw_table *table)
{
	if (table->fork_count < table->fork_room)
		return 0;

	uint32_t room = table->fork_room == 0 ? 64 : table->fork_room * 2;
	struct rw_fork *forks = realloc(table->forks, room * sizeof(*forks));

	if (forks == NULL)
		return -ENOMEM;
	table->forks = forks;
	table->fork_room = room;
	return 0;
}

/* The first bit in which two different names differ. */
static struct rw_fork first_difference(const char *id, const char *other)
{
	struct rw_fork fork = {0};

	while (id[fork.byte] == other[fork.byte])
		fork.byte++;

	unsigned bits = (unsigned)((unsigned char)id[fork.byte] ^ (unsigned char)other[fork.byte]);

	while ((bits & (bits - 1)) != 0)
		bits &= bits - 1;
	fork.others = (uint8_t)(bits ^ 255);
	return fork;
}

static void insert_fork(struct rw_table *table, const char *id, rw_host_handle handle)
{
	size_t length = strlen(id);
	const char *other = slot(table, nearest(table, id, length))->id;
	struct rw_fork fork = first_difference(id, other);
	unsigned side = direction(&fork, id, length);
	uint32_t *place = &table->root;

	while ((*place & LEAF) == 0) {
		struct rw_fork *above = &table->forks[*place];

		if (above->byte > fork.byte ||
		    (above->byte == fork.byte && above->others > fork.others))
			break;
		place = &above->child[direction(above, id, length)];
	}
	fork.child[side] = handle | LEAF;
	fork.child[1 - side] = *place;
	*place = table->fork_count;
	table->forks[table->fork_count++] = fork;
}

int rw_table_add(struct rw_table *table, const char *id, rw_host_handle *out)
{
	if (table->count >= table->max)
		return -ENOSPC;
	if (grow_chunks(table) != 0 || grow_names(table) != 0 || grow_forks(table) != 0)
		return -ENOMEM;

	rw_host_handle handle = table->count;

	table->count++;
	slot(table, handle)->id = keep_name(table, id);
	if (table->root == NOTHING)
		table->root = handle | LEAF;
	else
		insert_fork(table, id, handle);
	*out = handle;
	return 0;
}
