/* SPDX-License-Identifier: MIT */
/* run.c - green run: checks options and environment, finds the shim, puts it into LD_PRELOAD and becomes the command */
#include "run.h"

#include <errno.h>
#include <limits.h>
#include <paths.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/size.h"
#include "program.h"

#define SHIM_NAME "libgreen-preload.so"

struct options {
	const char *stack;	/* NULL unless --stack was given */
	const char *timeslice;	/* NULL unless --timeslice was given */
	const char *audit;	/* what GREEN_AUDIT is to be; NULL unless --audit was given */
	char *native_threads;	/* what --native-thread named, separated by colons; NULL unless it was given */
	bool carry;
	bool no_children;
	bool detour;
	bool verbose;
	char **command;		/* the command and its arguments, NULL at the end */
};

static const char help_text[] =
	"Usage: green run [OPTION]... [--] COMMAND [ARG]...\n"
	"Run COMMAND with green threads in place of kernel threads.\n"
	"\n"
	"  --stack=SIZE    stack of each thread that does not ask for a size itself:\n"
	"                  bytes, or a number followed by k, m or g; 16k to 1g\n"
	"  --timeslice=TIME  how long a thread may compute before the others have a turn:\n"
	"                  a number followed by us, ms or s, 50us to 10s; or off\n"
	"  --detour        change libc's own code, so that its streams and locks wait like\n"
	"                  all else and need no helper threads\n"
	"  --native-thread=LIBRARY  threads that LIBRARY runs stay kernel threads: a name,\n"
	"                  with * and ? as in file names; may be given several times\n"
	"  --carry         give green threads also to programs that do not bear them well:\n"
	"                  with sanitizers or OpenMP, in Go, Java virtual machines\n"
	"  --no-children   run the programs that COMMAND starts natively\n"
	"  --audit[=FILE]  tell at the end, on standard error or in FILE.PROCESS, which calls\n"
	"                  held up all threads for more than 10 ms\n"
	"  --verbose       tell on standard error what is being done\n"
	"  --help          print this text\n"
	"  --version       print the version\n"
	"\n"
	"A command that cannot have green threads (static, setuid, Go and others) runs\n"
	"natively, after one line on standard error that says why.\n"
	"\n"
	"Exit status: that of COMMAND; 2 for wrong usage, 125 if green run itself fails,\n"
	"126 if COMMAND cannot be executed, 127 if it is not found.\n";

static bool is_size(const char *text)
{
	size_t bytes;

	return size_parse(text, &bytes) == 0;
}

static bool is_duration(const char *text)
{
	int64_t nanoseconds;

	return duration_parse(text, &nanoseconds) == 0;
}

static bool is_switch(const char *text)
{
	return strcmp(text, "0") == 0 || strcmp(text, "1") == 0;
}

static bool is_prefix(const char *text)
{
	return *text != '\0';
}

/* The shim makes the file, but its directory can be looked at now. */
static bool begins_file(const char *text)
{
	const char *slash = strrchr(text, '/');
	char directory[PATH_MAX] = ".";

	if (*text == '\0')
		return false;
	if (slash != NULL)
		snprintf(directory, sizeof(directory), "%.*s", slash == text ? 1 : (int)(slash - text), text);
	return access(directory, W_OK | X_OK) == 0;
}

static int wrong_usage(const char *what, const char *value, const char *rule)
{
	fprintf(stderr, "green run: %s%s%s%s: try 'green run --help'\n", what, value, *what != '\0' ? ": " : "", rule);
	return EXIT_WRONG_USAGE;
}

/* Libraries add up, unlike other options. */
static int add_native_thread(const char *name, struct options *options)
{
	char *before = options->native_threads;

	if (*name == '\0' || strpbrk(name, ":/") != NULL)
		return wrong_usage("--native-thread=", name, "not the name of a library, such as libfoo.so.1 or libfoo");
	if (asprintf(&options->native_threads, "%s%s%s", before != NULL ? before : "", before != NULL ? ":" : "", name) < 0)
		return wrong_usage("--native-thread=", name, "out of memory");
	free(before);
	return 0;
}

/* Returns 0 to go on, else the status to exit with. */
static int parse_option(const char *word, struct options *options)
{
	static const char stack[] = "--stack=", timeslice[] = "--timeslice=", audit[] = "--audit=",
		native_thread[] = "--native-thread=";

	if (strncmp(word, stack, strlen(stack)) == 0) {
		options->stack = word + strlen(stack);
		return is_size(options->stack) ? 0 : wrong_usage(stack, options->stack, SIZE_RULE);
	}
	if (strncmp(word, timeslice, strlen(timeslice)) == 0) {
		options->timeslice = word + strlen(timeslice);
		return is_duration(options->timeslice) ? 0 : wrong_usage(timeslice, options->timeslice, DURATION_RULE);
	}
	if (strncmp(word, audit, strlen(audit)) == 0) {
		options->audit = word + strlen(audit);
		return is_prefix(options->audit) ? 0 : wrong_usage(audit, "", "needs a file name, or --audit alone");
	}
	if (strncmp(word, native_thread, strlen(native_thread)) == 0)
		return add_native_thread(word + strlen(native_thread), options);
	if (strcmp(word, "--audit") == 0)
		options->audit = "1";
	else if (strcmp(word, "--carry") == 0)
		options->carry = true;
	else if (strcmp(word, "--no-children") == 0)
		options->no_children = true;
	else if (strcmp(word, "--detour") == 0)
		options->detour = true;
	else if (strcmp(word, "--verbose") == 0)
		options->verbose = true;
	else if (strcmp(word, "--stack") == 0)
		return wrong_usage(word, "", "needs a size, as in --stack=256k");
	else if (strcmp(word, "--native-thread") == 0)
		return wrong_usage(word, "", "needs a library, as in --native-thread=libfoo.so.1");
	else if (strcmp(word, "--timeslice") == 0)
		return wrong_usage(word, "", "needs a time, as in --timeslice=1ms");
	else
		return wrong_usage(word, "", "unknown option");
	return 0;
}

/* Prints what --help and --version ask for; those end the options. */
static bool print_information(const char *word)
{
	if (strcmp(word, "--help") == 0)
		fputs(help_text, stdout);
	else if (strcmp(word, "--version") == 0)
		puts("green " GREEN_VERSION);
	else
		return false;
	return true;
}

/* Returns whether there is a command to run; otherwise *STATUS is what to exit with. */
static bool parse(char **argv, struct options *options, int *status)
{
	char **word = argv + 1;

	memset(options, 0, sizeof(*options));
	*status = 0;
	for (; *word != NULL && (*word)[0] == '-' && (*word)[1] != '\0'; word++) {
		if (strcmp(*word, "--") == 0) {
			word++;
			break;
		}
		if (print_information(*word))
			return false;
		*status = parse_option(*word, options);
		if (*status != 0)
			return false;
	}
	options->command = word;
	if (*word == NULL)
		*status = wrong_usage("", "", "no command given");
	return *word != NULL;
}

/* The shim would warn and take its default: here the command has not started yet, so it need not. */
static int check_environment(const struct options *options)
{
	static const struct {
		const char *name;
		bool (*valid)(const char *text);
		const char *rule;
	} variables[] = {
		{ "GREEN_STACK", is_size, SIZE_RULE },
		{ "GREEN_TIMESLICE", is_duration, DURATION_RULE },
		{ "GREEN_CHILDREN", is_switch, "neither 0 nor 1" },
		{ "GREEN_VERBOSE", is_switch, "neither 0 nor 1" },
		{ "GREEN_DETOUR", is_switch, "neither 0 nor 1" },
		{ "GREEN_CARRY", is_switch, "neither 0 nor 1" },
		{ "GREEN_STATS", begins_file, "not the beginning of a file's name in a directory that can be written to" },
		{ "GREEN_NATIVE_THREADS", is_prefix, "empty: names of libraries, separated by colons" },
		{ "GREEN_AUDIT", is_prefix, "empty: 1, 0 or the beginning of a file name" },
	};
	const bool replaced[] = {
		options->stack != NULL, options->timeslice != NULL, options->no_children, options->verbose, options->detour,
		options->carry, false, options->native_threads != NULL, options->audit != NULL,
	};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i].name);
		char name[32];

		if (value == NULL || replaced[i] || variables[i].valid(value))
			continue;
		snprintf(name, sizeof(name), "%s=", variables[i].name);
		return wrong_usage(name, value, variables[i].rule);
	}
	return 0;
}

static bool readable(const char *path)
{
	return access(path, R_OK) == 0;
}

/*
 * Writes into PATH the place of the shim that belongs to this very binary: in
 * the build tree, or below the prefix to which it was moved after installation.
 */
static bool find_beside(char path[PATH_MAX])
{
	static const char *const places[] = { "/preload/.libs/" SHIM_NAME, "/lib/libgreen/" SHIM_NAME };
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	/* The last two components, as in tools/green and bin/green, make way. */
	for (int i = 0; i < 2 && length > 0; i++) {
		self[length] = '\0';
		length = strrchr(self, '/') != NULL ? strrchr(self, '/') - self : 0;
	}
	if (length < 0)
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(path, PATH_MAX, "%.*s%s", (int)length, self, places[i]) < PATH_MAX && readable(path))
			return true;
	}
	return false;
}

int run_find_shim(char path[PATH_MAX])
{
	if (!find_beside(path)) {
		snprintf(path, PATH_MAX, "%s", GREEN_PKGLIBDIR "/" SHIM_NAME);
		if (!readable(path)) {
			fprintf(stderr, "green: " SHIM_NAME ": found neither beside this command nor as %s: "
				"build libgreen with 'make' or install it with 'make install'\n", path);
			return EXIT_FAILED;
		}
	}
	/* ld.so ends a name there and knows no way to quote. */
	if (strpbrk(path, " :") != NULL) {
		fprintf(stderr, "green: %s: LD_PRELOAD takes no path with a space or a colon: "
			"move libgreen to a directory without them\n", path);
		return EXIT_FAILED;
	}
	return 0;
}

static bool is_shim(const char *entry, size_t length)
{
	const size_t name = strlen(SHIM_NAME);

	return length >= name && strncmp(entry + length - name, SHIM_NAME, name) == 0 &&
	       (length == name || entry[length - name - 1] == '/');
}

/*
 * Copies LIST, a value of LD_PRELOAD, without any shim that an outer green run
 * put there; the other entries keep their separators, colons or spaces.
 * Returns memory for the caller to free, or NULL with errno.
 */
static char *without_shim(const char *list)
{
	char *copy = malloc(strlen(list) + 1), *end = copy;

	if (copy == NULL)
		return NULL;
	while (*list != '\0') {
		size_t length = strcspn(list, " :");
		size_t taken = length + (list[length] != '\0');

		if (!is_shim(list, length)) {
			memcpy(end, list, taken);
			end += taken;
		}
		list += taken;
	}
	*end = '\0';
	return copy;
}

/* SHIM is NULL for a command that runs natively: then only its absence is made sure of. */
static int set_preload(const char *shim)
{
	const char *old = getenv("LD_PRELOAD");
	char *others = without_shim(old != NULL ? old : ""), *list;
	int result = -1;

	if (others == NULL)
		return -1;
	if (shim == NULL) {
		result = *others == '\0' ? unsetenv("LD_PRELOAD") : setenv("LD_PRELOAD", others, 1);
	} else if (asprintf(&list, "%s%s%s", shim, *others != '\0' ? ":" : "", others) >= 0) {
		result = setenv("LD_PRELOAD", list, 1);
		free(list);
	}
	free(others);
	return result;
}

/* Only the command itself tells that it found nothing; its children would be many. */
static int name_first_process(void)
{
	char number[24];

	snprintf(number, sizeof(number), "%ld", (long)getpid());
	return setenv("GREEN_AUDIT_PID", number, 1);
}

static int set_variables(const struct options *options, const char *shim)
{
	if (options->stack != NULL && setenv("GREEN_STACK", options->stack, 1) != 0)
		return -1;
	if (options->timeslice != NULL && setenv("GREEN_TIMESLICE", options->timeslice, 1) != 0)
		return -1;
	if (options->no_children && setenv("GREEN_CHILDREN", "0", 1) != 0)
		return -1;
	if (options->carry && setenv("GREEN_CARRY", "1", 1) != 0)
		return -1;
	if (options->detour && setenv("GREEN_DETOUR", "1", 1) != 0)
		return -1;
	if (options->native_threads != NULL && setenv("GREEN_NATIVE_THREADS", options->native_threads, 1) != 0)
		return -1;
	if (options->verbose && setenv("GREEN_VERBOSE", "1", 1) != 0)
		return -1;
	if (options->audit != NULL && setenv("GREEN_AUDIT", options->audit, 1) != 0)
		return -1;
	if (getenv("GREEN_AUDIT") != NULL && name_first_process() != 0)
		return -1;
	return set_preload(shim);
}

static bool is_on(bool option, const char *variable)
{
	const char *value = getenv(variable);

	return option || (value != NULL && strcmp(value, "1") == 0);
}

static void report_unfit(const char *name, const struct program_verdict *verdict, bool carry)
{
	const char *culprit = verdict->culprit;

	fprintf(stderr, "green: %s: %s%s%s%s; %s\n", name, *culprit != '\0' ? "its interpreter " : "", culprit,
		*culprit != '\0' ? " is unfit: " : "", verdict->reason,
		carry ? "giving it green threads all the same" : verdict->may_carry ?
		"running it without green threads, unless --carry is given" : "running it without green threads");
}

/* Returns 0, or -1 with errno. */
static int prepare(const struct options *options, const char *path, const char *shim)
{
	struct program_verdict verdict;
	bool carry;

	program_examine(path, &verdict);
	carry = verdict.may_carry && is_on(options->carry, "GREEN_CARRY");
	if (!verdict.carried)
		report_unfit(options->command[0], &verdict, carry);
	if (!verdict.carried && !carry)
		return set_preload(NULL);
	if (is_on(options->verbose, "GREEN_VERBOSE"))
		fprintf(stderr, "green: running %s under %s\n", path, shim);
	return set_variables(options, shim);
}

/* Shells tell a missing command from every other failure by its status. */
static int cannot_execute(const char *name, const char *why, int error)
{
	fprintf(stderr, "green: %s: %s\n", name, why != NULL ? why : strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* What execvp does about a script without an interpreter line. */
static void execute_by_shell(const char *path, char **command)
{
	size_t count = 0;
	char **arguments;

	while (command[count] != NULL)
		count++;
	arguments = calloc(count + 2, sizeof(*arguments));
	if (arguments == NULL)
		return;
	arguments[0] = (char *)_PATH_BSHELL;
	arguments[1] = (char *)path;
	memcpy(arguments + 2, command + 1, count * sizeof(*arguments));
	execv(_PATH_BSHELL, arguments);
	free(arguments);
}

static int execute(const char *path, char **command)
{
	int error;

	execv(path, command);
	error = errno;
	if (error == ENOEXEC && program_is_text(path)) {
		execute_by_shell(path, command);
		error = errno;
	}
	/* The file itself was there a moment ago. */
	if (error == ENOENT)
		return cannot_execute(command[0], "its interpreter or dynamic loader is missing", error);
	return cannot_execute(command[0], NULL, error);
}

int run_main(int argc, char **argv)
{
	char shim[PATH_MAX], path[PATH_MAX];
	struct options options;
	int status;

	(void)argc;
	if (!parse(argv, &options, &status))
		return status;
	status = check_environment(&options);
	if (status == 0)
		status = run_find_shim(shim);
	if (status != 0)
		return status;
	if (program_find(options.command[0], path) != 0) {
		bool searched = errno == ENOENT && strchr(options.command[0], '/') == NULL;

		return cannot_execute(options.command[0], searched ? "command not found" : NULL, errno);
	}
	if (prepare(&options, path, shim) != 0) {
		fprintf(stderr, "green: %s: cannot set its environment: %s\n", options.command[0], strerror(errno));
		return EXIT_FAILED;
	}
	return execute(path, options.command);
}
