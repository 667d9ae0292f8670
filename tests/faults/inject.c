/* SPDX-License-Identifier: MIT */
/*
 * inject.c - runs a command and lets chosen system calls of it fail
 *
 * The command keeps the process id, the parent and the standard streams that this
 * program was started with, so its end is the end of this program; who traces it
 * is a grandchild that its own calls of wait never see.
 *
 * Status 77 and a line on stderr if the system does not allow tracing.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "trace.h"

enum { SKIPPED = 77, FILTER_MAX = 256 };

static const char usage[] =
	"usage: inject [OPTION...] -- COMMAND [ARGUMENT...]\n"
	"Without --call all calls are counted, and none fails.\n"
	"  --call=NAME,...   what is to fail\n"
	"  --on=KIND         only on a tcp, stream, datagram, listener, pipe, file, eventfd, eventpoll, ...\n"
	"  --fault=ERROR     the name of an error (EINTR), or `short' for a smaller count of bytes\n"
	"  --at=N            the Nth of these calls fails, from 1\n"
	"  --every=N         each Nth fails; with --at, from there on\n"
	"  --odds=N          one of N fails, by chance\n"
	"  --seed=N          which ones: the same for the same N and the same order of calls\n"
	"  --signal          with each failure SIGUSR1 is sent to the command\n"
	"  --after-output=N  counting begins when the command has written N times to descriptor 1\n"
	"  --children        calls of its child processes count as well\n"
	"  --report=FILE     which calls failed, or how many there were\n";

static int release[2]; /* the tracer writes to this pipe when it is ready */

static void complain(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(SKIPPED);
}

/* --- options --- */

static int error_number(const char *name)
{
	if (!strcmp(name, "short"))
		return 0;
	for (int number = 1; number < 256; number++) {
		const char *known = strerrorname_np(number);

		if (known && !strcmp(known, name))
			return number;
	}
	fprintf(stderr, "inject: --fault=%s: no such error\n%s", name, usage);
	exit(2);
}

static int report_to(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd == -1)
		complain(path);
	return fcntl(fd, F_DUPFD_CLOEXEC, 500);
}

static const struct option options[] = {
	{ "call", required_argument, NULL, 'c' },  { "on", required_argument, NULL, 'o' },
	{ "fault", required_argument, NULL, 'f' }, { "at", required_argument, NULL, 'n' },
	{ "every", required_argument, NULL, 'e' }, { "odds", required_argument, NULL, 'r' },
	{ "seed", required_argument, NULL, 's' },  { "signal", no_argument, NULL, 'i' },
	{ "after-output", required_argument, NULL, 'a' }, { "children", no_argument, NULL, 'k' },
	{ "report", required_argument, NULL, 'w' }, { NULL, 0, NULL, 0 },
};

static void read_option(struct plan *plan, int option)
{
	switch (option) {
	case 'c': plan->calls = optarg; break;
	case 'o': plan->kind = optarg; break;
	case 'f': plan->error = error_number(optarg); break;
	case 'n': plan->at = atol(optarg); break;
	case 'e': plan->every = atol(optarg); break;
	case 'r': plan->odds = atol(optarg); break;
	case 's': plan->seed = strtoul(optarg, NULL, 0); break;
	case 'i': plan->signal = true; break;
	case 'a': plan->after_output = atol(optarg); break;
	case 'k': plan->children = true; break;
	case 'w': plan->report = report_to(optarg); break;
	default: fputs(usage, stderr); exit(2);
	}
}

static void read_options(struct plan *plan, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1)
		read_option(plan, option);
	if (optind == argc || (plan->calls && plan->at + plan->every + plan->odds <= 0)) {
		fputs(usage, stderr);
		exit(2);
	}
}

/* --- the filter: stop at the calls in question, and at writes, which may arm the plan --- */

static bool wanted(const struct plan *plan, const struct call *call)
{
	return !plan->calls || call_listed(plan->calls, call->name) || call_listed("write,writev,pwritev2", call->name);
}

static bool has_row_before(const struct plan *plan, const struct call *call)
{
	for (const struct call *other = calls; other != call; other++) {
		if (other->number == call->number && wanted(plan, other))
			return true;
	}
	return false;
}

/* Each of these jumps over the rest of the list and the answer that all is well. */
static size_t list_calls(const struct plan *plan, struct sock_filter *filter)
{
	size_t count = 0;

	for (const struct call *call = calls; call->name; call++) {
		struct sock_filter equal = { .code = BPF_JMP | BPF_JEQ | BPF_K, .k = (unsigned)call->number };

		if (wanted(plan, call) && !has_row_before(plan, call))
			filter[count++] = equal;
	}
	for (size_t i = 0; i < count; i++)
		filter[i].jt = (unsigned char)(count - i);
	return count;
}

static void install_filter(const struct plan *plan)
{
	struct sock_filter filter[FILTER_MAX] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	size_t count = 4 + list_calls(plan, filter + 4);
	struct sock_fprog program;

	filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	program = (struct sock_fprog){ (unsigned short)count, filter };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		complain("a filter of system calls");
}

/* --- who is who --- */

static void traced_is_ready(void)
{
	if (write(release[1], "", 1) != 1)
		_exit(1);
	close(release[1]);
}

/* Nobody waits for its streams to close but those of the command. */
static void be_tracer(pid_t pid, const struct plan *plan)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	close(null);
	close(release[0]);
	trace(pid, plan, traced_is_ready);
	_exit(0);
}

/* The tracer is a child's child, so that it is nobody's whom the command knows. */
static void start_tracer(const struct plan *plan)
{
	pid_t pid = getpid(), child = fork();

	if (child == 0) {
		if (fork() == 0)
			be_tracer(pid, plan);
		_exit(0);
	}
	if (child == -1 || waitpid(child, NULL, 0) != child)
		complain("a tracer");
}

int main(int argc, char **argv)
{
	struct plan plan = { .report = -1 };
	char byte;

	read_options(&plan, argc, argv);
	if (pipe2(release, O_CLOEXEC))
		complain("a pipe");
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	start_tracer(&plan);
	close(release[1]);
	if (read(release[0], &byte, 1) != 1) {
		errno = EPERM;
		complain("tracing");
	}
	close(release[0]);
	install_filter(&plan);
	execvp(argv[optind], argv + optind);
	complain(argv[optind]);
}
