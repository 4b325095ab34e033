/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of kernel log records; see kmsg.h. Owner: the sensor's one thread. */
#include "sensor/kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/events/strip.h"

enum { FACILITY_USER = 1 };

struct rw_kmsg {
	int fd;
	bool device;
	bool pollable;
	bool caught_up; /* has been drained once */
	bool skipping;  /* a stream's line was too long: up to its end */
	rw_kmsg_fn *fn;
	rw_kmsg_fn *user_fn; /* NULL: nobody's */
	void *context;
	uint64_t after;
	uint64_t last;
	uint64_t lost;
	size_t used; /* of a stream's unfinished line */
	char bytes[RW_KMSG_RECORD_BYTES + 1];
};

/* ---- one record -------------------------------------------------------------- */

static bool take_number(const char **at, const char *end, char ends_with, uint64_t *out)
{
	const char *p = *at;
	uint64_t value = 0;

	while (p < end && *p >= '0' && *p <= '9') {
		uint64_t digit = (uint64_t)(*p - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
		p++;
	}
	if (p == *at || p == end || *p != ends_with)
		return false;
	*at = p + 1;
	*out = value;
	return true;
}

int rw_kmsg_parse(char *line, size_t length, struct rw_kmsg_record *record)
{
	const char *at = line;
	const char *end = line + length;
	uint64_t priority;
	uint64_t sequence;
	uint64_t usec;

	if (!take_number(&at, end, ',', &priority) || priority > UINT32_MAX ||
	    !take_number(&at, end, ',', &sequence) || sequence == UINT64_MAX ||
	    !take_number(&at, end, ',', &usec))
		return -EINVAL;
	const char *text = memchr(at, ';', (size_t)(end - at));
	if (text == NULL)
		return -EINVAL;
	text++;
	/* a record of the device goes on with lines of its own: "SUBSYSTEM=…" */
	const char *line_end = memchr(text, '\n', (size_t)(end - text));
	if (line_end == NULL)
		line_end = end;
	char *start = line + (text - line);
	*record = (struct rw_kmsg_record){
		.sequence = sequence,
		.usec = usec,
		.priority = (uint32_t)priority & 7,
		.facility = (uint32_t)priority >> 3,
		.text = start,
		.length = rw_log_undo_escapes(start, (size_t)(line_end - text)),
	};
	return 0;
}

/* ---- the source ---------------------------------------------------------------- */

int rw_kmsg_open(const char *path, uint64_t after, rw_kmsg_fn *fn, void *context,
		 struct rw_kmsg **out)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -errno;
	/* open for both ways a FIFO never ends when its writer goes */
	int flags = S_ISFIFO(st.st_mode) ? O_RDWR : O_RDONLY;
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct rw_kmsg *kmsg = calloc(1, sizeof(*kmsg));
	if (kmsg == NULL) {
		close(fd);
		return -ENOMEM;
	}
	kmsg->fd = fd;
	kmsg->device = S_ISCHR(st.st_mode);
	kmsg->pollable = !S_ISREG(st.st_mode);
	kmsg->caught_up = !kmsg->device;
	kmsg->fn = fn;
	kmsg->context = context;
	kmsg->after = kmsg->device ? after : UINT64_MAX;
	kmsg->last = kmsg->after;
	*out = kmsg;
	return 0;
}

void rw_kmsg_close(struct rw_kmsg *kmsg)
{
	if (kmsg == NULL)
		return;
	close(kmsg->fd);
	free(kmsg);
}

void rw_kmsg_set_user_fn(struct rw_kmsg *kmsg, rw_kmsg_fn *fn)
{
	kmsg->user_fn = fn;
}

int rw_kmsg_descriptor(const struct rw_kmsg *kmsg)
{
	return kmsg->pollable ? kmsg->fd : -1;
}

bool rw_kmsg_is_device(const struct rw_kmsg *kmsg)
{
	return kmsg->device;
}

uint64_t rw_kmsg_position(const struct rw_kmsg *kmsg)
{
	return kmsg->last;
}

uint64_t rw_kmsg_lost(const struct rw_kmsg *kmsg)
{
	return kmsg->lost;
}

static void take_record(struct rw_kmsg *kmsg, char *line, size_t length)
{
	struct rw_kmsg_record record;

	if (length == 0 || line[0] == ' ')
		return; /* of a stream: more about the record before */
	if (rw_kmsg_parse(line, length, &record) != 0) {
		kmsg->lost++;
		return;
	}
	if (kmsg->after != UINT64_MAX && record.sequence <= kmsg->after)
		return;
	if (kmsg->last != UINT64_MAX && record.sequence > kmsg->last + 1)
		kmsg->lost += record.sequence - kmsg->last - 1;
	kmsg->last = record.sequence;
	if (record.facility == 0)
		kmsg->fn(kmsg->context, &record, !kmsg->caught_up);
	else if (record.facility == FACILITY_USER && kmsg->user_fn != NULL)
		kmsg->user_fn(kmsg->context, &record, !kmsg->caught_up);
}

/* One read(2) is one record. */
static int read_device(struct rw_kmsg *kmsg)
{
	for (int i = 0; i < RW_KMSG_RECORDS_PER_CALL; i++) {
		ssize_t n = read(kmsg->fd, kmsg->bytes, RW_KMSG_RECORD_BYTES);
		if (n < 0 && (errno == EINTR || errno == EPIPE))
			continue; /* overwritten while we waited; the gap counts it */
		if (n < 0 && errno == EAGAIN) {
			kmsg->caught_up = true;
			return 0;
		}
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODEV;
		take_record(kmsg, kmsg->bytes, (size_t)n);
	}
	return 1;
}

/* Hands on the whole lines in the buffer and moves the rest to its front. */
static void split_stream(struct rw_kmsg *kmsg)
{
	size_t begin = 0;

	for (;;) {
		char *line = kmsg->bytes + begin;
		char *end = memchr(line, '\n', kmsg->used - begin);
		if (end == NULL)
			break;
		if (!kmsg->skipping)
			take_record(kmsg, line, (size_t)(end - line));
		kmsg->skipping = false;
		begin += (size_t)(end - line) + 1;
	}
	kmsg->used -= begin;
	memmove(kmsg->bytes, kmsg->bytes + begin, kmsg->used);
	if (kmsg->used == RW_KMSG_RECORD_BYTES) {
		kmsg->lost += kmsg->skipping ? 0 : 1;
		kmsg->skipping = true;
		kmsg->used = 0;
	}
}

static int read_stream(struct rw_kmsg *kmsg)
{
	for (int i = 0; i < RW_KMSG_RECORDS_PER_CALL; i++) {
		ssize_t n =
			read(kmsg->fd, kmsg->bytes + kmsg->used, RW_KMSG_RECORD_BYTES - kmsg->used);
		if (n < 0 && errno == EINTR)
			continue;
		if ((n < 0 && errno == EAGAIN) || n == 0)
			return 0;
		if (n < 0)
			return -errno;
		kmsg->used += (size_t)n;
		split_stream(kmsg);
	}
	return 1;
}

int rw_kmsg_read(struct rw_kmsg *kmsg)
{
	return kmsg->device ? read_device(kmsg) : read_stream(kmsg);
}
