/* SPDX-License-Identifier: MIT */
/* credentials.c - changing user and group after threads exist, which glibc tells to every thread; needs root */
#include "plain.h"

#include <grp.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static sem_t go;

static void *look_after(void *argument)
{
	sem_wait(&go);
	say("thread: user %d, group %d, groups %d", getuid(), getgid(), getgroups(0, NULL));
	return argument;
}

static void *drop(void *argument)
{
	say("setgroups: %s", outcome(setgroups(0, NULL)));
	say("setgid: %s", outcome(setgid(NOBODY)));
	say("setuid: %s", outcome(setuid(NOBODY)));
	return argument;
}

static void need_root(void)
{
	if (geteuid() == 0)
		return;
	say("not root");
	exit(77);
}

static void dropped_by(bool by_main)
{
	need_root();
	sem_init(&go, 0, 0);
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		threads[i] = spawn(look_after, NULL);
	pause_ms(20);
	if (by_main)
		drop(NULL);
	else
		join(spawn(drop, NULL));
	for (int i = 0; i < 3; i++)
		sem_post(&go);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	say("main: user %d, group %d", getuid(), getgid());
	say("and back: %s", outcome(setuid(0)));
}

static void in_main(void)
{
	dropped_by(true);
}

static void in_thread(void)
{
	dropped_by(false);
}

static void *swap_and_back(void *argument)
{
	say("seteuid: %s", outcome(seteuid(NOBODY)));
	say("now %d", geteuid());
	pause_ms(5);
	say("setegid: %s", outcome(setegid(NOBODY)));
	say("back: %s", outcome(seteuid(0)));
	say("now %d", geteuid());
	say("setresuid: %s", outcome(setresuid(0, 0, 0)));
	say("setregid: %s", outcome(setregid(0, 0)));
	return argument;
}

static void effective(void)
{
	need_root();
	join(spawn(swap_and_back, NULL));
	say("main: %d %d", geteuid(), getegid());
}

int main(int argc, char **argv)
{
	static const struct plain_case cases[] = {
		{ "in_main", in_main, 3 },
		{ "in_thread", in_thread, 4 },
		{ "effective", effective, 1 },
		{ 0 },
	};

	return plain_main(argc, argv, cases);
}
