/* SPDX-License-Identifier: MIT */
/* shim.c - start: the environment, the counters, main under our root frame, and the birth of the hub */
#include "shim.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit.h"
#include "base/duration.h"
#include "base/size.h"
#include "detour.h"
#include "hub/task.h"
#include "hub/worker.h"
#include "kernel_thread.h"
#include "migrate.h"
#include "own_copy.h"
#include "parking.h"
#include "process.h"
#include "signals.h"
#include "switch/thread_pointer.h"
#include "sync.h"
#include "thread.h"
#include "tls.h"
#include "unfit.h"

#define OWN_NAME "libgreen-preload.so"
#define STATS_MAGIC UINT64_C(0x3153544154534e47)

static struct stats private_stats;
struct shim shim = { .stats = &private_stats, .timeslice = TIMESLICE_DEFAULT };

void shim_say(const char *format, ...)
{
	char text[512] = "green: ";
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text + 7, sizeof(text) - 8, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	length = (int)strlen(text);
	text[length] = '\n';
	sys_call(SYS_write, STDERR_FILENO, text, length + 1);
}

/* --- the environment --- */

static bool read_switch(const char *name, bool otherwise)
{
	const char *value = getenv(name);

	if (!value)
		return otherwise;
	if (!strcmp(value, "0") || !strcmp(value, "1"))
		return *value == '1';
	shim_say("%s=%s: neither 0 nor 1; using %d", name, value, otherwise);
	return otherwise;
}

static void read_stack_size(void)
{
	const char *value = getenv("GREEN_STACK");
	size_t size;

	if (!value)
		return;
	if (size_parse(value, &size) || size < 16 * 1024 || size > (size_t)1 << 30) {
		shim_say("GREEN_STACK=%s: not a size (16k to 1g, such as 256k or 8m); using the program's own default", value);
		return;
	}
	shim.stack_size = size;
}

static void read_timeslice(void)
{
	const char *value = getenv("GREEN_TIMESLICE");

	if (value && duration_parse(value, &shim.timeslice))
		shim_say("GREEN_TIMESLICE=%s: " DURATION_RULE "; using the default", value);
}

/*
 * The file is shared memory, so that the counters outlive the process however it
 * ends.  A child that has become somebody else, or lives below another root, may
 * be unable to make one: its standard error is not the place to say so.
 */
static void open_stats(void)
{
	const char *prefix = getenv("GREEN_STATS");
	char path[4096];
	long fd, memory;

	if (!prefix || snprintf(path, sizeof(path), "%s.%ld", prefix, sys_call(SYS_getpid)) >= (int)sizeof(path))
		return;
	fd = sys_call(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (sys_failed(fd)) {
		if (shim.verbose)
			shim_say("GREEN_STATS=%s: %s: %s; not counting", prefix, path, strerror((int)-fd));
		return;
	}
	sys_call(SYS_ftruncate, fd, sizeof(struct stats));
	memory = sys_call(SYS_mmap, NULL, sizeof(struct stats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sys_call(SYS_close, fd);
	if (sys_failed(memory))
		return;
	memset((void *)memory, 0, sizeof(struct stats));
	shim.stats = (struct stats *)memory;
	shim.stats->magic = STATS_MAGIC;
}

/* A forked child counts for itself, from nothing; what nobody can read is not worth a page of its own. */
void shim_stats_after_fork(void)
{
	if (shim.stats == &private_stats && !getenv("GREEN_STATS"))
		return;
	memset(&private_stats, 0, sizeof(private_stats));
	shim.stats = &private_stats;
	open_stats();
	shim.stats->detoured = detoured;
}

/* Keep of LD_PRELOAD what is not ours.  In place: the environment is not libc's to replace yet. */
static void strip_preload(char *value)
{
	char *end = value;

	for (char *from = value; *from;) {
		size_t length = strcspn(from, ": ");
		char *name = memmem(from, length, OWN_NAME, strlen(OWN_NAME));

		if (!name) {
			if (end != value)
				*end++ = ':';
			memmove(end, from, length);
			end += length;
		}
		from += length;
		from += strspn(from, ": ");
	}
	*end = '\0';
}

static const char *const own_names[] = {
	"GREEN_STACK", "GREEN_TIMESLICE", "GREEN_CHILDREN", "GREEN_VERBOSE", "GREEN_STATS", "GREEN_DETOUR",
	"GREEN_AUDIT", "GREEN_AUDIT_PID", "GREEN_NATIVE_THREADS", "GREEN_CARRY",
};

/* Children run natively: nothing of ours stays in the environment. */
static void leave_children_alone(void)
{
	char *preload = getenv("LD_PRELOAD");

	if (preload)
		strip_preload(preload);
	if (preload && !*preload)
		unsetenv("LD_PRELOAD");
	for (size_t i = 0; i < ARRAY_LENGTH(own_names); i++)
		unsetenv(own_names[i]);
}

/* Runs before libc's own constructors, so that libc does not know the environment yet. */
__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
	(void)argc;
	unfit_begin_again(argv, envp);
	if (!environ)
		environ = envp;
	real_resolve();
	shim.verbose = read_switch("GREEN_VERBOSE", false);
	read_stack_size();
	read_timeslice();
	open_stats();
	audit_begin();
	kernel_thread_begin();
	process_watch_forks();
	if (read_switch("GREEN_DETOUR", false) && detour_install())
		shim.stats->detoured = 1;
	if (!read_switch("GREEN_CHILDREN", true))
		leave_children_alone();
	if (shim.verbose)
		shim_say("process %ld is under the shim", sys_call(SYS_getpid));
}

/* --- birth --- */

static int real_thread_create(void *(*function)(void *), void *arg)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	error = real(pthread_create)(&thread, &attributes, function, arg);
	pthread_attr_destroy(&attributes);
	return error;
}

static bool stand_down(const char *problem)
{
	shim.stood_down = true;
	shim.stats->stood_down = 1;
	shim_say("%s; threads stay real ones", problem);
	return false;
}

void shim_loads(const char *name)
{
	const char *slash = strrchr(name, '/');

	if (strncmp(slash ? slash + 1 : name, "libjvm.so", 9) || shim.hub || shim.stood_down || read_switch("GREEN_CARRY", false))
		return;
	stand_down("a Java virtual machine is loaded, which stops and inspects its threads itself");
}

static void adopt_stats(struct flow *flow)
{
	shim.stats->carriers = flow->stats->carriers;
	shim.stats->epoll_waits += flow->stats->epoll_waits;
	shim.stats->epoll_ctls += flow->stats->epoll_ctls;
	flow->stats = shim.stats;
	flow->hub->loop.waits = &shim.stats->epoll_waits;
	flow->hub->loop.controls = &shim.stats->epoll_ctls;
}

/* All calls of the library that wait are cancellation points. */
static bool call_interrupted(struct greenlet *self, bool restartable)
{
	(void)self;
	return shim_interrupted(restartable, true);
}

/* No cancellation point: whoever were cancelled here would leave a wait behind that others know of. */
static void call_handlers(void)
{
	signals_deliver();
	shim_call_begins();
}

void shim_made_real_thread(void)
{
	if (shim.lacks_hub && !shim.stood_down)
		stand_down("no hub could be made (descriptors or memory are used up)");
}

/* MASK is the one with which the main thread goes on. */
static bool birth(uint64_t mask)
{
	const char *problem;
	stack_t alternate;
	struct hub *hub;

	if (own_copy_is_there())
		return stand_down("an archive of libgreen is linked in, and does not know the shared one");
	/* Each new TLS block would bring a malloc arena of its own, which costs more than it gives on one carrier. */
	mallopt(M_ARENA_MAX, 1);
	green__thread_create = real_thread_create;
	green__thread_pointer_init();
	shim.native_tp = thread_pointer_read();
	/* The hub puts a signal stack of the runtime's own in its place. */
	sys_call(SYS_sigaltstack, NULL, &alternate);
	hub = green__hub();
	shim.lacks_hub = !hub;
	if (!hub)
		return false;
	problem = tls_check();
	if (problem)
		return stand_down(problem);
	hub->waits_forever = true;
	hub->interrupted = call_interrupted;
	hub->run_handlers = call_handlers;
	hub->elsewhere = migrate_run;
	adopt_stats(hub->flow);
	shim.hub = hub;
	threads_birth();
	sync_learn_mutexes();
	threads.main->alternate = alternate;
	migrate_birth();
	signals_birth(mask);
	if (shim.verbose)
		shim_say("process %ld has its hub: threads are green now", sys_call(SYS_getpid));
	return true;
}

bool shim_birth(void)
{
	uint64_t all = ~LIBC_SIGNALS, mask;

	/* The carrier is the process's first thread; others that exist before are foreign. */
	if (shim.hub || shim.stood_down || shim.in_vfork_child || sys_call(SYS_gettid) != sys_call(SYS_getpid))
		return false;
	/* A handler that ran half-way would find half a hub. */
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(mask));
	if (birth(mask))
		return true;
	sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	return false;
}

void shim_call_begins(void)
{
	struct thread *self = thread_self();

	if (self->handled) {
		self->handled = false;
		self->greenlet->interrupted = false;
	}
}

void shim_cancellation_point(void)
{
	struct thread *self = thread_self();

	if (likely(!self->cancel_requested && !self->handled))
		return;
	shim_call_begins();
	if (self->cancel_requested)
		real(pthread_testcancel)();
}

/* --- main --- */

static int (*user_main)(int, char **, char **);
void *green__main_root;

/*
 * main runs in a frame of ours, so that pthread_exit from it ends here; in libc's
 * own it would end the kernel thread that carries everybody.
 */
static int main_under_root(int argc, char **argv, char **envp)
{
	__pthread_unwind_buf_t root;
	int status;

	if (__sigsetjmp_cancel(root.__cancel_jmp_buf, 0)) {
		/* A main without green threads beside it ends as libc wants. */
		if (!thread_self()->block)
			__pthread_unwind_next(&root);
		thread_main_exited();
	}
	__pthread_register_cancel(&root);
	green__main_root = &root;
	status = user_main(argc, argv, envp);
	green__main_root = NULL;
	__pthread_unregister_cancel(&root);
	return status;
}

typedef int start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

WRAPPER int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
			      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
	start_main *next;

	/* Programs linked before glibc 2.34 bring their own initialisers, which only the old version calls. */
	*(void **)(void *)&next = dlvsym(RTLD_NEXT, "__libc_start_main", init ? "GLIBC_2.2.5" : "GLIBC_2.34");
	if (!next)
		*(void **)(void *)&next = dlsym(RTLD_NEXT, "__libc_start_main");
	user_main = main;
	return next(main_under_root, argc, argv, init, fini, rtld_fini, stack_end);
}
