/* SPDX-License-Identifier: MIT */
/* own_copy.c - finds a second copy of the library in the process, which would know nothing of the shim's */
#include "own_copy.h"

#include <link.h>
#include <string.h>

#include "base/note.h"
#include "real.h"

static bool is_mark(const ElfW(Nhdr) *note)
{
	return note->n_type == GREEN_NOTE_TYPE && note->n_namesz == sizeof(GREEN_NOTE_NAME) &&
	       !memcmp(note + 1, GREEN_NOTE_NAME, sizeof(GREEN_NOTE_NAME));
}

static size_t padded(size_t size, size_t alignment)
{
	return (size + alignment - 1) / alignment * alignment;
}

static bool has_mark(uintptr_t at, size_t size, size_t alignment)
{
	uintptr_t end = at + size;

	while (at + sizeof(ElfW(Nhdr)) <= end) {
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;

		if (is_mark(note))
			return true;
		at += padded(sizeof(*note) + padded(note->n_namesz, 4), alignment) + padded(note->n_descsz, alignment);
	}
	return false;
}

static int count_copies(struct dl_phdr_info *object, size_t size, void *count)
{
	(void)size;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];

		if (part->p_type == PT_NOTE && has_mark(object->dlpi_addr + part->p_vaddr, part->p_memsz, part->p_align == 8 ? 8 : 4)) {
			++*(int *)count;
			break;
		}
	}
	return 0;
}

bool own_copy_is_there(void)
{
	int count = 0;

	real(dl_iterate_phdr)(count_copies, &count);
	return count > 1;
}
