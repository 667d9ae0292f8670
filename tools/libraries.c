/* SPDX-License-Identifier: MIT */
/* libraries.c - asks the dynamic loader, which alone knows about search paths and its cache */
#include "libraries.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int own_loader(struct dl_phdr_info *info, size_t size, void *result)
{
	const char **path = result;

	(void)size;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*path = (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	}
	/* The program itself comes first, and only it matters. */
	return 1;
}

/* Lines are "NAME => PATH (ADDRESS)" and "NAME => not found"; "PATH (ADDRESS)" for what is needed by its path. */
static void read_line(char *line, void (*function)(void *context, const char *name, const char *path), void *context)
{
	static const char arrow[] = " => ";
	char *name = line + strspn(line, "\t "), *path = strstr(name, arrow), *end = strrchr(name, '(');

	if (end != NULL && end > name)
		end[-1] = '\0';
	if (path != NULL) {
		*path = '\0';
		path += strlen(arrow);
	} else if (strchr(name, '/') != NULL) {
		path = name;
	} else {
		return;
	}
	function(context, name, strchr(path, '/') != NULL ? path : NULL);
}

static int start(const char *program, int output, pid_t *pid)
{
	const char *loader = NULL;
	posix_spawn_file_actions_t actions;
	int error;

	dl_iterate_phdr(own_loader, &loader);
	if (loader == NULL)
		return ENOENT;
	char *arguments[] = { (char *)loader, (char *)program, NULL };

	/* What is preloaded now is no part of the program, and debugging would be output.  Unlike --list this goes on. */
	unsetenv("LD_PRELOAD");
	unsetenv("LD_DEBUG");
	if (setenv("LD_TRACE_LOADED_OBJECTS", "1", 1) != 0)
		return errno;
	error = posix_spawn_file_actions_init(&actions);
	if (error != 0)
		return error;
	error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
	if (error == 0)
		error = posix_spawn(pid, loader, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static void read_all(int fd, void (*function)(void *context, const char *name, const char *path), void *context)
{
	FILE *input = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;

	if (input == NULL) {
		close(fd);
		return;
	}
	while (getline(&line, &size, input) > 0) {
		line[strcspn(line, "\n")] = '\0';
		read_line(line, function, context);
	}
	free(line);
	fclose(input);
}

int libraries_each(const char *program, void (*function)(void *context, const char *name, const char *path), void *context)
{
	char real[PATH_MAX];
	int fds[2];
	pid_t pid;

	/* $ORIGIN is where the file itself is, not a link to it. */
	if (realpath(program, real) == NULL || pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	errno = start(real, fds[1], &pid);
	close(fds[1]);
	if (errno != 0) {
		close(fds[0]);
		return -1;
	}
	read_all(fds[0], function, context);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}
