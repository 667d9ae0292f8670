/* SPDX-License-Identifier: MIT */
/*
 * audit_names.c - names of system calls, and of functions by the symbol tables in their files
 *
 * dladdr knows only what a file shows to others, and takes a lock that the carrier may hold.
 */
#include "audit_parts.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "shim.h"

/* --- system calls --- */

static const char *const names[] = {
#include "audit_calls.inc"
};

const char *call_name(long number)
{
	if (number == KEPT_BY_FAULT)
		return "a page fault";
	return number >= 0 && (size_t)number < ARRAY_LENGTH(names) ? names[number] : NULL;
}

bool call_is_of_files(long number)
{
	static const short numbers[] = {
		SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_openat, SYS_newfstatat,
		SYS_fstat, SYS_statx, SYS_statfs, SYS_getdents64, SYS_unlinkat, SYS_mkdirat, SYS_renameat, SYS_renameat2,
		SYS_linkat, SYS_symlinkat, SYS_readlinkat, SYS_faccessat, SYS_fchmodat, SYS_fchownat, SYS_ftruncate,
		SYS_truncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_sync, SYS_syncfs, SYS_sync_file_range,
		SYS_copy_file_range, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_msync, SYS_brk,
#ifdef SYS_open
		SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_unlink, SYS_mkdir, SYS_rmdir, SYS_rename, SYS_link,
		SYS_symlink, SYS_readlink, SYS_creat,
#endif
	};

	for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
		if (numbers[i] == number)
			return true;
	}
	return number == KEPT_BY_FAULT;
}

/* --- files --- */

struct mapped {
	const unsigned char *start;
	size_t size;
};

static bool map_file(struct mapped *mapped, const char *path)
{
	struct stat status;
	long fd = sys_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), memory = -1;

	if (sys_failed(fd))
		return false;
	if (sys_call(SYS_fstat, fd, &status) == 0 && status.st_size > (off_t)sizeof(Elf64_Ehdr)) {
		mapped->size = (size_t)status.st_size;
		memory = sys_call(SYS_mmap, NULL, mapped->size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	sys_call(SYS_close, fd);
	mapped->start = (const unsigned char *)memory;
	return !sys_failed(memory);
}

/* The contents of SECTION as far as they are in the file; NULL if they are not. */
static const void *contents(const struct mapped *mapped, const Elf64_Shdr *section)
{
	if (section->sh_offset > mapped->size || section->sh_size > mapped->size - section->sh_offset)
		return NULL;
	return mapped->start + section->sh_offset;
}

static const Elf64_Shdr *section_at(const struct mapped *mapped, unsigned index)
{
	const Elf64_Ehdr *header = (const void *)mapped->start;
	uint64_t offset = header->e_shoff + (uint64_t)index * sizeof(Elf64_Shdr);

	if (index >= header->e_shnum || offset > mapped->size || mapped->size - offset < sizeof(Elf64_Shdr))
		return NULL;
	return (const void *)(mapped->start + offset);
}

static bool covers(const Elf64_Sym *symbol, uintptr_t address)
{
	return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
	       address - symbol->st_value < symbol->st_size;
}

/* ADDRESS is the file's own, without what it was moved by. */
static bool find_symbol(const struct mapped *mapped, const Elf64_Shdr *table, uintptr_t address, struct place *place)
{
	const Elf64_Shdr *text = section_at(mapped, table->sh_link);
	const Elf64_Sym *symbols = contents(mapped, table);
	const char *strings = text ? contents(mapped, text) : NULL;

	for (size_t i = 0; symbols && strings && i < table->sh_size / sizeof(*symbols); i++) {
		if (!covers(&symbols[i], address) || symbols[i].st_name >= text->sh_size)
			continue;
		snprintf(place->function, sizeof(place->function), "%.*s", (int)(text->sh_size - symbols[i].st_name),
			 strings + symbols[i].st_name);
		place->offset = address - symbols[i].st_value;
		return true;
	}
	return false;
}

/* The whole table, if it was not stripped, knows more than the one for others. */
static void find_function(const char *path, uintptr_t address, struct place *place)
{
	static const unsigned types[] = { SHT_SYMTAB, SHT_DYNSYM };
	const Elf64_Shdr *section;
	struct mapped mapped;
	bool found = false;

	if (!map_file(&mapped, path))
		return;
	for (size_t type = 0; type < ARRAY_LENGTH(types) && !found; type++) {
		for (unsigned i = 0; !found && (section = section_at(&mapped, i)); i++)
			found = section->sh_type == types[type] && find_symbol(&mapped, section, address, place);
	}
	sys_call(SYS_munmap, mapped.start, mapped.size);
}

static const char *own_path(void)
{
	static char path[PATH_MAX];
	long length = path[0] ? 1 : sys_call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof(path) - 1);

	return length > 0 ? path : "";
}

void place_find(struct place *place, uintptr_t address, bool is_return)
{
	struct dl_find_object object;
	const char *path;

	memset(place, 0, sizeof(*place));
	if (_dl_find_object((void *)(address - is_return), &object))
		return;
	path = object.dlfo_link_map->l_name[0] ? object.dlfo_link_map->l_name : own_path();
	place->offset = address - object.dlfo_link_map->l_addr;
	snprintf(place->file, sizeof(place->file), "%s", path);
	find_function(path, place->offset - is_return, place);
	if (place->function[0])
		place->offset += is_return;
}

const char *place_name(const struct place *place)
{
	const char *slash = strrchr(place->file, '/');

	return slash ? slash + 1 : place->file;
}
