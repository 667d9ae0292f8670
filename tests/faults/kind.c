/* SPDX-License-Identifier: MIT */
/* kind.c - what a descriptor of another process is, in one word */
#include "kind.h"

#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const kinds[] = {
	"none", "tcp", "stream", "datagram", "listener", "pipe", "file", "device", "eventfd",
	"eventpoll", "other", NULL,
};

/* A duplicate of the other process's descriptor, which can be asked as one's own. */
static int borrowed(pid_t pid, int fd)
{
	int process = pidfd_open(pid, 0);
	int copy;

	if (process == -1)
		return -1;
	copy = pidfd_getfd(process, fd, 0);
	close(process);
	return copy;
}

static int option_of(int fd, int name)
{
	int value = 0;
	socklen_t size = sizeof(value);

	getsockopt(fd, SOL_SOCKET, name, &value, &size);
	return value;
}

static const char *kind_of_socket(int fd)
{
	if (option_of(fd, SO_ACCEPTCONN))
		return "listener";
	if (option_of(fd, SO_TYPE) != SOCK_STREAM)
		return "datagram";
	return option_of(fd, SO_DOMAIN) == AF_UNIX ? "stream" : "tcp";
}

/* Files without a name say in brackets what they are. */
static const char *kind_of_nameless(int fd)
{
	char path[64], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) == -1)
		return "other";
	if (strstr(target, "[eventfd"))
		return "eventfd";
	return strstr(target, "[eventpoll") ? "eventpoll" : "other";
}

static const char *kind_of_own(int fd)
{
	struct stat status;

	if (fstat(fd, &status) == -1)
		return "none";
	if (S_ISSOCK(status.st_mode))
		return kind_of_socket(fd);
	if (S_ISFIFO(status.st_mode))
		return "pipe";
	if (S_ISREG(status.st_mode))
		return "file";
	return S_ISCHR(status.st_mode) ? "device" : kind_of_nameless(fd);
}

const char *kind_of(pid_t pid, int fd)
{
	int copy = borrowed(pid, fd);
	const char *kind;

	if (copy == -1)
		return "none";
	kind = kind_of_own(copy);
	close(copy);
	return kind;
}
