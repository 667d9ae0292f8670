/* SPDX-License-Identifier: MIT */
/* descriptor.c - what the process knows of each descriptor number */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/sys.h"
#include "hub/descriptor.h"
#include "switch/sanitizer.h"

struct descriptor *_Atomic green__descriptor_chunks[DESCRIPTOR_CHUNKS];
uint32_t green__descriptor_forks;
bool green__descriptor_forked;

/* Hardly any program sets SO_RCVLOWAT; until one does, nobody asks the kernel for it. */
bool green__descriptor_low_marked;

static struct descriptor *chunk_map(struct descriptor *_Atomic *slot)
{
	struct descriptor *expected = NULL;
	long memory = sys_call(SYS_mmap, NULL, DESCRIPTOR_CHUNK * sizeof(struct descriptor), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sys_failed(memory))
		return NULL;
	if (__atomic_compare_exchange_n((struct descriptor **)slot, &expected, (struct descriptor *)memory, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return (struct descriptor *)memory;
	sys_call(SYS_munmap, memory, DESCRIPTOR_CHUNK * sizeof(struct descriptor));
	return expected;
}

struct descriptor *green__descriptor_make(int fd)
{
	if (fd < 0 || fd >= DESCRIPTOR_CHUNK * DESCRIPTOR_CHUNKS ||
	    !chunk_map(&green__descriptor_chunks[fd / DESCRIPTOR_CHUNK]))
		return NULL;
	return green__descriptor_find(fd);
}

int green__descriptors_end(void)
{
	int chunk = DESCRIPTOR_CHUNKS;

	while (chunk > 0 && !green__descriptor_chunks[chunk - 1])
		chunk--;
	return chunk * DESCRIPTOR_CHUNK;
}

static void renew(struct descriptor *descriptor)
{
	if (++descriptor->generation == 0)
		descriptor->generation = 1;
}

void green__descriptor_made(int fd, enum descriptor_kind kind, bool nonblocking)
{
	struct descriptor *descriptor = green__descriptor(fd);

	if (!descriptor)
		return;
	/* The kernel has given the number out, after another thread had closed it. */
	sanitizer_acquire(descriptor);
	if (green__descriptor_forked) {
		green__descriptor_forked = false;
		green__descriptor_forks++;
	}
	renew(descriptor);
	descriptor->kind = (uint8_t)kind;
	descriptor->flags = (uint16_t)(DESCRIPTOR_KNOWN | DESCRIPTOR_PRIVATE | (nonblocking ? DESCRIPTOR_NONBLOCK : 0));
	descriptor->forks = green__descriptor_forks;
}

void green__descriptor_lasting(int fd)
{
	struct descriptor *descriptor = green__descriptor(fd);

	if (descriptor)
		descriptor->flags |= DESCRIPTOR_LASTING;
}

void green__descriptor_forget(int fd)
{
	struct descriptor *descriptor = green__descriptor_find(fd);

	if (!descriptor)
		return;
	renew(descriptor);
	descriptor->kind = DESCRIPTOR_UNCLASSIFIED;
	descriptor->flags = 0;
	sanitizer_release(descriptor);
}

void green__descriptor_shared(int fd)
{
	struct descriptor *descriptor = green__descriptor_find(fd);

	if (descriptor)
		descriptor->flags &= (uint16_t)~DESCRIPTOR_PRIVATE;
}

/* Before a fork, so that the child finds it done: writing here would cost it a page. */
void green__descriptors_forked(void)
{
	if (!green__descriptor_forked)
		green__descriptor_forked = true;
}

static int socket_option(int fd, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	sys_call(SYS_getsockopt, fd, SOL_SOCKET, name, &value, &length);
	return value;
}

static int socket_kind(int fd)
{
	int domain = socket_option(fd, SO_DOMAIN);
	char protocol[16] = "";
	socklen_t length = sizeof(protocol);

	if (socket_option(fd, SO_TYPE) != SOCK_STREAM)
		return DESCRIPTOR_DATAGRAM;
	if (domain != AF_INET && domain != AF_INET6)
		return DESCRIPTOR_STREAM;
	/* An upper-layer protocol such as kTLS cuts the stream into records; MPTCP and SCTP are not TCP either. */
	if (socket_option(fd, SO_PROTOCOL) != IPPROTO_TCP)
		return DESCRIPTOR_STREAM;
	if (sys_call(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ULP, protocol, &length) == 0 && length && protocol[0])
		return DESCRIPTOR_STREAM;
	return DESCRIPTOR_TCP;
}

static int classify(int fd)
{
	struct stat status;
	long result = sys_call(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH);

	if (sys_failed(result))
		return (int)result;
	if (S_ISSOCK(status.st_mode))
		return socket_kind(fd);
	if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode))
		return DESCRIPTOR_FILE;
	return DESCRIPTOR_POLLED;
}

int green__descriptor_classify(int fd)
{
	struct descriptor *descriptor = green__descriptor_find(fd);
	int kind = classify(fd);

	if (kind > 0 && descriptor && (descriptor->flags & DESCRIPTOR_KNOWN))
		descriptor->kind = (uint8_t)kind;
	return kind;
}

bool green__descriptor_ask_nonblocking(int fd)
{
	long flags = sys_call(SYS_fcntl, fd, F_GETFL);

	return !sys_failed(flags) && (flags & O_NONBLOCK);
}

void green__descriptor_set_nonblocking(int fd, bool nonblocking)
{
	struct descriptor *descriptor = green__descriptor_find(fd);

	if (!descriptor)
		return;
	if (nonblocking)
		descriptor->flags |= DESCRIPTOR_NONBLOCK;
	else
		descriptor->flags &= (uint16_t)~DESCRIPTOR_NONBLOCK;
}

void green__descriptor_option_set(int fd, int level, int name)
{
	struct descriptor *descriptor = green__descriptor_find(fd);

	if (level == SOL_SOCKET && name == SO_RCVLOWAT)
		green__descriptor_low_marked = true;
	if (!descriptor)
		return;
	if (level == SOL_SOCKET && name == SO_LINGER)
		descriptor->flags |= DESCRIPTOR_LINGERS;
	if (level == SOL_SOCKET && (name == SO_RCVTIMEO_OLD || name == SO_SNDTIMEO_OLD || name == SO_RCVTIMEO_NEW ||
				    name == SO_SNDTIMEO_NEW))
		descriptor->flags |= DESCRIPTOR_TIMEOUTS;
	if (level == IPPROTO_TCP && name == TCP_ULP && descriptor->kind == DESCRIPTOR_TCP)
		descriptor->kind = DESCRIPTOR_STREAM;
}

int64_t green__descriptor_ask_timeout(int fd, int option)
{
	struct timeval value = { 0, 0 };
	socklen_t length = sizeof(value);

	sys_call(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &length);
	if (value.tv_sec == 0 && value.tv_usec == 0)
		return CLOCK_NEVER;
	return value.tv_sec * NS_PER_SECOND + value.tv_usec * 1000;
}

size_t green__descriptor_low_mark(int fd)
{
	int mark = green__descriptor_low_marked ? socket_option(fd, SO_RCVLOWAT) : 1;

	return mark > 1 ? (size_t)mark : 1;
}
