/* SPDX-License-Identifier: MIT */
/*
 * green/debug.h - look into a running program: who waits for what, stacks, errors that nobody took, blocked hubs
 *
 *	green_set_error_hook(green_report_error, NULL);   what goes wrong unseen is told on standard error
 *	green_dump_on_signal(SIGQUIT, 2, GREEN_DUMP_STACKS);
 *	green_monitor_start(NULL);                        who computes for 0.1 s is told as well, with its stack
 *	green_dump(2, 0);                                 or just this: all greenlets of this thread, now
 *
 * Nothing here costs anything until it is used.
 *
 * Stacks are walked by libunwind, which is loaded when the first one is wanted; it keeps
 * two descriptors of its own from then on, close-on-exec, which these walks do not need: a program may close them.
 * Where it is missing, or on another CPU than x86-64, calls about stacks fail with
 * ENOSYS, and reports leave them out.
 */
#ifndef GREEN_DEBUG_H
#define GREEN_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <green/greenlet.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

/* --- greenlets and hubs, in numbers --- */

/* What is known of one greenlet now.  Texts live as long as the greenlet. */
struct green_info {
	struct greenlet *greenlet;
	uint64_t id;            /* unique in its kernel thread, never used again; that of the main greenlet is 0 */
	uint64_t spawner;       /* the id of the greenlet that made it; its own for main */
	const char *name;       /* as green_name */
	const char *kind;       /* "main", "hub", "task", "generator" or "greenlet" */
	enum green_state state;
	int error;              /* the code that is pending, as green_error; or 0 */
	const char *waits_for;  /* of a parked one: "sleep", "join", "descriptor", "its turn" and so on; else NULL */
	const void *object;     /* what it waits on: the task, the event, the queue; or NULL */
	int fd;                 /* the descriptor, the first one if it waits for several; -1 if it waits for none */
	int events;             /* of FD: GREEN_READ, GREEN_WRITE or both; 0 for others */
	size_t descriptors;     /* how many descriptors it waits for */
	int64_t waiting_ms;     /* how long already, as precise as the hub's turns are short; -1 if it does not wait */
	int64_t left_ms;        /* until its wait times out; -1 if it does not */
	size_t stack_size;      /* bytes; 0 for main, whose stack is not ours */
};

/*
 * green_get_info - fill INFO with what is known of GREENLET, of the calling kernel thread
 *
 * Switches: no.
 * Returns: 0; -1 with errno EINVAL (NULL), EPERM (another thread's) or ESRCH (its thread has ended)
 */
int green_get_info(const struct greenlet *greenlet, struct green_info *info);

/* Told of one greenlet; returns 0 to go on, anything else to stop there. */
typedef int green_visitor(const struct green_info *info, void *argument);

/*
 * green_for_each - let VISIT be told of each greenlet of the calling kernel thread, oldest first
 *
 * Those that have ended are among them while somebody holds their handle.  VISIT may
 * call what does not switch; it must not destroy greenlets.  Called after a wait has failed with EDEADLK, this is the list of what still waits.
 *
 * Switches: no.
 * Returns: 0, or what VISIT returned to stop
 */
int green_for_each(green_visitor *visit, void *argument);

/* What a kernel thread's hub has done; numbers count from its beginning. */
struct green_hub_info {
	pid_t thread;         /* the kernel's id of its thread */
	size_t greenlets;     /* that have not ended; main and hub too */
	size_t ready;         /* that wait for their turn only */
	uint64_t created;     /* greenlets, main and hub too */
	uint64_t iterations;
	uint64_t switches;
	uint64_t parks;       /* calls that had to wait */
	uint64_t epoll_waits;
};

/* green_get_hub_info - fill INFO for the calling thread's hub; Switches: no.  Returns: 0; -1 with errno ENOMEM */
int green_get_hub_info(struct green_hub_info *info);

/*
 * green_stack_used - how much of GREENLET's stack has ever been used: the high-water mark, in bytes of whole pages
 *
 * A stack that is given to another greenlet keeps its mark, if it has kept its pages meanwhile:
 * see green_set_stack_size.
 *
 * Switches: no.
 * Returns: bytes; 0 for a main greenlet or after the end, when nothing is known
 */
size_t green_stack_used(const struct greenlet *greenlet);

/* --- stacks --- */

/*
 * green_backtrace - where GREENLET is: the return addresses on its stack, innermost first
 *
 * Writes at most COUNT of them to FRAMES.  GREENLET is suspended or parked; of the
 * caller it is the stack below this call.
 *
 * Switches: no.
 * Returns: how many; 0 if GREENLET has not started or has ended; -1 with errno
 *   EINVAL  GREENLET or FRAMES is NULL
 *   EPERM   GREENLET belongs to another kernel thread; ESRCH: to one that has ended
 *   EBUSY   it is in a call on another kernel thread just now
 *   ENOSYS  there is no libunwind here
 */
ssize_t green_backtrace(const struct greenlet *greenlet, void **frames, size_t count);

/*
 * green_frame_name - write "function+0x1f (file)" for the address FRAME into TEXT, as much as fits into SIZE bytes
 *
 * Functions that a file does not show to others are found in its symbol table, if it was not stripped.
 *
 * Switches: no.  Returns: TEXT
 */
char *green_frame_name(const void *frame, char *text, size_t size);

enum green_record {
	GREEN_RECORD_SPAWN = 1, /* where a greenlet was made */
	GREEN_RECORD_ERROR = 2, /* where the error that is pending in it, or with which it has ended, was thrown */
};

/*
 * green_record - from now on remember the stacks that WHAT names, for all greenlets of the process
 *
 * WHAT is a sum of enum green_record, at first 0.  A stack that is remembered is up to 10 frames, and
 * costs some microseconds each time.
 *
 * Switches: no.
 * Returns: 0; -1 with errno EINVAL or ENOSYS
 */
int green_record(int what);

/*
 * green_recorded - what was remembered of GREENLET for WHAT, as green_backtrace tells it
 *
 * Switches: no.
 * Returns: how many frames, 0 if nothing was remembered; -1 with errno EINVAL
 */
ssize_t green_recorded(const struct greenlet *greenlet, enum green_record what, void **frames, size_t count);

/* --- dumps --- */

enum green_dump_flags {
	GREEN_DUMP_STACKS = 1, /* with the stack of each, and where it was made if that was remembered */
};

/*
 * green_dump - write all greenlets of the calling kernel thread to FD, as a tree of who made whom
 *
 * One line each: name, number, state, what it waits for and how long, and how much of its
 * stack was ever used.  FLAGS: 0, or GREEN_DUMP_STACKS.  The text is for people and may change.
 *
 * FD is written to as by write(2): a full pipe keeps the whole thread.
 * Switches: no.
 * Returns: 0; -1 with errno ENOMEM, EINVAL, or that of write(2)
 */
int green_dump(int fd, int flags);

/*
 * green_dump_all - the same for all kernel threads that have a hub
 *
 * Each hub writes its own part when its turn comes, for nobody else can look at its
 * greenlets; of one that does not come round within TIMEOUT_MS the stack that keeps it is told.
 * The calling thread, if it has no hub, does not get one by this call.
 *
 * Switches: yes, if other threads have hubs.
 * Returns: how many hubs have not answered; -1 with errno as green_dump
 */
int green_dump_all(int fd, int flags, int timeout_ms);

/*
 * green_dump_on_signal - from now on the signal NUMBER writes a dump of all hubs to FD
 *
 * A kernel thread of its own does it, so that a hub that is kept by a computation is
 * told as well: it is given a second.  The program's own handler of NUMBER, if it had one, is
 * replaced; NUMBER 0 ends it, and puts that back.  FD must stay open.  Not carried on in a forked child.
 *
 * Switches: no.
 * Returns: 0; -1 with errno EINVAL or EAGAIN (no kernel thread could be made)
 */
int green_dump_on_signal(int number, int fd, int flags);

/* --- errors that nobody took --- */

enum green_trouble {
	GREEN_TROUBLE_TASK,     /* GREENLET, a task, ends with the error CODE and VALUE; its joiners get it as well */
	GREEN_TROUBLE_CALLBACK, /* a callback of the hub has thrown CODE and VALUE at itself; GREENLET called it */
	GREEN_TROUBLE_FUTURE,   /* GREENLET, NULL in a kernel thread that has none, gives back the last handle of a
				   future that failed and was never asked */
	GREEN_TROUBLE_LOST,     /* GREENLET has not ended, and its kernel thread ends now: it will not be cleaned up */
};

struct green_report {
	enum green_trouble trouble;
	struct greenlet *greenlet;
	int code;
	void *value;
};

typedef void green_error_hook(const struct green_report *report, void *argument);

/*
 * green_set_error_hook - let HOOK be told of errors that would pass unseen, in the whole process
 *
 * At first there is none, and nothing is told.  To end with GREEN_EXIT or GREEN_CANCELLED
 * is no error.  Each error is told once: that of a task with futures by the first of these, if nobody asks that.
 * HOOK runs in the greenlet that fails or gives back, with nothing pending, or at the end of the kernel thread; it may
 * block (but not for a callback, where that fails with EDEADLK) or fail, which changes nothing for those that get the
 * error.  HOOK: NULL for none; ARGUMENT is handed to it each time.
 *
 * Switches: no.
 * Returns: the hook of before, or NULL
 */
green_error_hook *green_set_error_hook(green_error_hook *hook, void *argument);

/*
 * green_report_error - a ready hook: writes name, error and the stack that green_record let be remembered to standard error
 *
 * ARGUMENT: NULL, or a pointer to the int that is the descriptor to write to.
 * Switches: no.
 */
void green_report_error(const struct green_report *report, void *argument);

/* --- the monitor: a kernel thread that looks at the others --- */

enum green_monitor_event {
	GREEN_MONITOR_STARTED,
	GREEN_MONITOR_BLOCKED,      /* a hub has not come round for MILLISECONDS, kept by greenlet ID called NAME */
	GREEN_MONITOR_MEMORY_OVER,  /* the process has BYTES, more than it may and than at the last such event */
	GREEN_MONITOR_MEMORY_UNDER, /* it has BYTES, and is back below its limit */
};

struct green_monitored {
	enum green_monitor_event event;
	pid_t thread;          /* of a blocked hub; the kernel's id */
	uint64_t id;           /* of the greenlet */
	const char *name;      /* a copy that lives as long as this call */
	int64_t milliseconds;
	void *const *frames;   /* its stack, innermost first; green_frame_name tells what they are */
	size_t frame_count;    /* 0 if the stack could not be had */
	size_t bytes;
};

/* What is 0 or NULL is as said here. */
struct green_monitor {
	int blocking_ms;     /* how long a greenlet may keep its hub: 0 means 100, -1 for ever; else at least 5 */
	bool silent;         /* nothing is written; events are told all the same */
	int fd;              /* where to write: 0 means 2, standard error */
	size_t memory_max;   /* resident bytes of the process; 0: no limit */
	int memory_ms;       /* how often to look at memory: 0 means 5000; else at least 2000 */
	int signal;          /* sent to a hub that computes, to have its stack: 0 means the last real-time one that is free */
	void (*event)(const struct green_monitored *monitored, void *argument); /* runs in the monitor's thread */
	void *argument;
};

/*
 * green_monitor_start - begin to watch all hubs of the process, now and later ones
 *
 * A hub that has not switched, slept or looked for events for blocking_ms is reported: by then,
 * when twice that time is over, four times and so on.  A greenlet that waits in a system call that libgreen does
 * not know is found in /proc; one that computes is sent a signal, whose handler (SA_RESTART) copies its stack.
 * OPTIONS, copied: NULL for all defaults.  In a forked child there is no monitor until it starts one.
 *
 * Switches: no.
 * Returns: 0; -1 with errno
 *   EINVAL  an option makes no sense; EALREADY  there is a monitor
 *   EAGAIN, ENOMEM  no kernel thread, no memory, or no free signal
 */
int green_monitor_start(const struct green_monitor *options);

/*
 * green_monitor_stop - end it, and wait until no event and no check runs
 *
 * Switches: no.
 * Returns: 0; -1 with errno EINVAL (there is none) or EDEADLK (an event or a check has called)
 */
int green_monitor_stop(void);

/*
 * green_monitor_check - let the monitor call CHECK(ARGUMENT) in its kernel thread, every PERIOD_MS (at least 5)
 *
 * Before or after green_monitor_start; the checks stay over a stop and a fork.  The same
 * CHECK with the same ARGUMENT gets the new period; 0 takes it away.  CHECK must use nothing that belongs to a hub's thread.
 *
 * Switches: no.
 * Returns: 0; -1 with errno EINVAL or ENOMEM
 */
int green_monitor_check(void (*check)(void *argument), void *argument, int period_ms);

/* --- code that has to let others run --- */

/* Lies where the program puts it, mostly on the stack; what is in it is the library's own. */
struct green_yields {
	int64_t opaque[8];
};

/*
 * green_yields_start - begin to look whether the calling greenlet lets others run
 *
 * SCOPE stays in place until green_yields_end, which the same greenlet must call before it ends.
 * Scopes nest.  While there is one, each switch of the thread reads the clock.
 *
 * Switches: no.  Returns: 0; -1 with errno ENOMEM
 */
int green_yields_start(struct green_yields *scope);

/*
 * green_yields_end - end SCOPE: has it let others run, and never computed longer than MAX_MS at a stretch?
 *
 * MAX_MS: -1 for as long as it likes.  *LONGEST_MS, unless NULL, gets the longest stretch.
 *
 * Switches: no.
 * Returns: 0 if so; -1 with errno
 *   EBUSY  it has not let others run at all
 *   ETIME  a stretch was longer than MAX_MS
 */
int green_yields_end(struct green_yields *scope, int max_ms, int64_t *longest_ms);

/* --- a console in the running program --- */

/*
 * green_console_start - serve a debug console on the socket PATH, in a task of the calling thread
 *
 * Whoever may connect can end tasks: the socket has mode 0600, and only processes
 * of the same user, or root's, are answered.  `nc -U PATH`, then `help`.  A PATH that is the socket of a dead
 * process is replaced; any other file is not.  That the console waits keeps no wait of this thread from failing with EDEADLK.
 *
 * Switches: no.
 * Returns: 0; -1 with errno EALREADY (this process has one), EADDRINUSE, ENAMETOOLONG or that of socket, bind or spawn
 */
int green_console_start(const char *path);

/*
 * green_console_stop - close it, end its connections, remove the socket
 *
 * Switches: yes.  Returns: 0; -1 with errno EINVAL (there is none), EPERM (another thread's) or EDEADLK (in a callback of the loop)
 */
int green_console_stop(void);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
