/* SPDX-License-Identifier: MIT */
/* elfkind.c - tells the kind of a program by its ELF headers, needed libraries, section names and symbols */
#include "elfkind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "image.h"

/*
 * Facts about ELF that the checks rest on:
 * - e_ident, e_type and e_machine lie at the same offsets in every class.
 * - A program without PT_INTERP is started by the kernel alone. Static-pie
 *   programs have PT_DYNAMIC all the same, so PT_DYNAMIC tells nothing.
 * - DT_STRTAB holds an address; the PT_LOAD segments map it to the file.
 * - Sections may be missing altogether: only Go and static sanitizer runtimes
 *   are recognised by them.
 */

/* What the shim was built for, read from this very command. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Names come from a file that may be hostile, so that nothing but plain ASCII reaches a terminal. */
__attribute__((format(printf, 3, 4)))
static bool misfit(struct elf_report *report, enum elf_kind kind, const char *format, ...)
{
	va_list arguments;

	report->kind = kind;
	va_start(arguments, format);
	vsnprintf(report->reason, sizeof(report->reason), format, arguments);
	va_end(arguments);
	for (char *c = report->reason; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return true;
}

static int own_interpreter(struct dl_phdr_info *info, size_t size, void *result)
{
	const char **name = result;

	(void)size;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*name = base_name((const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
	}
	/* The program itself comes first, and only it matters. */
	return 1;
}

/* Returns such a name as ld-linux-x86-64.so.2, or "" when this command is static and cannot tell. */
static const char *native_loader(void)
{
	const char *name = "";

	dl_iterate_phdr(own_interpreter, &name);
	return name;
}

static const char *machine_name(unsigned int machine, char *number, size_t size)
{
	static const struct {
		unsigned int machine;
		const char *name;
	} known[] = {
		{ EM_386, "i386" }, { EM_X86_64, "x86-64" }, { EM_ARM, "arm" }, { EM_AARCH64, "aarch64" },
		{ EM_RISCV, "riscv" }, { EM_PPC, "powerpc" }, { EM_PPC64, "powerpc64" }, { EM_S390, "s390" },
		{ EM_MIPS, "mips" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].machine == machine)
			return known[i].name;
	}
	snprintf(number, size, "machine %u", machine);
	return number;
}

/* E_MACHINE is in the file's byte order, which need not be ours. */
static bool check_cpu(const struct image *image, struct elf_report *report)
{
	const unsigned char *ident = image->header.e_ident, *own = __ehdr_start.e_ident;
	bool swapped = ident[EI_DATA] != own[EI_DATA];
	unsigned int machine = image->header.e_machine;
	char number[24], own_number[24];

	if (swapped)
		machine = __builtin_bswap16((uint16_t)machine);
	if (machine == __ehdr_start.e_machine && ident[EI_CLASS] == own[EI_CLASS] && !swapped)
		return false;
	return misfit(report, ELF_KIND_OTHER_CPU, "a %s-bit%s program for %s, and the shim is for %s-bit %s",
		      ident[EI_CLASS] == ELFCLASS32 ? "32" : "64", swapped ? " other-endian" : "",
		      machine_name(machine, number, sizeof(number)),
		      own[EI_CLASS] == ELFCLASS32 ? "32" : "64",
		      machine_name(__ehdr_start.e_machine, own_number, sizeof(own_number)));
}

static bool check_go(const struct image *image, struct elf_report *report)
{
	uint64_t count = image_section_count(image);
	struct strings names;
	ElfW(Shdr) section;

	image_section_names(image, &names);
	for (uint64_t i = 0; i < count && image_section(image, i, &section); i++) {
		const char *name = string_at(&names, section.sh_name);

		if (strcmp(name, ".go.buildinfo") == 0 || strcmp(name, ".note.go.buildid") == 0)
			return misfit(report, ELF_KIND_GO, "a Go program, whose runtime makes its system calls itself");
	}
	return false;
}

/* The dynamic loader has no loader of its own, but preloads into the program that it is given. */
static bool is_native_loader(const struct image *image, const struct dynamic *dynamic, const char *loader)
{
	ElfW(Dyn) entry;

	for (uint64_t i = 0; image_dynamic_at(image, dynamic, i, &entry); i++) {
		if (entry.d_tag == DT_SONAME && *loader != '\0')
			return strcmp(string_at(&dynamic->strings, entry.d_un.d_val), loader) == 0;
	}
	return false;
}

static bool check_loader(const struct image *image, const struct dynamic *dynamic, struct elf_report *report)
{
	const char *native = native_loader(), *loader;
	struct strings interpreter;
	ElfW(Phdr) segment;

	if (!image_find_segment(image, PT_INTERP, &segment)) {
		if (is_native_loader(image, dynamic, native))
			return false;
		return misfit(report, ELF_KIND_STATIC, "statically linked, so no library call can be caught");
	}
	image_strings(image, segment.p_offset, segment.p_filesz, &interpreter);
	loader = base_name(string_at(&interpreter, 0));
	if (*native == '\0' || strcmp(loader, native) == 0)
		return false;
	return misfit(report, ELF_KIND_OTHER_LIBC, "uses another C library than the shim (its loader is %.60s)", loader);
}

/* Libraries that keep a program native. Version suffixes follow the names. */
static const struct {
	const char *prefix;
	enum elf_kind kind;
} misfit_libraries[] = {
	{ "libasan.so", ELF_KIND_SANITIZER },
	{ "libhwasan.so", ELF_KIND_SANITIZER },
	{ "liblsan.so", ELF_KIND_SANITIZER },
	{ "libmsan.so", ELF_KIND_SANITIZER },
	{ "libtsan.so", ELF_KIND_SANITIZER },
	{ "libclang_rt.asan", ELF_KIND_SANITIZER },
	{ "libclang_rt.hwasan", ELF_KIND_SANITIZER },
	{ "libclang_rt.lsan", ELF_KIND_SANITIZER },
	{ "libclang_rt.msan", ELF_KIND_SANITIZER },
	{ "libclang_rt.tsan", ELF_KIND_SANITIZER },
	{ "libgomp.so", ELF_KIND_INLINE_CALLS },
	{ "libjli.so", ELF_KIND_JAVA },
	{ "libjvm.so", ELF_KIND_JAVA },
};

bool elf_kind_may_carry(enum elf_kind kind)
{
	return kind == ELF_KIND_GO || kind == ELF_KIND_SANITIZER || kind == ELF_KIND_INLINE_CALLS || kind == ELF_KIND_JAVA;
}

enum elf_kind elf_library_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(misfit_libraries) / sizeof(misfit_libraries[0]); i++) {
		if (starts_with(name, misfit_libraries[i].prefix))
			return misfit_libraries[i].kind;
	}
	return ELF_KIND_FITS;
}

static bool check_library(const char *name, struct elf_report *report)
{
	enum elf_kind kind = elf_library_kind(name);

	if (kind == ELF_KIND_SANITIZER)
		return misfit(report, kind,
			      "built with a sanitizer (%.60s), which must be the first to catch library calls", name);
	if (kind == ELF_KIND_INLINE_CALLS)
		return misfit(report, kind, "linked with %.60s, which makes system calls that cannot be caught", name);
	if (kind == ELF_KIND_JAVA)
		return misfit(report, kind, "a Java virtual machine (%.60s), which stops and inspects its threads itself", name);
	return false;
}

static bool check_needed(const struct image *image, const struct dynamic *dynamic, struct elf_report *report)
{
	ElfW(Dyn) entry;

	for (uint64_t i = 0; image_dynamic_at(image, dynamic, i, &entry); i++) {
		if (entry.d_tag == DT_NEEDED &&
		    check_library(base_name(string_at(&dynamic->strings, entry.d_un.d_val)), report))
			return true;
	}
	return false;
}

static const char *sanitizer_of(const char *symbol)
{
	static const char *const entry_points[] = {
		"__asan_init", "__hwasan_init", "__lsan_init", "__msan_init", "__tsan_init",
	};

	for (size_t i = 0; i < sizeof(entry_points) / sizeof(entry_points[0]); i++) {
		if (strcmp(symbol, entry_points[i]) == 0)
			return entry_points[i];
	}
	return NULL;
}

/* A weak reference alone means that the program only asks whether a sanitizer is there. */
static bool only_asks(const ElfW(Sym) *symbol)
{
	return symbol->st_shndx == SHN_UNDEF && ELF64_ST_BIND(symbol->st_info) == STB_WEAK;
}

static bool check_symbols(const struct image *image, uint32_t type, struct elf_report *report)
{
	ElfW(Shdr) table, text;
	struct strings names;
	ElfW(Sym) symbol;

	if (!image_find_section(image, type, &table) || !image_section(image, table.sh_link, &text))
		return false;
	image_strings(image, text.sh_offset, text.sh_size, &names);
	for (uint64_t at = 0; at + sizeof(symbol) <= table.sh_size; at += sizeof(symbol)) {
		const char *found;

		if (table.sh_offset > image->size || !image_copy(image, table.sh_offset + at, &symbol, sizeof(symbol)))
			return false;
		found = sanitizer_of(string_at(&names, symbol.st_name));
		if (found != NULL && !only_asks(&symbol))
			return misfit(report, ELF_KIND_SANITIZER,
				      "built with a sanitizer (%s), which must be the first to catch library calls", found);
	}
	return false;
}

static bool is_program(const struct image *image)
{
	return image->header.e_type == ET_EXEC || image->header.e_type == ET_DYN;
}

static void examine(const struct image *image, struct elf_report *report)
{
	struct dynamic dynamic;

	if (!image_is_elf(image) || check_cpu(image, report) || !is_program(image))
		return;
	image_dynamic_open(image, &dynamic);
	if (check_go(image, report) || check_loader(image, &dynamic, report) || check_needed(image, &dynamic, report) ||
	    check_symbols(image, SHT_DYNSYM, report) || check_symbols(image, SHT_SYMTAB, report))
		return;
	report->kind = ELF_KIND_FITS;
}

void elf_examine(int fd, struct elf_report *report)
{
	struct image image;

	report->kind = ELF_KIND_UNKNOWN;
	report->reason[0] = '\0';
	if (!image_open(&image, fd))
		return;
	examine(&image, report);
	image_close(&image);
}
