/* SPDX-License-Identifier: MIT */
/* dl_tls_late.c - a module with much dynamic thread-local data, made at first use; loaded by dynamic.c */
static __thread int counter = 2000;
static __thread char room[20000] = { 1, 2, 3 };

int module_count(void);
int module_room(int at);

int module_count(void)
{
	return ++counter;
}

int module_room(int at)
{
	return room[at]++;
}
