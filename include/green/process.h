/* SPDX-License-Identifier: MIT */
/*
 * green/process.h - child processes, and signals as things to wait for
 *
 *	struct green_process *child;
 *	char *argv[] = { "sort", "-n", NULL };
 *
 *	child = green_process_start(&(struct green_process_options){ .argv = argv, .in = GREEN_PIPE, .out = GREEN_PIPE });
 *	green_process_communicate(child, text, strlen(text), &output, NULL, 5000);
 *	green_process_wait(child, &status, -1);
 *	green_process_destroy(child);
 */
#ifndef GREEN_PROCESS_H
#define GREEN_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct green_process;

/* What a standard descriptor of a child is, if it is none of the parent's. */
enum {
	GREEN_INHERIT = 0,   /* the parent's; what a zero means */
	GREEN_PIPE = -1,     /* a pipe, whose other end green_process_fd has */
	GREEN_NULL = -2,     /* /dev/null */
	GREEN_TO_OUT = -3,   /* of err: where out goes */
};

struct green_process_options {
	char *const *argv;     /* the program, looked for in PATH, and its arguments; ends with NULL */
	char *const *envp;     /* NULL: the parent's */
	const char *directory; /* NULL: the parent's */
	int in, out, err;      /* GREEN_INHERIT and the like, or a descriptor above 2, which stays the caller's */
	bool group;            /* as leader of a process group of its own, for green_process_kill_group */
};

/*
 * green_process_start - start a child process; the caller's until green_process_destroy
 *
 * Signals that libgreen or the caller has set are at their defaults in the child, the mask is empty, other descriptors
 * than the standard ones are inherited if they are not close-on-exec.
 *
 * Switches: no; the kernel thread stands still until the program is loaded.
 * Returns: the process; NULL with the errno with which it could not be started: ENOENT, EACCES ..., EINVAL, EMFILE, EAGAIN, ENOMEM
 */
struct green_process *green_process_start(const struct green_process_options *options);

pid_t green_process_pid(const struct green_process *process);

/* green_process_fd - the parent's end of the pipe that is the child's descriptor WHICH, 0 to 2; -1 with errno EBADF if there is none */
int green_process_fd(const struct green_process *process, int which);

/* green_process_close - close that end now, as after the last of the input */
int green_process_close(struct green_process *process, int which);

/*
 * green_process_wait - wait until PROCESS has ended; *STATUS, unless NULL, is as for waitpid(2)
 *
 * Any number of greenlets may, any number of times.  Somebody else who reaped it leaves status 255 << 8.
 *
 * Switches: yes, unless it has.
 * Returns: 0; -1 with errno as in green/sync.h
 */
int green_process_wait(struct green_process *process, int *status, int timeout_ms);

struct green_text {
	char *bytes; /* from malloc, ends with a zero that SIZE does not count; NULL if there was no pipe */
	size_t size;
};

/*
 * green_process_communicate - write INPUT, and read OUT and ERR to their ends
 *
 * After a failure call it again, with INPUT NULL, to go on where it stood: nothing is lost.  OUT and ERR, each of which may be NULL,
 * are set on success only and are then the caller's to free.
 *
 * Switches: yes.
 * Returns: 0; -1 with errno ETIMEDOUT, ECANCELED, ENOMEM, or that of read(2)
 */
int green_process_communicate(struct green_process *process, const char *input, size_t size, struct green_text *out, struct green_text *err,
			      int timeout_ms);

/* green_process_kill - send it a signal; never to another process that has its number by now.  Returns: 0; -1 with errno ESRCH (it has ended) or EINVAL */
int green_process_kill(struct green_process *process, int signal);

/*
 * green_process_kill_group - send a signal to all processes of PROCESS's group, such as what a shell has started
 *
 * Also after PROCESS itself has ended; but where the kernel cannot tell its group from a later one with that number, before
 * Linux 6.9, only until its end was seen, by a wait for instance.
 *
 * Switches: no.
 * Returns: 0; -1 with errno ESRCH (none is left, or cannot be told), EPERM or EINVAL (no such signal; it was not started with GROUP)
 */
int green_process_kill_group(struct green_process *process, int signal);

/* green_process_destroy - close its pipes; a child that still runs goes on and is reaped when it ends; NULL is fine */
void green_process_destroy(struct green_process *process);

/*
 * green_waitpid - waitpid(2) of which only the calling greenlet waits
 *
 * All forms: one child, any, of a group; WNOHANG, WUNTRACED, WCONTINUED.  A child of
 * green_process_start is that one's.
 */
pid_t green_waitpid(pid_t pid, int *status, int options);

/* green_fork - fork(2); in the child only the calling greenlet is left, with a new hub */
pid_t green_fork(void);

/* green_system - system(3) of which only the calling greenlet waits */
int green_system(const char *command);

/*
 * green_signal_wait - wait until the process gets one of SIGNALS, which is then taken
 *
 * Switches: yes, unless one is there.  It keeps the hub from calling a deadlock.
 * Returns: its number; -1 with errno EINVAL (none, SIGKILL, SIGSTOP, or one of a fault) or as in green/sync.h
 */
int green_signal_wait(const sigset_t *signals, int timeout_ms);

/*
 * green_signal_task - whenever the process gets the signal NUMBER, run FUNCTION(NUMBER, ARG) as a new task of this hub
 *
 * FUNCTION NULL: no longer; what the program had set for the signal before is put back.
 * Returns: 0; -1 with errno EINVAL or ENOMEM
 */
int green_signal_task(int number, void (*function)(int number, void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop

#endif
