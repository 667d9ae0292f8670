/* SPDX-License-Identifier: MIT */
/* symbols.h - what becomes of each of libc's functions under the shim: preload/symbols.txt, built in */
#ifndef GREEN_TOOLS_SYMBOLS_H
#define GREEN_TOOLS_SYMBOLS_H

enum symbol_class {
	SYMBOL_CARRIED,		/* replaced: a thread that waits lets others go on */
	SYMBOL_HELPER,		/* replaced: a thread that has to wait does so on a helper kernel thread */
	SYMBOL_PLAIN,		/* waits for nobody */
	SYMBOL_DISK,		/* waits for a disk at most */
	SYMBOL_FOREIGN,		/* served by kernel threads of libc's own */
	SYMBOL_KERNEL,		/* about the kernel thread, which all green threads share */
	SYMBOL_BLOCKS,		/* while it waits all green threads wait */
	SYMBOL_OLD,		/* in no header any more */
	SYMBOL_DATA,
	SYMBOL_ELSEWHERE,	/* replaced, but not in this libc */
	SYMBOL_UNKNOWN,		/* neither replaced nor listed: of a newer libc */
	SYMBOL_CLASSES
};

/* symbols_listed - the class of NAME in the list; SYMBOL_UNKNOWN if it is not there, as what is just carried is not */
enum symbol_class symbols_listed(const char *name);

#endif
