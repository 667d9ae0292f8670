/* SPDX-License-Identifier: MIT */
/* input.c - the lines that a program works through, from a file or standard input */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "input.h"

struct green_stream *input_open(const char *path)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	struct green_stream *stream = fd < 0 ? NULL : green_stream_create(fd);

	if (!stream) {
		perror(path ? path : "standard input");
		exit(2);
	}
	return stream;
}

ssize_t input_line(struct green_stream *input, char *line, size_t size)
{
	ssize_t length;

	do {
		length = green_stream_read_line(input, line, size);
	} while (length > 0 && (!line[0] || line[0] == '#'));
	return length;
}
