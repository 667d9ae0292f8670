/* SPDX-License-Identifier: MIT */
/* input.h - the lines that a program works through, from a file or standard input */
#ifndef INPUT_H
#define INPUT_H

#include <green.h>

/* input_open - a stream of the file PATH, or of standard input if that is NULL; ends the program with 2 if there is none */
struct green_stream *input_open(const char *path);

/*
 * input_line - put the next line of INPUT that is neither empty nor a comment into LINE, of SIZE bytes
 *
 * Returns: what green_stream_read_line returns: a size, 0 at the end, -1 with errno.
 */
ssize_t input_line(struct green_stream *input, char *line, size_t size);

#endif
