/* SPDX-License-Identifier: MIT */
/* elfkind.h - tells from an ELF file whether the shim can be loaded into the program it holds */
#ifndef GREEN_TOOLS_ELFKIND_H
#define GREEN_TOOLS_ELFKIND_H

#include <stdbool.h>

/* This header is not called elf.h, because with -I. it would hide <elf.h>. */

enum elf_kind {
	ELF_KIND_FITS,		/* dynamic, same CPU and same libc as this command */
	ELF_KIND_UNKNOWN,	/* no ELF program, or too broken to tell: exec decides */
	ELF_KIND_OTHER_CPU,	/* another machine, word size or byte order */
	ELF_KIND_STATIC,	/* no dynamic loader runs, so nothing is preloaded */
	ELF_KIND_GO,		/* the Go runtime, which calls the kernel itself */
	ELF_KIND_OTHER_LIBC,	/* another dynamic loader than this command's */
	ELF_KIND_SANITIZER,	/* a runtime that must wrap libc before anyone else */
	ELF_KIND_INLINE_CALLS,	/* a library whose threads wait in system calls of its own */
	ELF_KIND_JAVA,		/* a Java virtual machine, which stops and inspects its threads itself */
};

/* REASON is a clause for "PROGRAM: REASON; ...", empty for FITS and UNKNOWN. */
struct elf_report {
	enum elf_kind kind;
	char reason[160];
};

/*
 * elf_examine - find out what kind of program the file behind FD holds
 *
 * FD is readable, refers to a regular file and stays the caller's; its offset
 * is neither used nor moved. Nothing in the file is trusted: a truncated or
 * corrupt one gives ELF_KIND_UNKNOWN or the kind that its readable part tells.
 * What fits is measured against the running command itself, which the same
 * build made for the same machine and libc as the shim.
 *
 * REPORT is always filled in, also when the file cannot be read (UNKNOWN).
 */
void elf_examine(int fd, struct elf_report *report);

/* elf_kind_may_carry - true if the shim can be loaded into a program of KIND, whatever becomes of it */
bool elf_kind_may_carry(enum elf_kind kind);

/* elf_library_kind - what the library NAME, such as "libgomp.so.1", makes of a program linked with it; FITS for most */
enum elf_kind elf_library_kind(const char *name);

#endif
