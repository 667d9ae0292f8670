/* SPDX-License-Identifier: MIT */
/* green.c - the green command: hands over to the subcommand that its first argument names */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "run.h"

/* A subcommand gets its own name as ARGV[0] and answers --help itself. */
static const struct subcommand {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *summary;
} subcommands[] = {
	{ "run", run_main, "run a program with green threads in place of kernel threads" },
	{ "doctor", doctor_main, "tell beforehand what of a program can have green threads" },
};

static const struct subcommand *find(const char *name)
{
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	}
	return NULL;
}

static int print_help(void)
{
	fputs("Usage: green COMMAND [ARG]...\n"
	      "\n", stdout);
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++)
		printf("  %-10s %s\n", subcommands[i].name, subcommands[i].summary);
	fputs("  help       print this text, or the one of the command that follows\n"
	      "  --help     print this text\n"
	      "  --version  print the version\n"
	      "\n"
	      "'green COMMAND --help' tells about each command, green(1) about all of them.\n", stdout);
	return 0;
}

static int unknown(const char *word)
{
	fprintf(stderr, "green: %s: no such command: try 'green --help'\n", word);
	return EXIT_WRONG_USAGE;
}

static int help(const char *name)
{
	char *arguments[] = { (char *)name, (char *)"--help", NULL };
	const struct subcommand *subcommand;

	if (name == NULL)
		return print_help();
	subcommand = find(name);
	return subcommand != NULL ? subcommand->main(2, arguments) : unknown(name);
}

static int dispatch(int argc, char **argv)
{
	const struct subcommand *subcommand;

	if (argc < 2) {
		fputs("green: no command given: try 'green --help'\n", stderr);
		return EXIT_WRONG_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("green " GREEN_VERSION);
		return 0;
	}
	if (strcmp(argv[1], "--help") == 0)
		return print_help();
	if (strcmp(argv[1], "help") == 0)
		return help(argv[2]);
	subcommand = find(argv[1]);
	return subcommand != NULL ? subcommand->main(argc - 1, argv + 1) : unknown(argv[1]);
}

int main(int argc, char **argv)
{
	int status = dispatch(argc, argv);

	/* A help text that went to a full disk or a closed descriptor was not printed. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "green: standard output: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	return status;
}
