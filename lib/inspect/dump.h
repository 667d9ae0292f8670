/* SPDX-License-Identifier: MIT */
/* dump.h - all greenlets of a hub, or of all hubs, as text for people */
#ifndef GREEN_INSPECT_DUMP_H
#define GREEN_INSPECT_DUMP_H

#include "hub/hub.h"
#include "inspect/blocked.h"
#include "inspect/text.h"

/* green__dump_line - one line about GREENLET of the calling thread, without an indent */
void green__dump_line(struct text *text, const struct greenlet *greenlet);

/* green__dump_stack - where GREENLET is, and what was remembered of it */
void green__dump_stack(struct text *text, const struct greenlet *greenlet, int indent);

/* green__dump_flow - all greenlets of the calling thread; 0 or -ENOMEM */
int green__dump_flow(struct text *text, struct flow *flow, int flags);

/* green__dump_hubs - all of the process, as green_dump_all; how many have not answered, or -errno */
int green__dump_hubs(struct text *text, int flags, int timeout_ms);

/* green__dump_blocked - what keeps the thread with the kernel's id THREAD */
void green__dump_blocked(struct text *text, pid_t thread, const struct blocked *blocked);

#endif
