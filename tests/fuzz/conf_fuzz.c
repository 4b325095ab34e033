/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files. Whatever the file holds, the loader fills the struct or
 * says in one line why not, leaves the struct alone then, and keeps within it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/file.h"
#include "lib/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RINGS = 3 };

struct ring {
	char name[RW_NAME_MAX + 1];
	uint32_t limit_ppm;
	bool limit_given;
	uint32_t grade;
};

struct file {
	uint64_t number;
	char name[RW_NAME_MAX + 1];
	char address[64];
	uint64_t after_ms;
	uint64_t bytes;
	bool flag;
	uint32_t ring_count;
	struct ring rings[RINGS];
};

static const char *const grades[] = {"limit", "evidence", NULL};

static const struct rw_conf_key ring_keys[] = {
	{.name = "name",
	 .type = RW_CONF_NAME,
	 .offset = offsetof(struct ring, name),
	 .size = RW_NAME_MAX + 1},
	{.name = "limit",
	 .type = RW_CONF_RATIO,
	 .offset = offsetof(struct ring, limit_ppm),
	 .size = sizeof(uint32_t),
	 .none_allowed = true,
	 .present_offset = offsetof(struct ring, limit_given),
	 .max = 1000000},
	{.name = "grade",
	 .type = RW_CONF_ENUM,
	 .offset = offsetof(struct ring, grade),
	 .size = sizeof(uint32_t),
	 .choices = grades},
	{0},
};

static const struct rw_conf_key ring_element = {
	.name = "", .type = RW_CONF_MAP, .size = sizeof(struct ring), .children = ring_keys};

static const struct rw_conf_key keys[] = {
	{.name = "number",
	 .type = RW_CONF_UINT,
	 .offset = offsetof(struct file, number),
	 .size = sizeof(uint64_t),
	 .max = 100},
	{.name = "name",
	 .type = RW_CONF_NAME,
	 .offset = offsetof(struct file, name),
	 .size = RW_NAME_MAX + 1},
	{.name = "address",
	 .type = RW_CONF_ADDRESS,
	 .offset = offsetof(struct file, address),
	 .size = 64},
	{.name = "after",
	 .type = RW_CONF_DURATION,
	 .offset = offsetof(struct file, after_ms),
	 .size = sizeof(uint64_t),
	 .max = 3600000},
	{.name = "bytes",
	 .type = RW_CONF_BYTES,
	 .offset = offsetof(struct file, bytes),
	 .size = sizeof(uint64_t),
	 .max = 1 << 30},
	{.name = "flag",
	 .type = RW_CONF_BOOL,
	 .offset = offsetof(struct file, flag),
	 .size = sizeof(bool)},
	{.name = "rings",
	 .type = RW_CONF_LIST,
	 .offset = offsetof(struct file, rings),
	 .size = sizeof(struct ring),
	 .element = &ring_element,
	 .count_offset = offsetof(struct file, ring_count),
	 .count_min = 1,
	 .count_max = RINGS},
	{0},
};

static void must(int condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	char error[RW_CONF_ERROR_BYTES] = "";
	struct file out;
	struct file untouched;
	int fd = memfd_create("conf", MFD_CLOEXEC);

	must(fd >= 0 && rw_file_write_all(fd, data, size) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(&out, 0xa5, sizeof(out));
	memset(&untouched, 0xa5, sizeof(untouched));
	int err = rw_conf_load(path, 1, keys, &out, sizeof(out), error);
	close(fd);
	if (err != 0) {
		must(err < 0 && error[0] != '\0' && strchr(error, '\n') == NULL);
		must(memcmp(&out, &untouched, sizeof(out)) == 0);
		return 0;
	}
	must(rw_name_is_valid(out.name, strlen(out.name)) && out.number <= 100);
	must(out.ring_count >= 1 && out.ring_count <= RINGS);
	for (uint32_t i = 0; i < out.ring_count; i++)
		must(rw_name_is_valid(out.rings[i].name, strlen(out.rings[i].name)) &&
		     out.rings[i].limit_ppm <= 1000000 && out.rings[i].grade < 2);
	return 0;
}
