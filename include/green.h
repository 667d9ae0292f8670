/* SPDX-License-Identifier: MIT */
/*
 * green.h - libgreen, green threads for C: all public headers and what they have in common
 *
 *   green/greenlet.h  create and switch; spawn, join, kill, yield; work on real threads
 *   green/debug.h     look into a running program: dumps, stacks, errors that nobody took, blocked hubs
 *   green/error.h     errors that one greenlet throws into another
 *   green/generator.h values that come one at a time, from a body that yields them
 *   green/task.h      later starts, several tasks at once, links, cancellation
 *   green/time.h      sleep, now
 *   green/timeout.h   a time limit for a stretch of code
 *   green/sync.h      event, semaphore, mutex, condition, read-write lock, barrier
 *   green/queue.h     queues of pointers, channels
 *   green/choice.h    the first of several things
 *   green/local.h     variables of which each greenlet has its own
 *   green/future.h    results that come later, of tasks and of kernel threads
 *   green/group.h     tasks that belong together: groups, pools, nurseries
 *   green/io.h        wait for descriptors; cooperative read, write, poll, close
 *   green/resolve.h   names and addresses; connect and listen by name
 *   green/server.h    servers: a task for each client, or for each datagram; several kernel threads
 *   green/socket.h    cooperative socket calls, named and shaped as in POSIX
 *   green/stream.h    buffered reading and writing
 *   green/loop.h      be called: soon, later, whenever something happens; run the hub
 *   green/process.h   child processes, and signals as things to wait for
 *
 * Words.  A greenlet is a stack and a saved context, switched explicitly, with a
 * parent that gets control when it ends.  A task is a greenlet that the hub
 * schedules: its parent is the hub, and blocking calls park it.  The hub is the
 * greenlet that owns the epoll loop and the timers of one kernel thread; it is
 * made at the first call that needs it.  So every task is a greenlet; a greenlet
 * made with green_create() runs only when somebody switches to it, but may make
 * the same blocking calls once it runs.
 *
 * Threads.  A greenlet never leaves the kernel thread that made it, and only
 * that thread may use it.  Each kernel thread has a hub of its own.  Greenlets of
 * one thread share its thread-local variables; errno is kept for each greenlet.
 *
 * Errors.  A call that fails returns -1 or NULL and sets errno; one that succeeds
 * leaves errno as it was.  Nothing prints and nothing aborts, except for a broken
 * internal invariant.  Where NULL is also a good result, set errno to 0 before the
 * call.  These mean the same everywhere:
 *   ETIMEDOUT  the time of this call passed, or that of a scope around it
 *   ECANCELED  the greenlet was asked to end; see green/error.h
 *   EBADF      the descriptor is not open, or was closed while the call waited
 *   EDEADLK    nothing is left that could ever end this wait, or a callback of the loop would have to wait
 *   EPERM      the greenlet belongs to another kernel thread; ESRCH: to one that has ended
 *   EBUSY      the greenlet is in a state that forbids the call
 *   EINVAL     an argument makes no sense; ENOMEM, EAGAIN: no memory, no stack
 *   EMFILE     no descriptor is left, as also ENFILE says; the first call that needs the hub makes it, and that takes two
 *
 * Time.  Timeouts are milliseconds as in poll(2): -1 waits for ever, 0 only tests.
 *
 * Stacks.  Each greenlet has a stack of fixed size (256 KiB unless changed with
 * green_set_stack_size) with a guard below it; only touched pages cost memory.
 * Running into the guard ends the process with SIGSEGV and one line that names
 * the greenlet, unless the program handles SIGSEGV itself.
 *
 * Signals and fork.  A signal handler may call green_watcher_send and nothing else of
 * libgreen.  After fork the child has only the greenlet that called it.
 *
 * The API is unstable until version 1.0.
 */
#ifndef GREEN_H
#define GREEN_H

#define GREEN_VERSION_MAJOR 0
#define GREEN_VERSION_MINOR 1

#include <green/debug.h>
#include <green/error.h>
#include <green/generator.h>
#include <green/future.h>
#include <green/greenlet.h>
#include <green/group.h>
#include <green/io.h>
#include <green/loop.h>
#include <green/resolve.h>
#include <green/choice.h>
#include <green/local.h>
#include <green/queue.h>
#include <green/server.h>
#include <green/process.h>
#include <green/socket.h>
#include <green/sync.h>
#include <green/stream.h>
#include <green/task.h>
#include <green/time.h>
#include <green/timeout.h>

#endif
