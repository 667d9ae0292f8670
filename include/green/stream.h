/* SPDX-License-Identifier: MIT */
/*
 * green/stream.h - buffered reading and writing
 *
 *	struct green_stream *stream = green_stream_dial("example.org", "80", 5000);
 *
 *	green_stream_print(stream, "GET / HTTP/1.0\r\n\r\n");
 *	while ((size = green_stream_read_line(stream, line, sizeof(line))) > 0)
 *		...
 *	green_stream_destroy(stream);
 *
 * One greenlet may read while another one writes; a second reader, or a second writer, fails with EBUSY.  A stream belongs
 * to the kernel thread that made it; calls of others fail with EPERM, those for a stream that is closed with EBADF.
 * A scope of green_timeout_start limits a call's time; what was read before it ended stays
 * in the buffer, so the next call goes on where it stood.
 */
#ifndef GREEN_STREAM_H
#define GREEN_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct green_stream;

/* How the bytes get in and out where it is not by green_read and green_write: TLS and the like.  As those calls, each may switch;
 * reading and writing may go on at the same time. */
struct green_stream_transport {
	ssize_t (*read)(void *self, void *buffer, size_t size);
	ssize_t (*write)(void *self, const void *buffer, size_t size);
	int (*end_of_output)(void *self); /* 0, or -1 with errno */
	void (*close)(void *self, bool abort); /* who waits in the others fails with EBADF; ABORT: tell the other end that it is cut short */
	void (*destroy)(void *self); /* after that, when nobody is in the others any more; or NULL, as close and end_of_output may be */
};

/*
 * green_stream_create - a stream on the descriptor FD, which is the stream's from now on
 *
 * TCP is told to send small pieces at once (TCP_NODELAY).
 *
 * Switches: no.  Returns: the stream; NULL with errno EBADF or ENOMEM, and FD is the caller's
 */
struct green_stream *green_stream_create(int fd);

/* green_stream_create_over - a stream over TRANSPORT, which stays in place, with SELF; FD is for green_stream_fd only, or -1 */
struct green_stream *green_stream_create_over(const struct green_stream_transport *transport, void *self, int fd);

/* green_stream_self - what green_stream_create_over got as SELF, if STREAM is over TRANSPORT; NULL of others */
void *green_stream_self(const struct green_stream *stream, const struct green_stream_transport *transport);

/* green_stream_dial - a stream to HOST and SERVICE, as green_dial.  NULL with its errno */
struct green_stream *green_stream_dial(const char *host, const char *service, int timeout_ms);

/* green_stream_fd - its descriptor */
int green_stream_fd(const struct green_stream *stream);

/*
 * green_stream_read - at least one byte, at most SIZE, as soon as there are any
 *
 * Switches: yes, if nothing is in the buffer.
 * Returns: how many; 0 at the end; -1 with the errno of green_read, or EBUSY
 */
ssize_t green_stream_read(struct green_stream *stream, void *buffer, size_t size);

/* green_stream_read_exactly - SIZE bytes.  -1 with errno ENODATA if the end comes before: what there is stays in the stream */
int green_stream_read_exactly(struct green_stream *stream, void *buffer, size_t size);

/*
 * green_stream_read_until - up to and with the first DELIMITER, which has DELIMITER_SIZE bytes
 *
 * Returns: how many bytes, 0 at the end with nothing before; -1 with errno
 *   ENODATA   the end came before a delimiter: what there is stays in the stream
 *   EMSGSIZE  more than SIZE, or than green_stream_set_limit allows, would be needed: it stays in the stream
 *   and that of green_read, or EBUSY
 */
ssize_t green_stream_read_until(struct green_stream *stream, void *buffer, size_t size, const void *delimiter, size_t delimiter_size);

/*
 * green_stream_read_line - a line, without its end ("\n" or "\r\n"), with a zero after it
 *
 * The last line may lack its end.  Returns: its length plus 1, so that an empty line is 1; 0 at the end; -1 as green_stream_read_until
 */
ssize_t green_stream_read_line(struct green_stream *stream, char *buffer, size_t size);

/* green_stream_read_all - all that comes until the end into *BYTES, from malloc, with a zero after it; at most LIMIT, else -1 with EMSGSIZE */
ssize_t green_stream_read_all(struct green_stream *stream, char **bytes, size_t limit);

/* green_stream_peek - what is in the buffer now: *BYTES until the next call for STREAM.  Returns: how many */
size_t green_stream_peek(struct green_stream *stream, const void **bytes);

/* green_stream_at_end - the end has been read and the buffer is empty */
bool green_stream_at_end(const struct green_stream *stream);

/* green_stream_set_limit - how many bytes a delimiter may be away, and so how big the read buffer gets; 64 KiB unless set.  -1 with EINVAL, ENOMEM */
int green_stream_set_limit(struct green_stream *stream, size_t bytes);

/*
 * green_stream_write - add SIZE bytes to what is to be written
 *
 * What the kernel does not take at once is copied, and written by a task; when more than the high water mark waits, the call
 * waits until no more than the low one does, so a fast writer never fills the memory.  All bytes are added or none: if
 * the caller is killed or out of time during that last wait, the call succeeds and the next one fails.
 *
 * Switches: yes, if it must wait.
 * Returns: 0; -1 with the errno of green_write, also of an earlier piece, or EBUSY, EPIPE (after green_stream_end_output), ENOMEM
 */
int green_stream_write(struct green_stream *stream, const void *bytes, size_t size);

/* green_stream_print - printf(3) into the stream; as green_stream_write */
int green_stream_print(struct green_stream *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* green_stream_drain - wait until the kernel has taken everything.  Switches: yes, unless it has.  Returns: as green_stream_write */
int green_stream_drain(struct green_stream *stream);

/* green_stream_set_water - the marks of green_stream_write in bytes: 16 KiB and 64 KiB unless set.  -1 with EINVAL */
int green_stream_set_water(struct green_stream *stream, size_t low, size_t high);

/* green_stream_pending - bytes that the kernel has not taken yet */
size_t green_stream_pending(const struct green_stream *stream);

/* green_stream_end_output - the reader at the other end gets the end after what was written.  Switches: yes.  Returns: as green_stream_drain */
int green_stream_end_output(struct green_stream *stream);

/*
 * green_stream_close - write what waits, and close
 *
 * Who waits for the stream fails with EBADF.  Switches: yes, if something waits to be written.
 * Returns: 0; -1 with errno if not all could be written: it is closed all the same
 */
int green_stream_close(struct green_stream *stream);

/* green_stream_abort - close at once, dropping what waits; the other end of a TCP connection is told so */
void green_stream_abort(struct green_stream *stream);

/* green_stream_destroy - close it if it is not, and free it; NULL is fine.  Nobody may be waiting for it.  Switches: as green_stream_close. */
void green_stream_destroy(struct green_stream *stream);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
