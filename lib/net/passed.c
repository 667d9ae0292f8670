/* SPDX-License-Identifier: MIT */
/* passed.c - descriptors that messages carry to other processes and from them */
#include <string.h>

#include "hub/descriptor.h"
#include "net/io.h"

static void for_each(struct msghdr *message, void (*note)(int fd))
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
			note(fd);
		}
	}
}

void green__descriptors_received(struct msghdr *message)
{
	for_each(message, green__descriptor_forget);
}

void green__descriptors_sent(const struct msghdr *message)
{
	for_each((struct msghdr *)message, green__descriptor_shared);
}
