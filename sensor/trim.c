/* SPDX-License-Identifier: Apache-2.0 */
/* See trim.h. */
#include "sensor/trim.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Segments that are not writable hold nothing but what the file holds:
 * relocated data lies in the writable ones, also where it is protected later
 * (PT_GNU_RELRO).
 */
static int give_back(struct dl_phdr_info *object, size_t size, void *context)
{
	const uintptr_t page = (uintptr_t)getpagesize();
	const uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);

	(void)size;
	(void)context;
	if (object->dlpi_addr == vdso)
		return 0; /* the kernel's own page */
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0)
			continue;
		uintptr_t from = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
		uintptr_t to = object->dlpi_addr + segment->p_vaddr + segment->p_filesz;
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void rw_trim(void)
{
	(void)dl_iterate_phdr(give_back, NULL);
	malloc_trim(0);
}
