/* SPDX-License-Identifier: MIT */
/* switch_demo.c - explicit switches: hand over and come back, the parent at the end, and blocking code fed by events */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <green.h>

#ifdef GREEN_CONTEXT_UCONTEXT
#define CONTEXT "ucontext"
#else
#define CONTEXT "native"
#endif

/* ---- two greenlets that hand over to each other ---- */

static struct greenlet *first, *second;

static void *print_12_34(void *value)
{
	printf("12");
	green_switch(second, NULL);
	printf(" 34");
	return value;
}

static void *print_56_78(void *value)
{
	printf(" 56");
	return green_switch(first, value);
}

/* FIRST ends while SECOND is suspended in the middle: control goes to FIRST's parent, which is us. */
static void hand_over(void)
{
	first = green_create(print_12_34, NULL);
	second = green_create(print_56_78, NULL);
	green_switch(first, NULL);
	printf("\n");
	green_switch(second, NULL);
	green_destroy(first);
	green_destroy(second);
}

/* ---- who gets control, and the value, at the end ---- */

static void *print_12(void *value)
{
	printf("12");
	return green_switch(second, value);
}

static void *print_56_and_78(void *value)
{
	printf(" 56");
	printf(" 78\n");
	return (void *)((intptr_t)value + 1);
}

/* SECOND is started by FIRST, but ends in its parent, and its result arrives there. */
static void end_in_parent(void)
{
	void *value;

	first = green_create(print_12, NULL);
	second = green_create(print_56_and_78, NULL);
	value = green_switch(first, (void *)(intptr_t)41);
	printf("returned to the parent: %d\n", (int)(intptr_t)value);
	green_switch(first, NULL);
	green_destroy(first);
	green_destroy(second);
}

/* ---- a command loop written as blocking reads, on top of an event loop ---- */

enum {
	LINE_SIZE = 64,
	END_OF_INPUT = -1,
	CONTROL_C = 3,
	CONTROL_D = 4,
};

/* The command loop calls this wherever it needs a key, however deep: control goes to the event loop until there is one. */
static int read_next_key(void)
{
	struct greenlet *event_loop = green_parent(green_current());

	return (int)(intptr_t)green_switch(event_loop, NULL);
}

/* A line without its end; false at the end of input. */
static bool read_line(char line[LINE_SIZE])
{
	size_t length = 0;

	for (;;) {
		int key = read_next_key();

		if (key == END_OF_INPUT)
			return false;
		if (key == '\n')
			break;
		if (length + 1 < LINE_SIZE)
			line[length++] = (char)key;
	}
	line[length] = '\0';
	return true;
}

static bool is_sure(void)
{
	int key;

	printf("are you sure? ");
	key = read_next_key();
	printf("\n");
	return key == 'y' || key == END_OF_INPUT;
}

/* Reads like a program for a console: no states, no callbacks, although keys come as events. */
static void *process_commands(void *unused)
{
	char line[LINE_SIZE];

	while (read_line(line)) {
		if (strcmp(line, "quit") != 0)
			printf("command: %s\n", line);
		else if (is_sure())
			break;
	}
	printf("the command loop ends\n");
	return unused;
}

static struct greenlet *processor;

/* An event handler: shows KEY and hands it to the command loop, which runs until it needs another one. */
static void key_pressed(int key)
{
	if (key != END_OF_INPUT)
		putchar(key);
	green_switch(processor, (void *)(intptr_t)key);
	fflush(stdout);
}

/* The first switch starts the command loop, which comes back as soon as it wants a key. */
static void processor_start(void)
{
	processor = green_create(process_commands, NULL);
	if (!processor) {
		perror("switch_demo");
		exit(1);
	}
	green_switch(processor, NULL);
}

static void *play_script(void *script)
{
	processor_start();
	for (const char *key = script; *key && !green_dead(processor); key++) {
		key_pressed(*key);
		green_yield();
	}
	green_destroy(processor);
	return NULL;
}

/* ---- the same with a terminal ---- */

static int wait_for_key(void)
{
	char key;

	if (green_wait_fd(STDIN_FILENO, GREEN_READ, -1) < 0 || green_read(STDIN_FILENO, &key, 1) != 1)
		return END_OF_INPUT;
	if (key == CONTROL_C || key == CONTROL_D)
		return END_OF_INPUT;
	return key == '\r' ? '\n' : (unsigned char)key;
}

static void *play_terminal(void *unused)
{
	processor_start();
	while (!green_dead(processor))
		key_pressed(wait_for_key());
	green_destroy(processor);
	return unused;
}

/* ---- which of them ---- */

static int run_task(void *(*function)(void *), const char *argument)
{
	struct greenlet *task = green_spawn(function, (void *)argument);

	if (!task || green_join(task, NULL, -1) < 0) {
		perror("switch_demo");
		return 1;
	}
	green_destroy(task);
	return 0;
}

static int interactive(void)
{
	struct termios before, raw;
	int status;

	if (tcgetattr(STDIN_FILENO, &before) < 0) {
		fprintf(stderr, "switch_demo: --interactive needs a terminal\n");
		return 2;
	}
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	printf("type commands; `quit` ends\n");
	fflush(stdout);
	status = run_task(play_terminal, NULL);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return status;
}

int main(int argc, char **argv)
{
	bool ask = argc == 2 && strcmp(argv[1], "--interactive") == 0;

	if (argc > 1 && !ask) {
		fprintf(stderr, "usage: switch_demo [--interactive]\n");
		return 2;
	}
	fprintf(stderr, "context: " CONTEXT "\n");
	if (ask)
		return interactive();
	hand_over();
	end_in_parent();
	return run_task(play_script, "hello\nquit\nnworld\nquit\ny");
}
