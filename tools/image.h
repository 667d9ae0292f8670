/* SPDX-License-Identifier: MIT */
/*
 * image.h - reads ELF files of this machine's word size that nobody vouches for
 *
 * Each access is checked against the file's size: what a truncated or corrupt file
 * does not have is not found.
 */
#ifndef GREEN_TOOLS_IMAGE_H
#define GREEN_TOOLS_IMAGE_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

/* A file under examination. Only image_copy and image_strings look at BYTES. */
struct image {
	const char *bytes;
	uint64_t size;
	ElfW(Ehdr) header;
};

/* A string table. Its last byte is NUL, so each offset below SIZE starts a string. */
struct strings {
	const char *text;
	uint64_t size;
};

/* The dynamic section: where its COUNT entries lie, and the names they use. */
struct dynamic {
	uint64_t offset;
	uint64_t count;
	struct strings strings;
};

/* image_open - map the regular file behind FD, which stays the caller's; false if it cannot be read or is too short */
bool image_open(struct image *image, int fd);

void image_close(struct image *image);

/* image_is_elf - true for files of any machine; of others the rest is not to be read */
bool image_is_elf(const struct image *image);

/* image_copy - the LENGTH bytes at OFFSET; false if the file ends before */
bool image_copy(const struct image *image, uint64_t offset, void *to, size_t length);

/* image_strings - the string table at OFFSET, which may be cut off or empty */
void image_strings(const struct image *image, uint64_t offset, uint64_t length, struct strings *strings);

/* string_at - the string at OFFSET; "" if there is none */
const char *string_at(const struct strings *strings, uint64_t offset);

bool image_segment(const struct image *image, unsigned int index, ElfW(Phdr) *segment);
bool image_find_segment(const struct image *image, uint32_t type, ElfW(Phdr) *segment);
bool image_section(const struct image *image, uint64_t index, ElfW(Shdr) *section);
uint64_t image_section_count(const struct image *image);
void image_section_names(const struct image *image, struct strings *names);
bool image_find_section(const struct image *image, uint32_t type, ElfW(Shdr) *section);

/* image_dynamic_open - the dynamic section, empty if there is none; image_dynamic_at - its entry INDEX, false at the end */
void image_dynamic_open(const struct image *image, struct dynamic *dynamic);
bool image_dynamic_at(const struct image *image, const struct dynamic *dynamic, uint64_t index, ElfW(Dyn) *entry);

#endif
