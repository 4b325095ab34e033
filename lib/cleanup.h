/* SPDX-License-Identifier: Apache-2.0 */
/* Release at the end of scope: `rw_autofree char *text = strdup(…);`. */
#ifndef RINGWATCH_LIB_CLEANUP_H
#define RINGWATCH_LIB_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define rw_cleanup(function) __attribute__((cleanup(function)))

static inline void rw_free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

static inline void rw_close_descriptor(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void rw_close_file(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}

#define rw_autofree rw_cleanup(rw_free_pointer)
#define rw_autoclose rw_cleanup(rw_close_descriptor)
#define rw_autofclose rw_cleanup(rw_close_file)

#endif
