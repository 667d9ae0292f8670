/* SPDX-License-Identifier: MIT */
/* options.h - the options of a program: a table of names, for parsing and for --help */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

/* --NAME=VALUE, or --NAME alone for a flag.  One of the pointers says where it goes; what is there before is the default. */
struct option {
	const char *name;
	const char *help;
	bool *flag;
	unsigned *number;
	int *seconds_ms; /* seconds, fractions too, turned into milliseconds */
	const char **text;
	unsigned least, most; /* of NUMBER */
};

struct program {
	const char *name;
	const char *arguments; /* as the usage shows them: "PORT" */
	const char *what;      /* sentences about it, for --help */
	int min_arguments, max_arguments;
	const struct option *options; /* the last one has no name */
};

/*
 * options_parse - put options where they belong, and move the arguments, COUNT of them, to the front of ARGV
 *
 * Ends the program: after --help with 0, if something is wrong with 2 and a sentence that says what.
 */
void options_parse(const struct program *program, int argc, char **argv, int *count);

/* options_refuse - "PROGRAM: ARGUMENT: WHY", the usage, and the end of the program with 2 */
_Noreturn void options_refuse(const struct program *program, const char *argument, const char *why);

/* options_number - TEXT is a decimal number from LEAST to MOST: *NUMBER */
bool options_number(const char *text, unsigned least, unsigned most, unsigned *number);

#endif
