/* SPDX-License-Identifier: MIT */
/* doctor.c - green doctor: reads a program and its libraries and tells what green run would make of them */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elfkind.h"
#include "imports.h"
#include "libraries.h"
#include "program.h"
#include "run.h"
#include "symbols.h"

enum {
	WIDTH = 120,		/* of a line that does not show everything */
	CALLS_OF_OWN = 3,	/* fewer of what looks like system calls may be data */
};

/* One symbol that one file takes from libc. */
struct import {
	char *symbol;
	const char *file;
	enum symbol_class class;
};

/* A file of the program's with system calls of its own, or a library that does not fit. */
struct oddity {
	const char *file;
	unsigned int calls;
	enum elf_kind kind;
	bool missing;
	bool native;		/* its threads stay kernel threads */
	bool unread;		/* its calls cannot be found */
};

struct findings {
	char **replaced;	/* what the shim exports, sorted */
	size_t replaced_count;
	struct import *imports;
	size_t import_count;
	struct oddity *oddities;
	size_t oddity_count;
	size_t file_count;
	bool has_rings;		/* liburing is among them */
	const char *file;	/* the one that is being read */
	unsigned int calls;	/* in it */
};

static const char help_text[] =
	"Usage: green doctor [--all] [--] COMMAND [ARG]...\n"
	"Tell what of COMMAND can have green threads, from its files, without running it.\n"
	"\n"
	"  --all      list every call of the C library's and the file that makes it\n"
	"  --help     print this text\n"
	"  --version  print the version\n"
	"\n"
	"Exit status: 0 if all is carried, 1 if it would run natively, 3 if it is carried\n"
	"with exceptions; 2 for wrong usage, 125 if green doctor itself fails, 126 if\n"
	"COMMAND cannot be executed, 127 if it is not found.\n";

static void *must_have(void *memory)
{
	if (memory == NULL) {
		fputs("green doctor: out of memory\n", stderr);
		exit(EXIT_FAILED);
	}
	return memory;
}

/* Room for one more behind COUNT: arrays double when they are full. */
static void *grown(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return must_have(realloc(array, (count > 0 ? count * 2 : 1) * size));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* --- reading --- */

static void add_replaced(void *context, const char *symbol)
{
	struct findings *findings = context;

	findings->replaced = grown(findings->replaced, findings->replaced_count, sizeof(*findings->replaced));
	findings->replaced[findings->replaced_count++] = must_have(strdup(symbol));
}

static int compare_names(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static bool is_replaced(const struct findings *findings, const char *symbol)
{
	return findings->replaced_count > 0 && bsearch(&symbol, findings->replaced, findings->replaced_count,
						       sizeof(*findings->replaced), compare_names) != NULL;
}

static enum symbol_class classify(const struct findings *findings, const char *symbol)
{
	enum symbol_class class = symbols_listed(symbol);

	if (is_replaced(findings, symbol))
		return class == SYMBOL_HELPER ? SYMBOL_HELPER : SYMBOL_CARRIED;
	/* The list may be younger than the shim. */
	return class == SYMBOL_HELPER || class == SYMBOL_ELSEWHERE ? SYMBOL_BLOCKS : class;
}

static void add_import(void *context, const char *symbol)
{
	struct findings *findings = context;
	struct import *import;

	findings->imports = grown(findings->imports, findings->import_count, sizeof(*findings->imports));
	import = &findings->imports[findings->import_count++];
	import->symbol = must_have(strdup(symbol));
	import->file = findings->file;
	import->class = classify(findings, symbol);
}

static struct oddity *add_oddity(struct findings *findings)
{
	struct oddity *oddity;

	findings->oddities = grown(findings->oddities, findings->oddity_count, sizeof(*findings->oddities));
	oddity = &findings->oddities[findings->oddity_count++];
	memset(oddity, 0, sizeof(*oddity));
	oddity->file = findings->file;
	return oddity;
}

static void count_call(void *context, long number)
{
	struct findings *findings = context;

	(void)number;
	findings->calls++;
}

static bool with_image(const char *path, void (*function)(const struct image *image, void *context), void *context)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct image image;
	bool opened = fd >= 0 && image_open(&image, fd);
	bool fits = opened && image_is_elf(&image);

	if (fits)
		function(&image, context);
	if (opened)
		image_close(&image);
	if (fd >= 0)
		close(fd);
	return fits;
}

static void read_shim(const struct image *image, void *context)
{
	struct findings *findings = context;

	exports_each(image, add_replaced, findings);
	qsort(findings->replaced, findings->replaced_count, sizeof(*findings->replaced), compare_names);
}

/* Its functions that wait are replaced, and the other calls wait for nobody. */
static bool is_ring_library(const char *file)
{
	return strncmp(file, "liburing.so.", strlen("liburing.so.")) == 0;
}

static void read_file(const struct image *image, void *context)
{
	struct findings *findings = context;

	if (!imports_each(image, add_import, findings))
		add_oddity(findings)->unread = true;
	findings->calls = 0;
	calls_each(image, count_call, findings);
	if (findings->calls >= CALLS_OF_OWN && !is_ring_library(findings->file))
		add_oddity(findings)->calls = findings->calls;
}

/* The C library's own parts make their system calls themselves, which is what the shim is about. */
static bool is_libc_part(const char *name)
{
	static const char *const parts[] = {
		"libc.so.", "libpthread.so.", "libdl.so.", "librt.so.", "libresolv.so.", "libanl.so.", "libutil.so.",
		"libm.so.", "ld-linux", "libgreen",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strncmp(name, parts[i], strlen(parts[i])) == 0)
			return true;
	}
	return false;
}

static bool has_native_threads(const char *name)
{
	static const char *const known[] = {
#define NATIVE(name) name,
#include "../preload/native_libraries.def"
#undef NATIVE
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(name, known[i], strlen(known[i])) == 0)
			return true;
	}
	return false;
}

static void read_library(void *context, const char *name, const char *path)
{
	struct findings *findings = context;
	enum elf_kind kind = elf_library_kind(base_name(name));

	if (is_libc_part(base_name(name)))
		return;
	findings->file = must_have(strdup(base_name(name)));
	findings->file_count++;
	findings->has_rings |= is_ring_library(findings->file);
	if (path == NULL)
		add_oddity(findings)->missing = true;
	else if (kind != ELF_KIND_FITS)
		add_oddity(findings)->kind = kind;
	else
		with_image(path, read_file, findings);
	if (path != NULL && has_native_threads(base_name(name)))
		add_oddity(findings)->native = true;
}

/* --- telling --- */

/* Names come from files that may be hostile, so that nothing but plain ASCII reaches a terminal. */
static void print_name(const char *name)
{
	for (; *name != '\0'; name++)
		putchar(*name > ' ' && *name <= '~' ? *name : '?');
}

static int compare_imports(const void *one, const void *other)
{
	const struct import *a = one, *b = other;
	int order = (int)a->class - (int)b->class;

	if (order == 0)
		order = strcmp(a->symbol, b->symbol);
	return order != 0 ? order : strcmp(a->file, b->file);
}

/* Imports are sorted, so that the same name from several files stands side by side. */
static bool is_repeated(const struct findings *findings, size_t index)
{
	const struct import *import = &findings->imports[index];

	return index > 0 && import[-1].class == import->class && strcmp(import[-1].symbol, import->symbol) == 0;
}

static size_t count_class(const struct findings *findings, enum symbol_class class)
{
	size_t count = 0;

	for (size_t i = 0; i < findings->import_count; i++)
		count += findings->imports[i].class == class && !is_repeated(findings, i);
	return count;
}

static bool imports_symbol(const struct findings *findings, const char *symbol)
{
	for (size_t i = 0; i < findings->import_count; i++) {
		if (strcmp(findings->imports[i].symbol, symbol) == 0)
			return true;
	}
	return false;
}

/* As many names of CLASS as a line has room for behind its first USED columns. */
static void print_names(const struct findings *findings, enum symbol_class class, size_t used)
{
	size_t left = count_class(findings, class);

	for (size_t i = 0; i < findings->import_count && left > 0; i++) {
		const struct import *import = &findings->imports[i];

		if (import->class != class || is_repeated(findings, i))
			continue;
		used += strlen(import->symbol) + 2;
		if (used > WIDTH - sizeof("and 1000 more")) {
			printf(" and %zu more", left);
			return;
		}
		putchar(' ');
		print_name(import->symbol);
		left--;
		if (left > 0)
			putchar(',');
	}
}

/* One line about a class, unless nothing is in it. */
static void print_class(const struct findings *findings, enum symbol_class class)
{
	static const char *const labels[SYMBOL_CLASSES] = {
		[SYMBOL_CARRIED] = "carried", [SYMBOL_HELPER] = "on a helper", [SYMBOL_PLAIN] = "harmless",
		[SYMBOL_DISK] = "disk", [SYMBOL_FOREIGN] = "foreign", [SYMBOL_KERNEL] = "kernel thread",
		[SYMBOL_BLOCKS] = "blocks", [SYMBOL_OLD] = "obsolete", [SYMBOL_UNKNOWN] = "unknown",
	};
	size_t count = count_class(findings, class);

	if (count == 0 || labels[class] == NULL)
		return;
	printf("  %-14s%zu call%s:", labels[class], count, count == 1 ? "" : "s");
	print_names(findings, class, 28);
	putchar('\n');
}

static void print_all(const struct findings *findings)
{
	static const char *const labels[SYMBOL_CLASSES] = {
		"carried", "helper", "harmless", "disk", "foreign", "kernel", "blocks", "obsolete", "data", "elsewhere", "unknown",
	};

	for (size_t i = 0; i < findings->import_count; i++) {
		const struct import *import = &findings->imports[i];

		printf("%-10s ", labels[import->class]);
		print_name(import->symbol);
		putchar(' ');
		print_name(import->file);
		putchar('\n');
	}
}

static void print_oddity(const struct oddity *oddity)
{
	printf("  %-14s", oddity->missing ? "missing" : oddity->unread ? "unreadable" :
			  oddity->native ? "native" : "system calls");
	print_name(oddity->file);
	if (oddity->unread)
		fputs(" has no section headers, so its calls are not known\n", stdout);
	else if (oddity->missing)
		fputs(" is not found, so the program will not start\n", stdout);
	else if (oddity->native)
		fputs(" is known to want kernel threads, and those that it runs are such\n", stdout);
	else if (oddity->kind == ELF_KIND_SANITIZER)
		fputs(" is a sanitizer's, which must be the first to catch library calls\n", stdout);
	else if (oddity->kind == ELF_KIND_JAVA)
		fputs(" is a Java virtual machine, with which all threads stay kernel threads\n", stdout);
	else if (oddity->kind == ELF_KIND_INLINE_CALLS)
		fputs(" makes system calls that cannot be caught\n", stdout);
	else
		printf(" makes at least %u past the C library, which cannot be caught; if in threads of its own: "
		       "--native-thread\n", oddity->calls);
}

static bool has_exceptions(const struct findings *findings)
{
	return findings->oddity_count > 0 || count_class(findings, SYMBOL_KERNEL) > 0 ||
	       count_class(findings, SYMBOL_BLOCKS) > 0 || count_class(findings, SYMBOL_UNKNOWN) > 0;
}

static void print_findings(const struct findings *findings, const char *path, const char *binary)
{
	static const enum symbol_class order[] = {
		SYMBOL_CARRIED, SYMBOL_HELPER, SYMBOL_PLAIN, SYMBOL_DISK, SYMBOL_OLD, SYMBOL_FOREIGN,
		SYMBOL_KERNEL, SYMBOL_BLOCKS, SYMBOL_UNKNOWN,
	};

	printf("  %-14s", "program");
	print_name(path);
	if (strcmp(path, binary) != 0) {
		printf(", run by ");
		print_name(binary);
	}
	printf("\n  %-14s%zu besides the C library\n", "libraries", findings->file_count - 1);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		print_class(findings, order[i]);
	for (size_t i = 0; i < findings->oddity_count; i++)
		print_oddity(&findings->oddities[i]);
	if (findings->has_rings)
		printf("  %-14sof liburing, whose waits are carried\n", "rings");
	if (!imports_symbol(findings, "pthread_create") && !imports_symbol(findings, "thrd_create"))
		printf("  %-14snone is created by these files\n", "threads");
	if (imports_symbol(findings, "dlopen") || imports_symbol(findings, "dlmopen"))
		printf("  %-14sdlopen may load more, which is not looked at\n", "modules");
}

static int tell_native(const char *name, const struct program_verdict *verdict)
{
	print_name(name);
	printf(": runs natively\n  %-14s", "reason");
	if (verdict->culprit[0] != '\0') {
		print_name(verdict->culprit);
		fputs(": ", stdout);
	}
	printf("%s\n", verdict->reason);
	if (verdict->may_carry)
		printf("  %-14sgreen run --carry gives it green threads all the same\n", "way out");
	return DOCTOR_NATIVE;
}

static int cannot_examine(const char *name, const char *why)
{
	fprintf(stderr, "green doctor: %s: cannot be examined: %s\n", name, why);
	return EXIT_FAILED;
}

static int tell(const char *name, const char *path, const char *binary, bool all)
{
	struct findings findings = { .file = base_name(binary), .file_count = 1 };
	char shim[PATH_MAX];
	int status = run_find_shim(shim);

	if (status != 0)
		return status;
	if (!with_image(shim, read_shim, &findings) || !with_image(binary, read_file, &findings))
		return cannot_examine(name, "not readable, or no program at all");
	if (libraries_each(binary, read_library, &findings) != 0)
		return cannot_examine(name, strerror(errno));
	qsort(findings.imports, findings.import_count, sizeof(*findings.imports), compare_imports);
	status = has_exceptions(&findings) ? DOCTOR_EXCEPTIONS : DOCTOR_CARRIED;
	print_name(name);
	puts(status == DOCTOR_CARRIED ? ": carried" : ": carried with exceptions");
	print_findings(&findings, path, binary);
	if (all)
		print_all(&findings);
	return status;
}

static int examine(const char *name, bool all)
{
	struct program_verdict verdict;
	char path[PATH_MAX];

	if (program_find(name, path) != 0) {
		bool searched = errno == ENOENT && strchr(name, '/') == NULL;

		fprintf(stderr, "green: %s: %s\n", name, searched ? "command not found" : strerror(errno));
		return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	}
	program_examine(path, &verdict);
	return verdict.carried ? tell(name, path, verdict.binary, all) : tell_native(name, &verdict);
}

int doctor_main(int argc, char **argv)
{
	bool all = false;

	(void)argc;
	for (argv++; *argv != NULL && (*argv)[0] == '-' && (*argv)[1] != '\0'; argv++) {
		if (strcmp(*argv, "--") == 0) {
			argv++;
			break;
		}
		if (strcmp(*argv, "--help") == 0)
			return fputs(help_text, stdout), 0;
		if (strcmp(*argv, "--version") == 0)
			return puts("green " GREEN_VERSION), 0;
		if (strcmp(*argv, "--all") != 0) {
			fprintf(stderr, "green doctor: %s: unknown option: try 'green doctor --help'\n", *argv);
			return EXIT_WRONG_USAGE;
		}
		all = true;
	}
	if (*argv == NULL) {
		fputs("green doctor: no command given: try 'green doctor --help'\n", stderr);
		return EXIT_WRONG_USAGE;
	}
	return examine(*argv, all);
}
