/* SPDX-License-Identifier: MIT */
/* accounts.c - who is logged in, lines of input by gets, and names that hardly anybody looks up */
#include "plain.h"

#include <aliases.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fmtmsg.h>
#include <gshadow.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>
#include <utmpx.h>

static volatile int counted;

static char path[] = "/tmp/accounts-XXXXXX";

static void *count_up(void *argument)
{
	for (counted = 0; counted < 10; counted++)
		pause_ms(5);
	return argument;
}

/* Another process has the file's lock, as login programs do, until the other end of *RELEASE is closed. */
static pid_t hold_lock(int fd, int *release)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int ready[2], held[2];
	char byte;

	must(pipe(ready) == 0 && pipe(held) == 0, "pipe");
	pid_t child = fork();
	if (child == 0) {
		fcntl(fd, F_SETLK, &lock);
		write_full(ready[1], "x", 1);
		close(held[1]);
		_exit((int)read(held[0], &byte, 1));
	}
	must(read(ready[0], &byte, 1) == 1, "read");
	close(ready[0]);
	close(ready[1]);
	close(held[0]);
	*release = held[1];
	return child;
}

static void *find_user(void *argument)
{
	struct utmp wanted = { .ut_type = USER_PROCESS, .ut_line = "tty7" }, entry, *found = NULL;

	setutent();
	say("getutline_r: %s", outcome(getutline_r(&wanted, &entry, &found)));
	say("user: %s", found ? found->ut_user : "nobody");
	endutent();
	return argument;
}

static void logged_in(void)
{
	struct utmp entry = { .ut_type = USER_PROCESS, .ut_line = "tty7", .ut_user = "somebody", .ut_id = "7" };
	int fd = mkstemp(path), release;

	must(fd != -1 && utmpname(path) == 0, "mkstemp");
	setutent();
	say("pututline: %s", pututline(&entry) ? "ok" : error_name(errno));
	endutent();
	pid_t child = hold_lock(fd, &release);
	pthread_t finder = spawn(find_user, NULL);
	join(spawn(count_up, NULL));
	close(release);
	join(finder);
	waitpid(child, NULL, 0);
	setutxent();
	struct utmpx *first = getutxent();
	say("first: %s", first ? first->ut_line : "none");
	say("second: %s", getutxent() ? "one" : "none");
	endutxent();
	updwtmp(path, &entry);
	say("size: %d entries", (int)(lseek(fd, 0, SEEK_END) / (off_t)sizeof(entry)));
	unlink(path);
}

static void *write_lines(void *argument)
{
	int fd = *(int *)argument;

	/* Only when others have gone on meanwhile does anything come. */
	while (counted < 4)
		pause_ms(1);
	write_full(fd, "half a ", 7);
	pause_ms(40);
	write_full(fd, "line\n\nand the", 13);
	pause_ms(40);
	write_full(fd, " end", 4);
	close(fd);
	return NULL;
}

/* The linker warns of who calls these two, with reason; programs still do. */
static void *dangerous(const char *name)
{
	void *found = dlsym(RTLD_DEFAULT, name);

	must(found != NULL, name);
	return found;
}

static void *get_lines(void *argument)
{
	char *(*get)(char *) = (char *(*)(char *))dangerous("gets"), line[100];

	while (get(line))
		say("line: \"%s\"", line);
	say("end: %s", feof(stdin) ? "yes" : "no");
	return argument;
}

static void lines(void)
{
	int ends[2];

	must(pipe(ends) == 0 && dup2(ends[0], 0) == 0, "pipe");
	pthread_t writer = spawn(write_lines, &ends[1]), reader = spawn(get_lines, NULL);
	join(spawn(count_up, NULL));
	join(reader);
	join(writer);
}

static void *look_up(void *argument)
{
	struct rpcent *program = getrpcbynumber(100000), rpc, *found_rpc = NULL;
	struct aliasent *alias;
	struct ether_addr card = { { 2, 0, 0, 0, 0, 1 } };
	int (*get_password)(uid_t, char *) = (int (*)(uid_t, char *))dangerous("getpw");
	char room[2048], line[1024], name[256];
	int entries = 0;

	say("program: %s", program ? program->r_name : "none");
	say("by name: %d", getrpcbyname_r("nfs", &rpc, room, sizeof(room), &found_rpc));
	setrpcent(0);
	while (getrpcent() && entries < 3)
		entries++;
	endrpcent();
	say("programs: %d", entries);
	setaliasent();
	alias = getaliasbyname("postmaster");
	say("alias: %s", alias ? alias->alias_name : "none");
	endaliasent();
	say("card: %s", ether_ntohost(name, &card) == 0 ? name : "none");
	say("group: %s", getsgnam("no such group") ? "one" : "none");
	say("line of root: %s", get_password(0, line) == 0 && !strncmp(line, "root:", 5) ? "right" : "wrong");
	say("trusted: %d", ruserok("127.0.0.1", 0, "nobody", "nobody"));
	return argument;
}

static void names(void)
{
	join(spawn(look_up, NULL));
}

static void *flush_all(void *argument)
{
	printf("in a line buffer");
	setvbuf(stdout, NULL, _IOLBF, 0);
	_flushlbf();
	printf(" and out\n");
	say("message: %d", fmtmsg(MM_PRINT, "shim:test", MM_INFO, "nothing", "do nothing", "shim:test:1") == MM_OK);
	say("all closed: %d", fcloseall());
	return argument;
}

static void streams(void)
{
	join(spawn(flush_all, NULL));
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "logged_in", logged_in, 2 },
		{ "lines", lines, 3 },
		{ "names", names, 1 },
		{ "streams", streams, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
