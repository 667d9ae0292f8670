/* SPDX-License-Identifier: MIT */
/* run.h - the subcommand `green run` and the exit statuses that every subcommand uses for its own failures */
#ifndef GREEN_TOOLS_RUN_H
#define GREEN_TOOLS_RUN_H

#include <limits.h>

/* As env, nice and timeout have them, so that a command's own status stays recognisable. */
enum {
	EXIT_WRONG_USAGE = 2,
	EXIT_FAILED = 125,
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
};

/*
 * run_main - start a program under the shim
 *
 * ARGV[0] is "run". On success the process has become the command and nothing
 * returns; a command that the shim cannot carry is started natively after one
 * line on standard error. Otherwise one such line says what failed.
 *
 * Returns: the status to exit with
 */
int run_main(int argc, char **argv);

/* run_find_shim - write the shim's PATH and return 0; or say what is wrong and return the status to exit with */
int run_find_shim(char path[PATH_MAX]);

#endif
