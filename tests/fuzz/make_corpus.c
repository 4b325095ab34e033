/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seeds of frame_fuzz into a folder: for each message of the schema
 * a right frame, and for each field one frame for each way in which it can be
 * wrong; at once and in small pieces.
 *
 * Usage: make_corpus FOLDER
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "proto/wire.h"
#include "tests/wire_maker.h"

static const char *folder;
static unsigned written;
static struct raw frame;

/* The fuzzer's first byte: bit 0 is the side, the rest the size of a piece (0: all). */
static void write_seed(const char *name, enum rw_wire_side from, unsigned piece)
{
	struct raw *seed = calloc(1, sizeof(*seed));
	char path[512];

	if (seed == NULL)
		abort();
	raw_byte(seed, (from == RW_FROM_SENSOR ? 1 : 0) | piece << 1);
	for (int shift = 24; shift >= 0; shift -= 8)
		raw_byte(seed, (unsigned)(frame.used >> shift) & 0xff);
	raw_put(seed, frame.bytes, frame.used);

	int n = snprintf(path, sizeof(path), "%s/%04u-%s", folder, written++, name);
	int err = n < 0 || (size_t)n >= sizeof(path) ? -ENAMETOOLONG : 0;
	int fd = err == 0 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
	if (err == 0)
		err = fd < 0 ? -errno : rw_file_write_all(fd, seed->bytes, seed->used);
	if (fd >= 0)
		close(fd);
	free(seed);
	if (err != 0) {
		fprintf(stderr, "make_corpus: %s: %s\n", path, strerror(-err));
		exit(1);
	}
}

static int can_be(const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field,
		  enum wrong how)
{
	int is_message = field->type == PROTOBUF_C_TYPE_MESSAGE;
	int is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
	int is_number = !is_message && !is_text(field);

	switch (how) {
	case WRONG_NOT:
	case WRONG_COUNT:
		return 0;
	case WRONG_MANY:
	case WRONG_FEW:
		return is_repeated;
	case WRONG_LONG:
	case WRONG_NUL:
	case WRONG_UTF8:
	case WRONG_FORM:
		return is_text(field);
	case WRONG_SHORT:
		return is_text(field) && limit_of(message, field, 0)->min > 0;
	case WRONG_UNKNOWN_ENUM:
	case WRONG_NEGATIVE_ENUM:
	case WRONG_WIDE:
	case WRONG_OVERLONG:
	case WRONG_ENDLESS:
	case WRONG_ZERO:
		return is_number;
	default:
		return 1;
	}
}

static void write_wrong_fields(const ProtobufCFieldDescriptor *body,
			       const ProtobufCMessageDescriptor *message)
{
	for (unsigned i = 0; i < message->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->fields[i];

		for (int how = 0; how < WRONG_COUNT; how++) {
			if (!can_be(message, field, (enum wrong)how))
				continue;
			make_frame(&frame, body, field, (enum wrong)how);
			write_seed(field->name, side_of(body), 0);
		}
		if (field->type == PROTOBUF_C_TYPE_MESSAGE)
			write_wrong_fields(body, field->descriptor);
	}
}

int main(int argc, char **argv)
{
	const ProtobufCMessageDescriptor *root = &ringwatch__v1__frame__descriptor;

	if (argc != 2) {
		fprintf(stderr, "usage: make_corpus FOLDER\n");
		return 2;
	}
	folder = argv[1];
	int err = rw_file_make_folder(folder, 0755);
	if (err != 0) {
		fprintf(stderr, "make_corpus: %s: %s\n", folder, strerror(-err));
		return 1;
	}
	for (unsigned i = 0; i < root->n_fields; i++) {
		const ProtobufCFieldDescriptor *body = &root->fields[i];

		make_frame(&frame, body, NULL, WRONG_NOT);
		write_seed(body->name, side_of(body), 0);
		write_seed(body->name, side_of(body), 3);
		write_wrong_fields(body, body->descriptor);
	}
	make_excerpts(&frame);
	write_seed("log_excerpt", RW_FROM_SENSOR, 0);
	printf("%u seeds\n", written);
	return 0;
}
