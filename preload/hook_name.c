/* SPDX-License-Identifier: MIT */
/* hook_name.c - names of threads: the kernel keeps the initial one's, of the others it knows nothing */
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>

#include "hub/task.h"
#include "shim.h"
#include "thread.h"

/* To ask the kernel for the initial thread's name takes longer than all else that pthread_create does, and hardly anybody cares. */
void name_begin(struct thread *thread)
{
	const struct thread *creator = thread_self();

	thread->named = !creator->initial && creator->named;
	if (thread->named)
		strcpy(thread->name, creator->name);
}

/* Only a foreign thread, or one that is away, is on a kernel thread with another name. */
static void settle(struct thread *thread)
{
	if (thread->named || thread->initial)
		return;
	if (shim_greenlet())
		sys_call(SYS_prctl, PR_GET_NAME, thread->name);
	else
		real(pthread_getname_np)((pthread_t)threads.main->block, thread->name, sizeof(thread->name));
	thread->named = true;
}

/* The initial thread is about to be called otherwise: those that were created before keep the name. */
static void settle_all(void)
{
	if (!shim_greenlet())
		return;
	list_for_each(node, &threads.all)
		settle(container_of(node, struct thread, link));
}

void name_after_fork(struct thread *self)
{
	if (self->initial)
		return;
	if (self->named)
		sys_call(SYS_prctl, PR_SET_NAME, self->name);
	settle(self);
}

/* Too long a name is cut, as the kernel does it. */
static void set_name(struct thread *thread, const char *name)
{
	size_t length = strnlen(name, sizeof(thread->name) - 1);

	memcpy(thread->name, name, length);
	thread->name[length] = '\0';
	thread->named = true;
	if (thread->greenlet)
		green_set_name(thread->greenlet, thread->name);
}

WRAPPER int pthread_setname_np(pthread_t id, const char *name)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	if (thread && thread->initial)
		settle_all();
	if (!thread || thread->initial)
		return real(pthread_setname_np)(id, name);
	if (strlen(name) >= sizeof(thread->name))
		return ERANGE;
	set_name(thread, name);
	return 0;
}

WRAPPER int pthread_getname_np(pthread_t id, char *name, size_t size)
{
	struct thread *thread = shim.hub ? thread_of(id) : NULL;

	if (!thread || thread->initial)
		return real(pthread_getname_np)(id, name, size);
	if (size < sizeof(thread->name))
		return ERANGE;
	settle(thread);
	strcpy(name, thread->name);
	return 0;
}

/* The kernel takes four more arguments, whatever the option makes of them. */
WRAPPER int prctl(int option, ...)
{
	struct thread *self = thread_self();
	va_list arguments;
	long a[4];

	va_start(arguments, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if (self->block && !self->initial && option == PR_SET_NAME)
		return set_name(self, (const char *)a[0]), 0;
	if (self->initial && option == PR_SET_NAME)
		settle_all();
	if (self->block && !self->initial && option == PR_GET_NAME)
		return settle(self), strcpy((char *)a[0], self->name), 0;
	return (int)sys_result(sys_call(SYS_prctl, option, a[0], a[1], a[2], a[3]));
}
