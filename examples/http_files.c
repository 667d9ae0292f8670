/* SPDX-License-Identifier: MIT */
/* http_files.c - files of one directory; no path and no symbolic link leads out of it */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "http_server.h"

/* The kernel sees to it, whatever others rename meanwhile.  A FIFO without a writer must not hold up the server. */
static int open_beneath(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	while (*path == '/')
		path++;
	return (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
}

static int close_with(int fd, int error)
{
	close(fd);
	errno = error;
	return -1;
}

/* In place of a directory its index. */
static int open_file(int root, const char *path, struct stat *stat)
{
	int fd = open_beneath(root, path), index;

	if (fd < 0 || fstat(fd, stat) < 0 || !S_ISDIR(stat->st_mode))
		return fd;
	/* Relative links there would be of no use: its address has to end in "/". */
	if (path[0] && path[strlen(path) - 1] != '/')
		return close_with(fd, EISDIR);
	index = open_beneath(fd, "index.html");
	if (index < 0)
		return close_with(fd, errno == ENOENT ? EACCES : errno);
	close(fd);
	return fstat(index, stat) < 0 ? close_with(index, errno) : index;
}

int http_open_file(int root, const char *path)
{
	struct stat stat;
	int fd = open_file(root, path, &stat);

	return fd < 0 || S_ISREG(stat.st_mode) ? fd : close_with(fd, EACCES);
}

const char *http_type_of(const char *path)
{
	static const struct { const char *ending, *type; } types[] = {
		{ ".html", "text/html; charset=utf-8" }, { ".txt", "text/plain; charset=utf-8" }, { ".css", "text/css" },
		{ ".js", "text/javascript" }, { ".json", "application/json" }, { ".png", "image/png" }, { ".jpg", "image/jpeg" },
		{ ".svg", "image/svg+xml" },
	};
	const char *ending = strrchr(path, '.');

	if (path[strlen(path) - 1] == '/')
		return types[0].type;
	for (size_t i = 0; ending && i < sizeof(types) / sizeof(*types); i++) {
		if (!strcasecmp(ending, types[i].ending))
			return types[i].type;
	}
	return "application/octet-stream";
}
