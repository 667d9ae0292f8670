/* SPDX-License-Identifier: MIT */
/*
 * stream.h - streams of stdio that are sockets, pipes or terminals
 *
 * libc reads and writes inside itself, where nobody sees it.  So the functions that
 * read take what the buffer holds and wait until the kernel has more before libc
 * fills it; those that write fill the buffer, and what is in it is written as write
 * does it.  The stream is locked as libc locks it, with a wait that parks.
 */
#ifndef GREEN_PRELOAD_STREAM_H
#define GREEN_PRELOAD_STREAM_H

#include "migrate.h"

/* stream_may_wait - true if FILE can be polled, blocks, and could make the carrier wait */
bool stream_may_wait(FILE *file);

/* stream_cooperative - true if the caller may park for FILE, which is not in wide mode */
bool stream_cooperative(FILE *file);

/* --- with the lock held --- */

/* stream_buffered - how many bytes can be taken without reading */
static inline size_t stream_buffered(const FILE *file)
{
	return (size_t)(file->_IO_read_end - file->_IO_read_ptr);
}

/* stream_may_get - as stream_cooperative, and the stream is one to read from */
bool stream_may_get(FILE *file);

/* stream_wait_for_input - until a read would not block; errors are left to the read */
void stream_wait_for_input(FILE *file);

/* stream_fill - make sure that the buffer holds something; false at the end or after an error */
bool stream_fill(FILE *file);

/* stream_may_put - true if stream_put knows what to do; else libc has to write, and seek before.  *FRESH: it was not writing */
bool stream_may_put(FILE *file, bool *fresh);

/* stream_put - buffer SIZE bytes, and write what libc would write; how many were taken, all unless there is an error */
size_t stream_put(FILE *file, const char *bytes, size_t size, bool fresh);

/* stream_put_byte - the same for one byte; false after an error */
bool stream_put_byte(FILE *file, char byte);

/* stream_flush - write what is buffered; false with errno and the stream's mark of an error, and as in libc it is lost */
bool stream_flush(FILE *file);

/* stream_closing - write what is buffered, for FILE is about to be closed (hook_stdio_out.c); takes the lock; 0 or an error */
int stream_closing(FILE *file);

/* --- the lock --- */

/* stream_unlock - for a cleanup: as funlockfile, unless there is no stream */
void stream_unlock(FILE **file);

/* stream_guard - if another green pthread has FILE's lock, park for it and return FILE to be unlocked; else NULL */
FILE *stream_guard(FILE *file);

/* Locks FILE for the rest of the block, also if the thread is cancelled meanwhile. */
#define STREAM_LOCKED(file) \
	CLEANUP(stream_unlock) FILE *locked = file; \
	shim_cancellation_point(); \
	flockfile(locked)

/* The value of CALL, before which nobody else has FILE's lock. */
#define STREAM_GUARDED(file, call) \
	__extension__({ \
		CLEANUP(stream_unlock) FILE *guarded = stream_guard(file); \
		call; \
	})

/* The value of CALL, which libc makes alone: on a helper if it may wait. */
#define STREAM_AWAY(file, call) \
	__extension__({ \
		CLEANUP(stream_unlock) FILE *guarded = stream_guard(file); \
		CLEANUP(migrate_leave) struct migration migration = { .thread = NULL }; \
		if (shim_hub() && stream_may_wait(file)) \
			migrate_enter(&migration); \
		call; \
	})

#endif
