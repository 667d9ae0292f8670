/* SPDX-License-Identifier: MIT */
/* events.h - waiting for completions by the kernel's own calls: asynchronous I/O of old, and rings without liburing */
#ifndef GREEN_PRELOAD_EVENTS_H
#define GREEN_PRELOAD_EVENTS_H

/* aio_events - io_getevents or io_pgetevents, by NUMBER and its arguments as the kernel has them; -errno at failure */
long aio_events(long number, const long a[6]);

/* uring_enter - io_uring_enter with the arguments as the kernel has them; -errno at failure */
long uring_enter(const long a[6]);

#endif
