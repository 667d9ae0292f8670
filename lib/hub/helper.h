/* SPDX-License-Identifier: MIT */
/*
 * helper.h - a greenlet leaves its carrier for the length of one call that may block
 *
 * The greenlet itself, with its own stack and thread-local storage, goes on on a
 * helper kernel thread, where nothing of the hub is to be touched: green__current is
 * NULL there, as on any thread without a hub.  Afterwards it comes back.  That is
 * possible only for a greenlet whose TLS block is its own.
 *
 * Helpers are made when they are needed, at most HELPERS_MAX, and end when nobody
 * has needed them for a while.
 */
#ifndef GREEN_HUB_HELPER_H
#define GREEN_HUB_HELPER_H

#include <sys/types.h>

#include "hub/hub.h"

#pragma GCC visibility push(default)

enum { HELPERS_MAX = 1024 };

struct helper;

/* One call elsewhere; lives on the greenlet's stack. */
struct away {
	struct greenlet *greenlet;
	struct helper *helper;
	struct remote remote;
};

/*
 * green__leave - go on on a helper
 *
 * Switches: yes.  The helper has all signals blocked that may be.
 * Returns: true on the helper; false, still on the carrier, if there is no helper
 * to be had or the flow has no spare block.
 */
bool green__leave(struct hub *hub, struct away *away);

/* green__come_back - from the helper to the carrier, when its turn comes; the signal mask must be what it was */
void green__come_back(struct away *away);

/* green__helpers - how many exist now */
unsigned green__helpers(void);

/* green__helper_block - the TLS block that belongs to the helper with kernel id TID, 0 if it is none; takes no lock */
uintptr_t green__helper_block(pid_t tid);

/* green__helpers_after_fork - in the child there are none */
void green__helpers_after_fork(void);

#pragma GCC visibility pop

#endif
