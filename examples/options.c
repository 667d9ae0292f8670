/* SPDX-License-Identifier: MIT */
/* options.c - the options of a program: a table of names, for parsing and for --help */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

enum { MOST_SECONDS = 1000000 };

static void print_usage(const struct program *program, FILE *file)
{
	fprintf(file, "usage: %s%s%s%s\n", program->name, program->options->name ? " [OPTION...]" : "",
		program->arguments[0] ? " " : "", program->arguments);
}

/* "  --name=DEFAULT   help"; what stands there before parsing is the default. */
static void print_option(const struct option *option)
{
	char name[64];

	if (option->number)
		snprintf(name, sizeof(name), "--%s=%u", option->name, *option->number);
	else if (option->seconds_ms)
		snprintf(name, sizeof(name), "--%s=%g", option->name, *option->seconds_ms / 1000.0);
	else if (option->text)
		snprintf(name, sizeof(name), "--%s=%s", option->name, *option->text ? *option->text : "TEXT");
	else
		snprintf(name, sizeof(name), "--%s", option->name);
	printf("  %-20s %s\n", name, option->help);
}

static _Noreturn void print_help(const struct program *program)
{
	print_usage(program, stdout);
	printf("%s\n", program->what);
	if (program->options->name)
		printf("Options, with what they are unless given:\n");
	for (const struct option *option = program->options; option->name; option++)
		print_option(option);
	exit(0);
}

_Noreturn void options_refuse(const struct program *program, const char *argument, const char *why)
{
	fprintf(stderr, "%s: %s%s%s\n", program->name, argument, argument[0] ? ": " : "", why);
	print_usage(program, stderr);
	exit(2);
}

bool options_number(const char *text, unsigned least, unsigned most, unsigned *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)text[0]) || *end || value < least || value > most)
		return false;
	*number = (unsigned)value;
	return true;
}

static bool parse_seconds(const char *text, int *milliseconds)
{
	char *end;
	double value = strtod(text, &end);

	if (!isdigit((unsigned char)text[0]) || *end || !(value <= MOST_SECONDS))
		return false;
	*milliseconds = (int)(value * 1000 + 0.5);
	return true;
}

static void set(const struct program *program, const struct option *option, const char *argument, const char *value)
{
	char why[64];

	if (!value != !!option->flag)
		options_refuse(program, argument, value ? "takes no value" : "needs =VALUE");
	if (option->flag)
		*option->flag = true;
	else if (option->text)
		*option->text = value;
	else if (option->seconds_ms && !parse_seconds(value, option->seconds_ms))
		options_refuse(program, argument, "no number of seconds");
	snprintf(why, sizeof(why), "no number from %u to %u", option->least, option->most);
	if (option->number && !options_number(value, option->least, option->most, option->number))
		options_refuse(program, argument, why);
}

static void parse_one(const struct program *program, const char *argument)
{
	size_t length = strcspn(argument, "=");

	if (strcmp(argument, "--help") == 0)
		print_help(program);
	for (const struct option *option = program->options; option->name; option++)
		if (strlen(option->name) == length - 2 && strncmp(argument + 2, option->name, length - 2) == 0) {
			set(program, option, argument, argument[length] ? argument + length + 1 : NULL);
			return;
		}
	options_refuse(program, argument, "no such option");
}

void options_parse(const struct program *program, int argc, char **argv, int *count)
{
	bool over = false;

	*count = 0;
	for (int i = 1; i < argc; i++) {
		if (!over && strcmp(argv[i], "--") == 0)
			over = true;
		else if (!over && strncmp(argv[i], "--", 2) == 0)
			parse_one(program, argv[i]);
		else
			argv[(*count)++] = argv[i];
	}
	if (*count < program->min_arguments)
		options_refuse(program, "", "an argument is missing");
	if (*count > program->max_arguments)
		options_refuse(program, argv[program->max_arguments], "one argument too many");
}
