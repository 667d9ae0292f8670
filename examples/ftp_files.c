/* SPDX-License-Identifier: MIT */
/* ftp_files.c - the users' files: no path and no symbolic link leads out of the user's directory */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ftp.h"

enum { HALF_YEAR = 182 * 24 * 3600 };

/* ---- paths ---- */

/* Add or take away one part of PATH, which is "" or "/part/part". */
static bool step(char *path, const char *part, size_t length)
{
	size_t used = strlen(path);

	if (length == 0 || (length == 1 && part[0] == '.'))
		return true;
	if (length == 2 && part[0] == '.' && part[1] == '.') {
		if (used)
			*strrchr(path, '/') = '\0';
		return true;
	}
	if (used + 1 + length >= FTP_PATH)
		return false;
	path[used] = '/';
	memcpy(path + used + 1, part, length);
	path[used + 1 + length] = '\0';
	return true;
}

/* PATH, of FTP_PATH bytes: ARGUMENT as seen from the current directory, without any "..", which ends at "/". */
bool ftp_path(const struct ftp_session *session, const char *argument, char *path)
{
	bool fits = true;

	strcpy(path, argument[0] == '/' || !session->directory[1] ? "" : session->directory);
	while (fits && *argument) {
		size_t length = strcspn(argument, "/");

		fits = step(path, argument, length);
		argument += length + (argument[length] == '/');
	}
	if (!path[0])
		strcpy(path, "/");
	if (!fits)
		errno = ENAMETOOLONG;
	return fits;
}

/* The kernel follows symbolic links only where they stay beneath ROOT, whatever others rename meanwhile. */
int ftp_open_beneath(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC, .mode = flags & O_CREAT ? 0666 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	while (*path == '/')
		path++;
	return (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
}

int ftp_open(const struct ftp_session *session, const char *path, int flags)
{
	/* A FIFO without a writer must not hold up the server; the caller refuses it. */
	return ftp_open_beneath(session->root, path, flags & O_PATH ? flags : flags | O_NOCTTY | O_NONBLOCK);
}

/* The directory that PATH is in; *NAME is its name there, which the calls below do not follow if it is a link. */
static int open_parent(const struct ftp_session *session, const char *path, const char **name)
{
	char parent[FTP_PATH];
	size_t length = (size_t)(strrchr(path, '/') - path);

	*name = path + length + 1;
	if (!**name) {
		errno = EBUSY;
		return -1;
	}
	memcpy(parent, path, length);
	parent[length] = '\0';
	return ftp_open(session, parent, O_PATH | O_DIRECTORY);
}

static void close_quietly(int fd)
{
	int saved_errno = errno;

	if (fd >= 0)
		close(fd);
	errno = saved_errno;
}

static int change(const struct ftp_session *session, const char *path, int (*function)(int parent, const char *name))
{
	const char *name;
	int parent = open_parent(session, path, &name);
	int result = parent < 0 ? -1 : function(parent, name);

	close_quietly(parent);
	return result;
}

static int unlink_in(int parent, const char *name)
{
	return unlinkat(parent, name, 0);
}

static int rmdir_in(int parent, const char *name)
{
	return unlinkat(parent, name, AT_REMOVEDIR);
}

static int mkdir_in(int parent, const char *name)
{
	return mkdirat(parent, name, 0777);
}

int ftp_remove_file(const struct ftp_session *session, const char *path)
{
	return change(session, path, unlink_in);
}

int ftp_remove_directory(const struct ftp_session *session, const char *path)
{
	return change(session, path, rmdir_in);
}

int ftp_make_directory(const struct ftp_session *session, const char *path)
{
	return change(session, path, mkdir_in);
}

int ftp_rename(const struct ftp_session *session, const char *from, const char *to)
{
	const char *old, *new;
	int source = open_parent(session, from, &old);
	int target = source < 0 ? -1 : open_parent(session, to, &new);
	int result = target < 0 ? -1 : renameat(source, old, target, new);

	close_quietly(source);
	close_quietly(target);
	return result;
}

/* ---- listings ---- */

struct listing {
	int fd;
	bool names_only;
	const char *name;
	FILE *out;
};

static void print_long(FILE *out, const struct stat *status, const char *name)
{
	char mode[] = "-rwxrwxrwx", date[32];
	struct tm tm;

	mode[0] = S_ISDIR(status->st_mode) ? 'd' : S_ISLNK(status->st_mode) ? 'l' : '-';
	for (int i = 0; i < 9; i++) {
		if (!(status->st_mode & (0400U >> i)))
			mode[1 + i] = '-';
	}
	gmtime_r(&status->st_mtime, &tm);
	strftime(date, sizeof(date), time(NULL) - status->st_mtime < HALF_YEAR ? "%b %e %H:%M" : "%b %e  %Y", &tm);
	fprintf(out, "%s %u ftp ftp %lld %s %s\r\n", mode, (unsigned)status->st_nlink, (long long)status->st_size, date, name);
}

static void print_entry(const struct listing *listing, const struct stat *status, const char *name)
{
	if (strpbrk(name, "\r\n"))
		return; /* it would read as two */
	if (listing->names_only)
		fprintf(listing->out, "%s\r\n", name);
	else
		print_long(listing->out, status, name);
}

static int is_shown(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int print_directory(const struct listing *listing)
{
	struct dirent **entries;
	struct stat status;
	int count = scandirat(listing->fd, ".", &entries, is_shown, alphasort);

	for (int i = 0; i < count; i++) {
		if (fstatat(listing->fd, entries[i]->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
			print_entry(listing, &status, entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count < 0 ? -1 : 0;
}

/* On a kernel thread: a big directory that is not cached takes its time.  Returns: ARG, or NULL with errno */
static void *print_listing(void *arg)
{
	struct listing *listing = arg;
	struct stat status;

	if (fstat(listing->fd, &status) < 0)
		return NULL;
	if (S_ISDIR(status.st_mode))
		return print_directory(listing) < 0 ? NULL : arg;
	print_entry(listing, &status, listing->name);
	return arg;
}

int ftp_list(int fd, bool names_only, const char *name, char **text, size_t *size)
{
	struct listing listing = { .fd = fd, .names_only = names_only, .name = name, .out = open_memstream(text, size) };
	bool printed = listing.out && green_offload(print_listing, &listing);

	if (!listing.out)
		return -1;
	if (fclose(listing.out) == 0 && printed)
		return 0;
	free(*text);
	return -1;
}
