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

/*
 * Two levels, so that a process with few descriptors pays for few.  Chunks are
 * mapped at first use and never freed; numbers beyond the last chunk, which the
 * kernel allows only where fs.nr_open was raised a thousandfold, stay unknown.
 */
enum {
	CHUNK = 4096,
	CHUNKS = 4096,
};

static struct descriptor *_Atomic chunks[CHUNKS];
static uint32_t forks; /* as far as a descriptor has been made since */
static bool forked;    /* another one has come */
/* Hardly any program sets SO_RCVLOWAT; until one does, nobody asks the kernel for it. */
static bool low_marks;

static struct descriptor *chunk_map(struct descriptor *_Atomic *slot)
{
	struct descriptor *expected = NULL;
	long memory = sys_call(SYS_mmap, NULL, CHUNK * sizeof(struct descriptor), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sys_failed(memory))
		return NULL;
	if (__atomic_compare_exchange_n((struct descriptor **)slot, &expected, (struct descriptor *)memory, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return (struct descriptor *)memory;
	sys_call(SYS_munmap, memory, CHUNK * sizeof(struct descriptor));
	return expected;
}

/* Every call of the runtime asks several times, so this is short. */
static inline struct descriptor *find(int fd)
{
	unsigned number = (unsigned)fd;
	struct descriptor *chunk = number < CHUNK * CHUNKS ? chunks[number / CHUNK] : NULL;

	return chunk ? &chunk[number % CHUNK] : NULL;
}

static GREEN_NOINLINE struct descriptor *make(int fd)
{
	if (fd < 0 || fd >= CHUNK * CHUNKS || !chunk_map(&chunks[fd / CHUNK]))
		return NULL;
	return find(fd);
}

static inline struct descriptor *find_or_make(int fd)
{
	struct descriptor *descriptor = find(fd);

	return likely(descriptor) ? descriptor : make(fd);
}

struct descriptor *green__descriptor(int fd)
{
	return find_or_make(fd);
}

int green__descriptors_end(void)
{
	int chunk = CHUNKS;

	while (chunk > 0 && !chunks[chunk - 1])
		chunk--;
	return chunk * CHUNK;
}

static void renew(struct descriptor *descriptor)
{
	if (++descriptor->generation == 0)
		descriptor->generation = 1;
}

void green__descriptor_made(int fd, enum descriptor_kind kind, bool nonblocking)
{
	struct descriptor *descriptor = find_or_make(fd);

	if (!descriptor)
		return;
	/* The kernel has given the number out, after another thread had closed it. */
	sanitizer_acquire(descriptor);
	if (forked) {
		forked = false;
		forks++;
	}
	renew(descriptor);
	descriptor->kind = (uint8_t)kind;
	descriptor->flags = (uint16_t)(DESCRIPTOR_KNOWN | DESCRIPTOR_PRIVATE | (nonblocking ? DESCRIPTOR_NONBLOCK : 0));
	descriptor->forks = forks;
}

void green__descriptor_lasting(int fd)
{
	struct descriptor *descriptor = find_or_make(fd);

	if (descriptor)
		descriptor->flags |= DESCRIPTOR_LASTING;
}

void green__descriptor_forget(int fd)
{
	struct descriptor *descriptor = find(fd);

	if (!descriptor)
		return;
	renew(descriptor);
	descriptor->kind = DESCRIPTOR_UNCLASSIFIED;
	descriptor->flags = 0;
	sanitizer_release(descriptor);
}

void green__descriptor_shared(int fd)
{
	struct descriptor *descriptor = find(fd);

	if (descriptor)
		descriptor->flags &= (uint16_t)~DESCRIPTOR_PRIVATE;
}

/* Before a fork, so that the child finds it done: writing here would cost it a page. */
void green__descriptors_forked(void)
{
	if (!forked)
		forked = true;
}

static inline bool is_private(const struct descriptor *descriptor)
{
	return descriptor && (descriptor->flags & DESCRIPTOR_PRIVATE) && descriptor->forks == forks && !forked;
}

bool green__descriptor_private(const struct descriptor *descriptor)
{
	return is_private(descriptor);
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

int green__descriptor_kind(int fd)
{
	struct descriptor *descriptor = find(fd);
	int kind;

	if (descriptor && descriptor->kind != DESCRIPTOR_UNCLASSIFIED)
		return descriptor->kind;
	kind = classify(fd);
	if (kind > 0 && descriptor && (descriptor->flags & DESCRIPTOR_KNOWN))
		descriptor->kind = (uint8_t)kind;
	return kind;
}

bool green__descriptor_nonblocking(int fd)
{
	struct descriptor *descriptor = find(fd);
	long flags;

	if (is_private(descriptor))
		return descriptor->flags & DESCRIPTOR_NONBLOCK;
	flags = sys_call(SYS_fcntl, fd, F_GETFL);
	return !sys_failed(flags) && (flags & O_NONBLOCK);
}

void green__descriptor_set_nonblocking(int fd, bool nonblocking)
{
	struct descriptor *descriptor = find(fd);

	if (!descriptor)
		return;
	if (nonblocking)
		descriptor->flags |= DESCRIPTOR_NONBLOCK;
	else
		descriptor->flags &= (uint16_t)~DESCRIPTOR_NONBLOCK;
}

void green__descriptor_option_set(int fd, int level, int name)
{
	struct descriptor *descriptor = find(fd);

	if (level == SOL_SOCKET && name == SO_RCVLOWAT)
		low_marks = true;
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

int64_t green__descriptor_timeout(int fd, int option)
{
	struct descriptor *descriptor = find(fd);
	struct timeval value = { 0, 0 };
	socklen_t length = sizeof(value);

	if (is_private(descriptor) && !(descriptor->flags & DESCRIPTOR_TIMEOUTS))
		return CLOCK_NEVER;
	sys_call(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &length);
	if (value.tv_sec == 0 && value.tv_usec == 0)
		return CLOCK_NEVER;
	return value.tv_sec * NS_PER_SECOND + value.tv_usec * 1000;
}

bool green__descriptor_low_marks(void)
{
	return low_marks;
}

size_t green__descriptor_low_mark(int fd)
{
	int mark = low_marks ? socket_option(fd, SO_RCVLOWAT) : 1;

	return mark > 1 ? (size_t)mark : 1;
}
