/* SPDX-License-Identifier: MIT */
/* program.c - looks a command up in PATH, follows scripts to their interpreters and foresees what ld.so will refuse */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "elfkind.h"

/*
 * Facts about Linux that the checks rest on:
 * - Of a script's first line the kernel reads 256 bytes. What follows the
 *   interpreter's name is one argument, blanks included.
 * - Set-id bits and file capabilities count on the file that is loaded in the
 *   end, not on scripts. Mounts with nosuid switch both off.
 * - AT_SECURE, under which ld.so ignores LD_PRELOAD, follows from the ids
 *   after exec: set when the effective ones differ from the real ones. Without
 *   a change they may still differ from before. File capabilities set it too,
 *   except for real root. no_new_privs switches set-id bits off; with it file
 *   capabilities still set AT_SECURE when their effective bit is on.
 */
enum {
	SCRIPT_LINE = 256,
	SCRIPT_DEPTH = 4,
};

static int check_file(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return -1;
	if (S_ISDIR(status.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	if (!S_ISREG(status.st_mode)) {
		errno = EACCES;
		return -1;
	}
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
}

/* Copies nothing and fails where the path would be too long to name any file. */
static bool join(char path[PATH_MAX], const char *directory, size_t length, const char *name)
{
	const char *slash = length > 0 ? "/" : "";

	if (length >= PATH_MAX)
		return false;
	return snprintf(path, PATH_MAX, "%.*s%s%s", (int)length, directory, slash, name) < PATH_MAX;
}

static int search(const char *directories, const char *name, char path[PATH_MAX])
{
	bool forbidden = false;

	for (const char *at = directories;; at++) {
		size_t length = strcspn(at, ":");

		if (join(path, at, length, name)) {
			if (check_file(path) == 0)
				return 0;
			forbidden |= errno == EACCES || errno == EISDIR;
		}
		at += length;
		if (*at == '\0')
			break;
	}
	errno = forbidden ? EACCES : ENOENT;
	return -1;
}

int program_find(const char *name, char path[PATH_MAX])
{
	const char *directories = getenv("PATH");

	if (*name == '\0') {
		errno = ENOENT;
		return -1;
	}
	if (strchr(name, '/') == NULL)
		return search(directories != NULL ? directories : _PATH_DEFPATH, name, path);
	if (strlen(name) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(path, name);
	return check_file(path);
}

/* Opens regular files only: others may block, or do something when opened. */
static int open_regular(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* Reads what the kernel looks at first; zero bytes follow a shorter file. */
static ssize_t read_head(int fd, char head[SCRIPT_LINE + 1])
{
	memset(head, 0, SCRIPT_LINE + 1);
	return pread(fd, head, SCRIPT_LINE, 0);
}

static bool is_elf(const char *head)
{
	return memcmp(head, ELFMAG, SELFMAG) == 0;
}

bool program_is_text(const char *path)
{
	char head[SCRIPT_LINE + 1];
	int fd = open_regular(path);
	const char *newline;
	ssize_t length;

	if (fd < 0)
		return false;
	length = read_head(fd, head);
	close(fd);
	if (length < 0 || is_elf(head))
		return false;
	/* As in a shell: a NUL in the first line betrays a binary file. */
	newline = memchr(head, '\n', (size_t)length);
	return memchr(head, '\0', newline != NULL ? (size_t)(newline - head) : (size_t)length) == NULL;
}

/* An attribute without any capability in it, as `setcap = FILE` writes it, changes nothing. */
static bool has_capabilities(const char *path)
{
	unsigned char data[64];
	ssize_t length = getxattr(path, "security.capability", data, sizeof(data));
	bool any = false;

	/* The first four bytes are a version and the effective bit; four masks follow. */
	for (ssize_t i = 4; i < length && i < 20; i++)
		any |= data[i] != 0;
	return any || (length > 0 && (data[0] & 1));
}

static bool mounted_nosuid(const char *path)
{
	struct statvfs mount;

	return statvfs(path, &mount) == 0 && (mount.f_flag & ST_NOSUID);
}

static bool sets_ids(const struct stat *status)
{
	/* Without the group's execute bit, the setgid bit once meant mandatory locking. */
	const mode_t setgid = S_ISGID | S_IXGRP;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	return ((status->st_mode & S_ISUID) && status->st_uid != getuid()) ||
	       ((status->st_mode & setgid) == setgid && status->st_gid != getgid());
}

/* Returns NULL where ld.so will take LD_PRELOAD. */
static const char *why_secure(const char *path)
{
	struct stat status;

	if (getuid() != geteuid() || getgid() != getegid())
		return "started with unlike real and effective ids, so the dynamic loader ignores LD_PRELOAD";
	if (stat(path, &status) != 0 || mounted_nosuid(path))
		return NULL;
	if (sets_ids(&status))
		return "setuid or setgid, so the dynamic loader ignores LD_PRELOAD";
	if (getuid() != 0 && has_capabilities(path))
		return "has file capabilities, so the dynamic loader ignores LD_PRELOAD";
	return NULL;
}

static void refuse(struct program_verdict *verdict, const char *path, const char *reason, bool may_carry)
{
	verdict->carried = false;
	verdict->may_carry = may_carry;
	snprintf(verdict->culprit, sizeof(verdict->culprit), "%s", path);
	snprintf(verdict->reason, sizeof(verdict->reason), "%s", reason);
}

/* FD is -1 for a program that may be executed but not read. */
static void examine_binary(const char *path, int fd, struct program_verdict *verdict)
{
	const char *secure = why_secure(path);
	struct elf_report report = { .kind = ELF_KIND_UNKNOWN };

	snprintf(verdict->binary, sizeof(verdict->binary), "%s", path);
	if (secure != NULL) {
		refuse(verdict, path, secure, false);
		return;
	}
	if (fd >= 0)
		elf_examine(fd, &report);
	if (report.kind != ELF_KIND_FITS && report.kind != ELF_KIND_UNKNOWN)
		refuse(verdict, path, report.reason, elf_kind_may_carry(report.kind));
}

/* Cuts the words of a #! line out of HEAD; ARGUMENT is "" where there is none. */
static bool parse_script(char *head, char **interpreter, char **argument)
{
	static const char blanks[] = " \t";

	if (head[0] != '#' || head[1] != '!')
		return false;
	head[strcspn(head, "\n")] = '\0';
	*interpreter = head + 2 + strspn(head + 2, blanks);
	*argument = *interpreter + strcspn(*interpreter, blanks);
	if (**argument != '\0')
		*(*argument)++ = '\0';
	return **interpreter != '\0';
}

/* Finds NAME in what follows `env` on a #! line: options and assignments come before it. */
static bool env_command(const char *interpreter, char *argument, char path[PATH_MAX])
{
	const char *base = strrchr(interpreter, '/');
	char *rest;

	if (strcmp(base != NULL ? base + 1 : interpreter, "env") != 0)
		return false;
	for (char *word = strtok_r(argument, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest)) {
		if (*word != '-' && strchr(word, '=') == NULL)
			return program_find(word, path) == 0;
	}
	return false;
}

static void follow(const char *path, int depth, struct program_verdict *verdict);

static void follow_script(char *head, int depth, struct program_verdict *verdict)
{
	char *interpreter, *argument, command[PATH_MAX];

	/* execvp has the shell run what has no interpreter. */
	if (!parse_script(head, &interpreter, &argument)) {
		follow(_PATH_BSHELL, depth, verdict);
		return;
	}
	follow(interpreter, depth, verdict);
	if (verdict->carried && env_command(interpreter, argument, command))
		follow(command, depth, verdict);
}

/* DEPTH counts the interpreters on the way to PATH. Beyond the limit nothing is known. */
static void follow(const char *path, int depth, struct program_verdict *verdict)
{
	char head[SCRIPT_LINE + 1];
	int fd = open_regular(path);

	if (fd < 0 || read_head(fd, head) < 0 || is_elf(head))
		examine_binary(path, fd, verdict);
	else if (depth < SCRIPT_DEPTH)
		follow_script(head, depth + 1, verdict);
	if (fd >= 0)
		close(fd);
}

void program_examine(const char *path, struct program_verdict *verdict)
{
	verdict->carried = true;
	verdict->may_carry = false;
	verdict->culprit[0] = '\0';
	verdict->reason[0] = '\0';
	verdict->binary[0] = '\0';
	follow(path, 0, verdict);
	if (strcmp(verdict->culprit, path) == 0)
		verdict->culprit[0] = '\0';
}
