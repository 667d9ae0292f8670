/* SPDX-License-Identifier: MIT */
/* image.c - segments, sections, strings and dynamic entries of an ELF file */
#include "image.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

bool image_open(struct image *image, int fd)
{
	struct stat status;
	void *bytes;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof(image->header))
		return false;
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	image->bytes = bytes;
	image->size = (uint64_t)status.st_size;
	memcpy(&image->header, bytes, sizeof(image->header));
	return true;
}

void image_close(struct image *image)
{
	munmap((void *)(uintptr_t)image->bytes, image->size);
}

bool image_copy(const struct image *image, uint64_t offset, void *to, size_t length)
{
	if (offset > image->size || length > image->size - offset)
		return false;
	memcpy(to, image->bytes + offset, length);
	return true;
}

/* Whatever of LENGTH lies beyond the file, or after the last NUL, is cut off. */
void image_strings(const struct image *image, uint64_t offset, uint64_t length, struct strings *strings)
{
	const char *last;

	strings->text = "";
	strings->size = 0;
	if (offset >= image->size)
		return;
	if (length > image->size - offset)
		length = image->size - offset;
	last = memrchr(image->bytes + offset, '\0', length);
	if (last == NULL)
		return;
	strings->text = image->bytes + offset;
	strings->size = (uint64_t)(last - strings->text) + 1;
}

/* Returns the empty string where there is none. */
const char *string_at(const struct strings *strings, uint64_t offset)
{
	return offset < strings->size ? strings->text + offset : "";
}

bool image_segment(const struct image *image, unsigned int index, ElfW(Phdr) *segment)
{
	return index < image->header.e_phnum && image->header.e_phentsize == sizeof(*segment) &&
	       image_copy(image, image->header.e_phoff + (uint64_t)index * sizeof(*segment), segment, sizeof(*segment));
}

bool image_find_segment(const struct image *image, uint32_t type, ElfW(Phdr) *segment)
{
	for (unsigned int i = 0; image_segment(image, i, segment); i++) {
		if (segment->p_type == type)
			return true;
	}
	return false;
}

bool image_section(const struct image *image, uint64_t index, ElfW(Shdr) *section)
{
	uint64_t offset;

	/* Offset 0 is the file's header: no section table is there. */
	if (image->header.e_shoff == 0 || image->header.e_shentsize != sizeof(*section))
		return false;
	if (__builtin_mul_overflow(index, sizeof(*section), &offset) ||
	    __builtin_add_overflow(offset, image->header.e_shoff, &offset))
		return false;
	return image_copy(image, offset, section, sizeof(*section));
}

/* Files with very many sections keep the number in section 0. */
uint64_t image_section_count(const struct image *image)
{
	ElfW(Shdr) first;

	if (image->header.e_shnum != 0)
		return image->header.e_shnum;
	return image_section(image, 0, &first) ? first.sh_size : 0;
}

void image_section_names(const struct image *image, struct strings *names)
{
	ElfW(Shdr) section = { 0 };
	uint64_t index = image->header.e_shstrndx;

	if (index == SHN_XINDEX && image_section(image, 0, &section))
		index = section.sh_link;
	if (!image_section(image, index, &section))
		memset(&section, 0, sizeof(section));
	image_strings(image, section.sh_offset, section.sh_size, names);
}

bool image_find_section(const struct image *image, uint32_t type, ElfW(Shdr) *section)
{
	uint64_t count = image_section_count(image);

	for (uint64_t i = 0; i < count && image_section(image, i, section); i++) {
		if (section->sh_type == type)
			return true;
	}
	return false;
}

/* Finds where the byte at ADDRESS of the loaded program lies in the file. */
static bool image_offset(const struct image *image, uint64_t address, uint64_t *offset)
{
	ElfW(Phdr) segment;

	for (unsigned int i = 0; image_segment(image, i, &segment); i++) {
		if (segment.p_type != PT_LOAD || address < segment.p_vaddr ||
		    address - segment.p_vaddr >= segment.p_filesz)
			continue;
		*offset = segment.p_offset + (address - segment.p_vaddr);
		return true;
	}
	return false;
}

bool image_dynamic_at(const struct image *image, const struct dynamic *dynamic, uint64_t index, ElfW(Dyn) *entry)
{
	return index < dynamic->count &&
	       image_copy(image, dynamic->offset + index * sizeof(*entry), entry, sizeof(*entry)) &&
	       entry->d_tag != DT_NULL;
}

void image_dynamic_open(const struct image *image, struct dynamic *dynamic)
{
	uint64_t address = 0, size = 0, offset;
	ElfW(Phdr) segment;
	ElfW(Dyn) entry;

	memset(dynamic, 0, sizeof(*dynamic));
	if (!image_find_segment(image, PT_DYNAMIC, &segment) || segment.p_offset > image->size)
		return;
	dynamic->offset = segment.p_offset;
	dynamic->count = segment.p_filesz / sizeof(entry);
	for (uint64_t i = 0; image_dynamic_at(image, dynamic, i, &entry); i++) {
		if (entry.d_tag == DT_STRTAB)
			address = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_STRSZ)
			size = entry.d_un.d_val;
	}
	if (image_offset(image, address, &offset))
		image_strings(image, offset, size, &dynamic->strings);
}

bool image_is_elf(const struct image *image)
{
	const unsigned char *ident = image->header.e_ident;

	return memcmp(ident, ELFMAG, SELFMAG) == 0 &&
	       (ident[EI_CLASS] == ELFCLASS32 || ident[EI_CLASS] == ELFCLASS64) &&
	       (ident[EI_DATA] == ELFDATA2LSB || ident[EI_DATA] == ELFDATA2MSB);
}
