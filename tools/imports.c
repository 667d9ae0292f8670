/* SPDX-License-Identifier: MIT */
/* imports.c - walks through dynamic symbols with their versions, and through machine code */
#include "imports.h"

#include <stdlib.h>
#include <string.h>

/*
 * Facts about ELF that this rests on:
 * - SHT_GNU_versym has one half-word for each dynamic symbol; without its top bit it
 *   is an index that an entry of SHT_GNU_verneed carries as vna_other.
 * - Each file that versions are needed from has one Verneed, with its name.
 */
enum {
	VERSIONS = 256,
	INDEX_MASK = 0x7fff,
};

struct symbols {
	ElfW(Shdr) table;
	ElfW(Shdr) versions;
	struct strings names;
	bool from_libc[VERSIONS];
};

/* Libraries that became parts of libc keep their names in older programs; libresolv is still there, and waits for nobody. */
static bool is_libc(const char *file)
{
	static const char *const parts[] = {
		"libc.so.", "libpthread.so.", "libdl.so.", "librt.so.", "libanl.so.", "libutil.so.",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strncmp(file, parts[i], strlen(parts[i])) == 0)
			return true;
	}
	return false;
}

/* All versions that are needed of one file. */
static void read_file_versions(const struct image *image, uint64_t offset, unsigned int count, struct symbols *symbols)
{
	ElfW(Vernaux) version;

	for (; count > 0 && image_copy(image, offset, &version, sizeof(version)); count--) {
		symbols->from_libc[(version.vna_other & INDEX_MASK) % VERSIONS] = true;
		if (version.vna_next == 0)
			return;
		offset += version.vna_next;
	}
}

static void read_versions(const struct image *image, struct symbols *symbols)
{
	struct strings names;
	ElfW(Shdr) needs, text;
	ElfW(Verneed) file;
	uint64_t offset;

	if (!image_find_section(image, SHT_GNU_verneed, &needs) || !image_section(image, needs.sh_link, &text))
		return;
	image_strings(image, text.sh_offset, text.sh_size, &names);
	offset = needs.sh_offset;
	for (uint64_t i = 0; i < needs.sh_info && image_copy(image, offset, &file, sizeof(file)); i++) {
		if (is_libc(string_at(&names, file.vn_file)))
			read_file_versions(image, offset + file.vn_aux, file.vn_cnt, symbols);
		if (file.vn_next == 0)
			return;
		offset += file.vn_next;
	}
}

static bool symbols_open(const struct image *image, struct symbols *symbols)
{
	ElfW(Shdr) text;

	memset(symbols, 0, sizeof(*symbols));
	if (!image_find_section(image, SHT_DYNSYM, &symbols->table) || !image_section(image, symbols->table.sh_link, &text))
		return false;
	image_strings(image, text.sh_offset, text.sh_size, &symbols->names);
	if (image_find_section(image, SHT_GNU_versym, &symbols->versions))
		read_versions(image, symbols);
	return true;
}

static bool symbol_at(const struct image *image, const struct symbols *symbols, uint64_t index, ElfW(Sym) *symbol)
{
	return index < symbols->table.sh_size / sizeof(*symbol) &&
	       image_copy(image, symbols->table.sh_offset + index * sizeof(*symbol), symbol, sizeof(*symbol));
}

static bool is_from_libc(const struct image *image, const struct symbols *symbols, uint64_t index)
{
	ElfW(Half) version;

	if (index >= symbols->versions.sh_size / sizeof(version) ||
	    !image_copy(image, symbols->versions.sh_offset + index * sizeof(version), &version, sizeof(version)))
		return false;
	return symbols->from_libc[(version & INDEX_MASK) % VERSIONS];
}

bool imports_each(const struct image *image, void (*function)(void *context, const char *symbol), void *context)
{
	struct symbols symbols;
	ElfW(Sym) symbol;

	if (!symbols_open(image, &symbols))
		return false;
	for (uint64_t i = 1; symbol_at(image, &symbols, i, &symbol); i++) {
		if (symbol.st_shndx == SHN_UNDEF && is_from_libc(image, &symbols, i))
			function(context, string_at(&symbols.names, symbol.st_name));
	}
	return true;
}

void exports_each(const struct image *image, void (*function)(void *context, const char *symbol), void *context)
{
	struct symbols symbols;
	ElfW(Sym) symbol;

	if (!symbols_open(image, &symbols))
		return;
	for (uint64_t i = 1; symbol_at(image, &symbols, i, &symbol); i++) {
		if (symbol.st_shndx != SHN_UNDEF)
			function(context, string_at(&symbols.names, symbol.st_name));
	}
}

/* --- machine code --- */

#if defined(__x86_64__)
/* How far back the number may have been loaded, or be 0, which is loaded all the time; and the highest one. */
enum {
	REACH = 48,
	NEAR = 12,
	HIGHEST = 0x1ff,
};

static uint32_t immediate(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* mov $NUMBER, %eax or %rax, or xor %eax, %eax: the last one before AT counts.  -2: there is none. */
static long number_before(const unsigned char *code, const unsigned char *at)
{
	const unsigned char *first = at - code > REACH ? at - REACH : code;

	for (const unsigned char *p = at - 2; p >= first; p--) {
		if (p + 5 <= at && p[0] == 0xb8 && immediate(p + 1) <= HIGHEST)
			return immediate(p + 1);
		if (p + 6 <= at && p[0] == 0xc7 && p[1] == 0xc0 && immediate(p + 2) <= HIGHEST)
			return immediate(p + 2);
		if (at - p <= NEAR && (p[0] == 0x31 || p[0] == 0x33) && p[1] == 0xc0)
			return 0;
	}
	return -2;
}

/* The function that is given the number: mov of %edi or %rdi to the accumulator. */
static bool loads_argument(const unsigned char *code, const unsigned char *at)
{
	const unsigned char *first = at - code > REACH ? at - REACH : code;

	for (const unsigned char *p = at - 2; p >= first; p--) {
		if (p[0] == 0x89 && p[1] == 0xf8)
			return true;
	}
	return false;
}

/* Most pairs of these bytes are the middle of a distance; its last byte is 0 or 0xff then. */
static bool is_call(const unsigned char *at, uint64_t size)
{
	return at[0] == 0x0f && at[1] == 0x05 && size > 2 && at[2] != 0x00 && at[2] != 0xff;
}

static void scan(const unsigned char *code, uint64_t size, void (*function)(void *context, long number), void *context)
{
	for (uint64_t i = 2; i + 1 < size; i++) {
		long number;

		if (!is_call(code + i, size - i))
			continue;
		number = number_before(code, code + i);
		if (number >= 0 || loads_argument(code, code + i))
			function(context, number >= 0 ? number : -1);
	}
}
#elif defined(__aarch64__)
/* svc #0 is one word, at a word's place; movz of x8 or w8 loads the number. */
static void scan(const unsigned char *code, uint64_t size, void (*function)(void *context, long number), void *context)
{
	uint32_t word, earlier;

	for (uint64_t i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		long number = -1;

		memcpy(&word, code + i, sizeof(word));
		if (word != 0xd4000001)
			continue;
		for (uint64_t back = 4; back <= 48 && back <= i && number < 0; back += 4) {
			memcpy(&earlier, code + i - back, sizeof(earlier));
			if ((earlier & 0x7fe0001f) == 0x52800008)
				number = earlier >> 5 & 0xffff;
		}
		function(context, number);
	}
}
#else
static void scan(const unsigned char *code, uint64_t size, void (*function)(void *context, long number), void *context)
{
	(void)code;
	(void)size;
	(void)function;
	(void)context;
}
#endif

static void scan_part(const struct image *image, uint64_t offset, uint64_t size,
		      void (*function)(void *context, long number), void *context)
{
	unsigned char *code;

	if (offset > image->size || size > image->size - offset || (code = malloc(size)) == NULL)
		return;
	if (image_copy(image, offset, code, size))
		scan(code, size, function, context);
	free(code);
}

/* Sections tell code from the tables in the same segment; a file without them is looked at segment by segment. */
void calls_each(const struct image *image, void (*function)(void *context, long number), void *context)
{
	ElfW(Shdr) section;
	ElfW(Phdr) segment;
	bool any = false;

	for (uint64_t i = 0; i < image_section_count(image) && image_section(image, i, &section); i++) {
		if (section.sh_type != SHT_PROGBITS || !(section.sh_flags & SHF_EXECINSTR))
			continue;
		any = true;
		scan_part(image, section.sh_offset, section.sh_size, function, context);
	}
	for (unsigned int i = 0; !any && image_segment(image, i, &segment); i++) {
		if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X))
			scan_part(image, segment.p_offset, segment.p_filesz, function, context);
	}
}
