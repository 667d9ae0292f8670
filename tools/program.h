/* SPDX-License-Identifier: MIT */
/* program.h - finds the file that a command names, and whether the shim can be loaded into what runs it */
#ifndef GREEN_TOOLS_PROGRAM_H
#define GREEN_TOOLS_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

/* What is known about a program before it starts. */
struct program_verdict {
	bool carried;
	bool may_carry;		/* when not carried: --carry can do it all the same */
	char culprit[PATH_MAX];	/* when not carried: the interpreter at fault, or "" for the program itself */
	char reason[160];	/* when not carried: a clause for "PROGRAM: REASON; ..." */
	char binary[PATH_MAX];	/* the file that the kernel or env starts in the end; "" when no file could be read */
};

/*
 * program_find - write into PATH the file that exec would run for NAME
 *
 * A NAME with a slash is the path itself; any other is looked for in the
 * directories of PATH, as execvp does it: an empty directory means the current
 * one, and a file that may not be executed is passed over.
 *
 * Returns:  0; -1 with errno
 *   ENOENT  there is no such file
 *   EISDIR  NAME, which has a slash, is a directory
 *   EACCES  a file is there, but may not be executed or is no regular file
 *   other   what stat says about NAME
 */
int program_find(const char *name, char path[PATH_MAX]);

/*
 * program_examine - find out whether the shim can be loaded into PATH
 *
 * Scripts are followed to their interpreter, and through `env NAME` to NAME.
 * A file that cannot be read or understood counts as carried: then exec and
 * the shim decide. VERDICT is always filled in.
 */
void program_examine(const char *path, struct program_verdict *verdict);

/* Whether PATH looks like text, which exec refuses without a #! line and execvp hands to the shell. */
bool program_is_text(const char *path);

#endif
