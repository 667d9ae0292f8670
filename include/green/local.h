/* SPDX-License-Identifier: MIT */
/*
 * green/local.h - variables of which each greenlet has its own
 *
 *	static struct green_local request = GREEN_LOCAL_INIT(request_create, request_free);
 *
 *	struct request *mine = green_local_get(&request);
 */
#ifndef GREEN_LOCAL_H
#define GREEN_LOCAL_H

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

/*
 * CREATE makes a greenlet's value when it is first asked for; NULL: it begins as NULL.
 * DESTROY, if it is not NULL, gets the value, unless that is NULL, when the greenlet has
 * ended, on its own stack, with nothing pending; it must not switch away.  What is set meanwhile is
 * destroyed as well, but not for ever.  The main greenlet of a kernel thread ends with the thread; the
 * process's first one does not.  Must stay in place as long as greenlets live that have used it.
 */
struct green_local {
	void *(*create)(void);
	void (*destroy)(void *value);
	unsigned long key;
};

#define GREEN_LOCAL_INIT(create, destroy) { (create), (destroy), 0 }

/*
 * green_local_get - the calling greenlet's value
 *
 * Switches: no, unless CREATE does.
 * Returns: the value; NULL with errno ENOMEM if it could not be made or remembered
 */
void *green_local_get(struct green_local *local);

/* green_local_set - the old value is the caller's.  Switches: no.  Returns: 0; -1 with errno ENOMEM */
int green_local_set(struct green_local *local, void *value);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
