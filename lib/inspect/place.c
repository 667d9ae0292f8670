/* SPDX-License-Identifier: MIT */
/* place.c - which function and file an address lies in, by the files' own symbol tables */
#include "inspect/place.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "base/sys.h"

enum { PATH_SIZE = 1024 };

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
	struct mapped mapped = { .size = 0 };
	bool found = false;

	if (!map_file(&mapped, path))
		return;
	for (size_t type = 0; type < ARRAY_LENGTH(types) && !found; type++) {
		for (unsigned i = 0; !found && (section = section_at(&mapped, i)); i++)
			found = section->sh_type == types[type] && find_symbol(&mapped, section, address, place);
	}
	sys_call(SYS_munmap, mapped.start, mapped.size);
}

#ifdef HAVE__DL_FIND_OBJECT
static const struct link_map *object_of(uintptr_t address)
{
	struct dl_find_object object;

	return _dl_find_object((void *)address, &object) == 0 ? object.dlfo_link_map : NULL;
}
#else
static const struct link_map *object_of(uintptr_t address)
{
	struct link_map *map;
	Dl_info info;

	return dladdr1((void *)address, &info, (void **)&map, RTLD_DL_LINKMAP) ? map : NULL;
}
#endif

/* The program's own file has no name in the loader's list. */
static void path_of(const struct link_map *object, char path[PATH_SIZE])
{
	const char *name = object->l_name;
	long length = 0;

	if (name[0]) {
		snprintf(path, PATH_SIZE, "%s", name);
		return;
	}
	length = sys_call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, PATH_SIZE - 1);
	path[length > 0 ? length : 0] = '\0';
}

void green__place_find(struct place *place, uintptr_t address, bool is_return)
{
	const struct link_map *object = object_of(address - is_return);
	char path[PATH_SIZE];

	memset(place, 0, sizeof(*place));
	if (!object)
		return;
	path_of(object, path);
	place->offset = address - object->l_addr;
	snprintf(place->file, sizeof(place->file), "%.255s", path);
	find_function(path, place->offset - is_return, place);
	if (place->function[0])
		place->offset += is_return;
}

const char *green__place_name(const struct place *place)
{
	const char *slash = strrchr(place->file, '/');

	return slash ? slash + 1 : place->file;
}

void green__place_text(const struct place *place, uintptr_t address, char *text, size_t size)
{
	if (!place->file[0])
		snprintf(text, size, "0x%lx", (unsigned long)address);
	else if (place->function[0])
		snprintf(text, size, "%s+0x%lx (%s)", place->function, (unsigned long)place->offset,
			 green__place_name(place));
	else
		snprintf(text, size, "0x%lx (%s)", (unsigned long)place->offset, green__place_name(place));
}
