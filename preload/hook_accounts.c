/* SPDX-License-Identifier: MIT */
/*
 * hook_accounts.c - who is logged in, the lock of the password files, and hosts that trust each other
 *
 * libc waits for locks of files, servers and other hosts inside itself. Calls that
 * only begin or end a walk take the same lock of libc's as those that wait.
 */
#include <fmtmsg.h>
#include <netdb.h>
#include <shadow.h>
#include <stdio_ext.h>
#include <utmp.h>
#include <utmpx.h>

#include "hub/descriptor.h"
#include "migrate.h"

/* --- user accounting: files that every program locks --- */

ELSEWHERE_VOID(setutent, (void), ())
ELSEWHERE_VOID(endutent, (void), ())
ELSEWHERE(int, utmpname, (const char *file), (file))
ELSEWHERE(struct utmp *, getutent, (void), ())
ELSEWHERE(int, getutent_r, (struct utmp *entry, struct utmp **found), (entry, found))
ELSEWHERE(struct utmp *, getutid, (const struct utmp *id), (id))
ELSEWHERE(int, getutid_r, (const struct utmp *id, struct utmp *entry, struct utmp **found), (id, entry, found))
ELSEWHERE(struct utmp *, getutline, (const struct utmp *line), (line))
ELSEWHERE(int, getutline_r, (const struct utmp *line, struct utmp *entry, struct utmp **found), (line, entry, found))
ELSEWHERE(struct utmp *, pututline, (const struct utmp *entry), (entry))
ELSEWHERE_VOID(updwtmp, (const char *file, const struct utmp *entry), (file, entry))
ELSEWHERE_VOID(login, (const struct utmp *entry), (entry))
ELSEWHERE(int, logout, (const char *line), (line))
ELSEWHERE_VOID(logwtmp, (const char *line, const char *name, const char *host), (line, name, host))

ELSEWHERE_VOID(setutxent, (void), ())
ELSEWHERE_VOID(endutxent, (void), ())
ELSEWHERE(int, utmpxname, (const char *file), (file))
ELSEWHERE(struct utmpx *, getutxent, (void), ())
ELSEWHERE(struct utmpx *, getutxid, (const struct utmpx *id), (id))
ELSEWHERE(struct utmpx *, getutxline, (const struct utmpx *line), (line))
ELSEWHERE(struct utmpx *, pututxline, (const struct utmpx *entry), (entry))
ELSEWHERE_VOID(updwtmpx, (const char *file, const struct utmpx *entry), (file, entry))

/* Waits for the lock for fifteen seconds, by alarm(). */
ELSEWHERE(int, lckpwdf, (void), ())
ELSEWHERE(int, ulckpwdf, (void), ())

/* --- other hosts --- */

/* The connections are made inside libc. */
static int connected(int result, int *second)
{
	if (result >= 0)
		green__descriptor_forget(result);
	if (result >= 0 && second)
		green__descriptor_forget(*second);
	return result;
}

WRAPPER int rcmd(char **host, unsigned short port, const char *local, const char *remote, const char *command, int *second)
{
	return connected(MIGRATED(real(rcmd)(host, port, local, remote, command, second)), second);
}

WRAPPER int rcmd_af(char **host, unsigned short port, const char *local, const char *remote, const char *command, int *second,
		    sa_family_t family)
{
	return connected(MIGRATED(real(rcmd_af)(host, port, local, remote, command, second, family)), second);
}

WRAPPER int rexec(char **host, int port, const char *user, const char *password, const char *command, int *second)
{
	return connected(MIGRATED(real(rexec)(host, port, user, password, command, second)), second);
}

WRAPPER int rexec_af(char **host, int port, const char *user, const char *password, const char *command, int *second,
		     sa_family_t family)
{
	return connected(MIGRATED(real(rexec_af)(host, port, user, password, command, second, family)), second);
}

ELSEWHERE(int, ruserok, (const char *host, int root, const char *remote, const char *local), (host, root, remote, local))
ELSEWHERE(int, ruserok_af, (const char *host, int root, const char *remote, const char *local, sa_family_t family),
	  (host, root, remote, local, family))
ELSEWHERE(int, iruserok, (uint32_t address, int root, const char *remote, const char *local), (address, root, remote, local))
ELSEWHERE(int, iruserok_af, (const void *address, int root, const char *remote, const char *local, sa_family_t family),
	  (address, root, remote, local, family))

/* --- streams that libc writes by itself --- */

ELSEWHERE(int, fmtmsg,
	  (long class, const char *label, int severity, const char *text, const char *action, const char *tag),
	  (class, label, severity, text, action, tag))
ELSEWHERE(int, fcloseall, (void), ())
ELSEWHERE_VOID(_flushlbf, (void), ())
