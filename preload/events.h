/* SPDX-License-Identifier: MIT */
/* events.h - the kernel's asynchronous I/O of old, whose completions no descriptor tells of */
#ifndef GREEN_PRELOAD_EVENTS_H
#define GREEN_PRELOAD_EVENTS_H

/* aio_events - io_getevents or io_pgetevents, by NUMBER and its arguments as the kernel has them; -errno at failure */
long aio_events(long number, const long a[6]);

#endif
