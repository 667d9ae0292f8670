/* SPDX-License-Identifier: MIT */
/*
 * trace.c - the tracer: lets the chosen system calls of a process fail
 *
 * A filter of the process's own stops it at the calls in question, before they
 * are made; all others run at full speed.  A call whose number is replaced by -1
 * there is skipped, and ends with what is in the register of the result.
 */
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "kind.h"

#define OPTIONS (PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
		 PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)

enum { IN_CALL_MAX = 256, ROWS_MAX = 256, ARGUMENTS = 6 };

/* A call that is made with changed arguments, which are put back at its end. */
struct in_call {
	pid_t task; /* 0: unused */
	struct user_regs_struct before;
	long result;              /* not 0: what it is to end with */
	unsigned long address[2]; /* memory that was changed, and what was there */
	unsigned long word[2];
	int words;
};

static const struct plan *plan;
static pid_t main_pid;
static bool armed;
static long outputs;
static unsigned long matches, random_state;
static unsigned long counted[ROWS_MAX][KINDS_MAX];
static struct in_call in_calls[IN_CALL_MAX];

/* --- the tracee's registers and memory --- */

static void arguments_of(const struct user_regs_struct *registers, unsigned long *arguments)
{
	const unsigned long all[ARGUMENTS] = { registers->rdi, registers->rsi, registers->rdx,
					       registers->r10, registers->r8, registers->r9 };

	memcpy(arguments, all, sizeof(all));
}

static void set_argument(struct user_regs_struct *registers, int at, unsigned long value)
{
	unsigned long long *const all[ARGUMENTS] = { &registers->rdi, &registers->rsi, &registers->rdx,
						     &registers->r10, &registers->r8, &registers->r9 };

	*all[at] = value;
}

static bool peek(pid_t task, unsigned long address, void *data, size_t size)
{
	struct iovec here = { data, size }, there = { (void *)address, size };

	return process_vm_readv(task, &here, 1, &there, 1, 0) == (ssize_t)size;
}

static void go_on(pid_t task, int request, int number)
{
	ptrace(request, task, 0, (long)number);
}

static bool of_main(pid_t task)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", main_pid, task);
	return access(path, F_OK) == 0;
}

/* --- the report --- */

/* The file that ADDRESS of PID's belongs to, or "?". */
static void object_at(pid_t pid, unsigned long address, char *name, size_t size)
{
	char path[64], line[512];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	snprintf(name, size, "?");
	maps = fopen(path, "r");
	while (maps && fgets(line, sizeof(line), maps)) {
		unsigned long low, high;
		char *base = strrchr(line, '/');

		if (sscanf(line, "%lx-%lx", &low, &high) == 2 && address >= low && address < high && base)
			snprintf(name, size, "%.*s", (int)strcspn(base + 1, "\n"), base + 1);
	}
	if (maps)
		fclose(maps);
}

static void report_hit(pid_t task, const struct call *call, const char *kind, const struct user_regs_struct *registers)
{
	char object[128];

	if (plan->report < 0)
		return;
	object_at(task, registers->rip, object, sizeof(object));
	dprintf(plan->report, "%s %s %lu %s %s\n", call->name, kind, matches, object,
		task == main_pid ? "first" : "other");
}

/* Each count has a line of its own, written anew: the report is whole however the tracer ends. */
static void report_count(const struct call *call, const char *kind)
{
	size_t row = (size_t)(call - calls), column = 0;
	char line[64];
	off_t at;
	int length;

	while (strcmp(kinds[column], kind))
		column++;
	length = snprintf(line, sizeof(line), "%-20s %-10s %10lu\n", call->name, kind, ++counted[row][column]);
	at = (off_t)(row * KINDS_MAX + column) * length;
	if (plan->report >= 0 && pwrite(plan->report, line, (size_t)length, at) != length)
		_exit(1);
}

/* --- cutting short --- */

/* One, a half, or all but one, in turn. */
static unsigned long cut(unsigned long size)
{
	const unsigned long cuts[] = { 1, (size + 1) / 2, size - 1 };

	return cuts[matches % 3];
}

/* The array of struct iovec that a call uses, its length, and where that length is if in memory. */
struct vector {
	unsigned long parts, count, count_address;
};

static bool vector_of(pid_t task, const struct call *call, const unsigned long *arguments, struct vector *vector)
{
	*vector = (struct vector){ arguments[1], arguments[2], 0 };
	if (call->count == COUNT_VECTOR)
		return true;
	/* In struct msghdr they follow the address and its length. */
	vector->count_address = arguments[1] + 3 * sizeof(long);
	return peek(task, arguments[1] + 2 * sizeof(long), vector, 2 * sizeof(long));
}

/* The first part of the vector that has two bytes at least; false if none has. */
static bool first_part(pid_t task, const struct vector *vector, unsigned long *index, struct iovec *part)
{
	for (*index = 0; *index < vector->count && *index < 1024; ++*index) {
		if (!peek(task, vector->parts + *index * sizeof(*part), part, sizeof(*part)))
			return false;
		if (part->iov_len > 1)
			return true;
	}
	return false;
}

static bool can_cut(pid_t task, const struct call *call, const unsigned long *arguments)
{
	struct vector vector;
	struct iovec part;
	unsigned long index;

	if (call->count == COUNT_NONE)
		return false;
	if (call->count == COUNT_PLAIN)
		return arguments[call->count_argument] > 1;
	return vector_of(task, call, arguments, &vector) && first_part(task, &vector, &index, &part);
}

static struct in_call *in_call_of(pid_t task)
{
	for (size_t i = 0; i < IN_CALL_MAX; i++) {
		if (in_calls[i].task == task)
			return &in_calls[i];
	}
	return NULL;
}

static void change_word(struct in_call *call, unsigned long address, unsigned long word)
{
	call->address[call->words] = address;
	call->word[call->words] = (unsigned long)ptrace(PTRACE_PEEKDATA, call->task, address, 0);
	call->words++;
	ptrace(PTRACE_POKEDATA, call->task, address, word);
}

static void cut_vector(struct in_call *in_call, const struct call *call, const unsigned long *arguments,
		       struct user_regs_struct *registers)
{
	struct vector vector;
	struct iovec part;
	unsigned long index;

	if (!vector_of(in_call->task, call, arguments, &vector) || !first_part(in_call->task, &vector, &index, &part))
		return;
	change_word(in_call, vector.parts + index * sizeof(part) + sizeof(long), cut(part.iov_len));
	if (vector.count_address)
		change_word(in_call, vector.count_address, index + 1);
	else
		set_argument(registers, 2, index + 1);
}

static void make_short(struct in_call *in_call, const struct call *call, const unsigned long *arguments)
{
	struct user_regs_struct registers = in_call->before;

	if (call->count == COUNT_PLAIN)
		set_argument(&registers, call->count_argument, cut(arguments[call->count_argument]));
	else
		cut_vector(in_call, call, arguments, &registers);
	ptrace(PTRACE_SETREGS, in_call->task, 0, &registers);
}

/* libc compares what brk returns with what it asked for: one that fails returns the end as it is. */
static void ask_for_nothing(struct in_call *in_call)
{
	struct user_regs_struct registers = in_call->before;

	set_argument(&registers, 0, 0);
	ptrace(PTRACE_SETREGS, in_call->task, 0, &registers);
}

/* --- failing --- */

/* The signal that the kernel sends with EPIPE, unless the call forbids it. */
static bool wants_sigpipe(const struct call *call, const unsigned long *arguments)
{
	static const struct { const char *name; int flags; } sends[] = {
		{ "sendto", 3 }, { "sendmsg", 2 }, { "sendmmsg", 3 },
	};

	for (size_t i = 0; i < sizeof(sends) / sizeof(*sends); i++) {
		if (!strcmp(call->name, sends[i].name))
			return !(arguments[sends[i].flags] & 0x4000 /* MSG_NOSIGNAL */);
	}
	return true;
}

static void send_signals(pid_t task, const struct call *call, const unsigned long *arguments)
{
	if (plan->error == EPIPE && wants_sigpipe(call, arguments))
		syscall(SYS_tgkill, main_pid, task, SIGPIPE);
	if (plan->signal)
		kill(main_pid, SIGUSR1);
}

/* The call is made with other arguments, or ends with another result, and stops at its end. */
static void let_in(pid_t task, const struct call *call, const unsigned long *arguments,
		   const struct user_regs_struct *registers)
{
	struct in_call *in_call = in_call_of(0);

	if (!in_call) {
		go_on(task, PTRACE_CONT, 0);
		return;
	}
	*in_call = (struct in_call){ .task = task, .before = *registers };
	if (call->number == SYS_brk)
		ask_for_nothing(in_call);
	else if (plan->error)
		in_call->result = -plan->error;
	else
		make_short(in_call, call, arguments);
	go_on(task, PTRACE_SYSCALL, 0);
}

static void skip(pid_t task, struct user_regs_struct *registers)
{
	registers->orig_rax = (unsigned long)-1;
	registers->rax = (unsigned long)-plan->error;
	ptrace(PTRACE_SETREGS, task, 0, registers);
	go_on(task, PTRACE_CONT, 0);
}

static void fail(pid_t task, const struct call *call, const unsigned long *arguments,
		 struct user_regs_struct *registers)
{
	send_signals(task, call, arguments);
	/* What is closed is closed, even if the call reports an error. */
	if (!plan->error || call->number == SYS_close || call->number == SYS_brk)
		let_in(task, call, arguments, registers);
	else
		skip(task, registers);
}

/* --- which calls --- */

static bool is_output(const struct call *call, const unsigned long *arguments)
{
	return arguments[0] == 1 && call_listed("write,writev,pwritev2", call->name);
}

static bool decide(void)
{
	unsigned long at = (unsigned long)plan->at, every = (unsigned long)plan->every;

	matches++;
	if (at)
		return matches == at || (every && matches > at && (matches - at) % every == 0);
	if (every)
		return matches % every == 0;
	random_state = random_state * 6364136223846793005UL + 1442695040888963407UL;
	return (random_state >> 33) % (unsigned long)plan->odds == 0;
}

/* The standard streams are how programs tell of the outcome, so they are left alone. */
static const char *kind_in(const struct call *call, const unsigned long *arguments)
{
	if (call->descriptor == NO_ARGUMENT)
		return "none";
	return (int)arguments[call->descriptor] <= 2 ? NULL : kind_of(main_pid, (int)arguments[call->descriptor]);
}

static bool is_meant(pid_t task, const struct call *call, const char *kind, const unsigned long *arguments)
{
	if (!call_listed(plan->calls, call->name) || (plan->kind && strcmp(kind, plan->kind)))
		return false;
	return plan->error || can_cut(task, call, arguments);
}

static void at_call(pid_t task)
{
	struct user_regs_struct registers;
	unsigned long arguments[ARGUMENTS];
	const struct call *call;
	const char *kind = NULL;

	if (ptrace(PTRACE_GETREGS, task, 0, &registers))
		return;
	arguments_of(&registers, arguments);
	call = call_find((long)registers.orig_rax, arguments);
	if (call && armed && (plan->children || of_main(task)))
		kind = kind_in(call, arguments);
	if (call && is_output(call, arguments) && of_main(task))
		armed = ++outputs >= plan->after_output;
	if (kind && !plan->calls)
		report_count(call, kind);
	if (kind && plan->calls && is_meant(task, call, kind, arguments) && decide()) {
		report_hit(task, call, kind, &registers);
		fail(task, call, arguments, &registers);
	} else {
		go_on(task, PTRACE_CONT, 0);
	}
}

static void at_return(pid_t task)
{
	struct in_call *in_call = in_call_of(task);
	struct user_regs_struct now;

	if (in_call && !ptrace(PTRACE_GETREGS, task, 0, &now)) {
		for (int i = 0; i < in_call->words; i++)
			ptrace(PTRACE_POKEDATA, task, in_call->address[i], in_call->word[i]);
		/* Only what the call has changed itself stays changed. */
		in_call->before.orig_rax = now.orig_rax;
		in_call->before.rax = in_call->result && (long)now.rax >= 0 ? (unsigned long)in_call->result : now.rax;
		in_call->before.rcx = now.rcx;
		in_call->before.r11 = now.r11;
		in_call->before.rip = now.rip;
		ptrace(PTRACE_SETREGS, task, 0, &in_call->before);
		in_call->task = 0;
	}
	go_on(task, PTRACE_CONT, 0);
}

/* --- following --- */

/* The kernel's own SIGPIPE looks as if the process had sent it to itself. */
static void disguise(pid_t task)
{
	siginfo_t info;

	if (plan->error != EPIPE || ptrace(PTRACE_GETSIGINFO, task, 0, &info) || info.si_pid != getpid())
		return;
	info.si_code = SI_USER;
	info.si_pid = main_pid;
	ptrace(PTRACE_SETSIGINFO, task, 0, &info);
}

static bool stops_a_group(int number)
{
	return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

static void at_stop(pid_t task, int status)
{
	int number = WSTOPSIG(status), event = status >> 16;

	if (event == PTRACE_EVENT_SECCOMP) {
		at_call(task);
	} else if (event == PTRACE_EVENT_STOP && stops_a_group(number)) {
		go_on(task, PTRACE_LISTEN, 0);
	} else if (event) {
		go_on(task, PTRACE_CONT, 0);
	} else if (number == (SIGTRAP | 0x80)) {
		at_return(task);
	} else {
		if (number == SIGPIPE)
			disguise(task);
		go_on(task, PTRACE_CONT, number);
	}
}

void trace(pid_t pid, const struct plan *what, void (*ready)(void))
{
	pid_t task;
	int status;

	plan = what;
	main_pid = pid;
	armed = what->after_output == 0;
	random_state = what->seed;
	if (ptrace(PTRACE_SEIZE, pid, 0, OPTIONS))
		exit(1);
	ready();
	while ((task = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status))
			at_stop(task, status);
	}
}
