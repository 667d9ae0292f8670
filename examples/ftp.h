/* SPDX-License-Identifier: MIT */
/* ftp.h - what the files of ftp_server share: a server, its users, and a session for each client */
#ifndef FTP_H
#define FTP_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <green.h>

enum {
	FTP_PATH = 1024,
	FTP_HOST = 80,
};

struct ftp_user {
	char *name, *password, *directory;
	bool read_only;
};

struct ftp_server {
	struct ftp_user *users;
	size_t user_count;
	int idle_ms, data_ms;         /* how long a client may say nothing; how long a transfer may stand still */
	struct ftp_session *sessions; /* those that are served, linked by NEXT */
	struct green_server *green;
	bool stopping;
};

/* What one data connection is for; also the task that does it, so that the session's own task can listen for ABOR. */
struct ftp_transfer {
	struct greenlet *task;     /* NULL: none has begun, or it has been joined */
	bool running;
	int (*copy)(struct ftp_session *session, int data); /* 0; -1 with errno */
	int file;
	off_t offset;
	bool names_only;           /* of a listing */
	char name[FTP_PATH];       /* of what it lists, as the client gave it; shown if that is a file */
};

struct ftp_session {
	struct ftp_server *server;
	struct ftp_session *next;
	struct green_stream *control;
	struct greenlet *task;     /* who runs it */
	bool waiting;              /* for a command */
	bool over;                 /* after QUIT */
	char peer[FTP_HOST];       /* the client's address, and ours that it knows */
	char host[FTP_HOST];
	char name[64];             /* from USER; with USER != NULL logged in */
	const struct ftp_user *user;
	unsigned wrong_passwords;
	int root;                  /* the user's directory, or -1 */
	char directory[FTP_PATH];  /* the current one, as the client sees it: "/" is ROOT */
	char rename_from[FTP_PATH];
	off_t restart;             /* from REST, for the next transfer */
	int64_t active_ms;         /* when it last did something */
	int listener;              /* from PASV or EPSV, or -1 */
	struct ftp_transfer transfer;
};

/* ftp_session.c */
void ftp_serve(struct green_stream *control, void *server);
void ftp_reply(struct ftp_session *session, int code, const char *text);
void ftp_reply_errno(struct ftp_session *session);
int64_t ftp_now_ms(void);
void ftp_dismiss(struct ftp_session *session); /* if the server stops, and SESSION has nothing to do */

/* ftp_files.c: nothing in it leaves the user's directory */
bool ftp_path(const struct ftp_session *session, const char *argument, char *path);
int ftp_open_beneath(int root, const char *path, int flags);
int ftp_open(const struct ftp_session *session, const char *path, int flags);
int ftp_remove_file(const struct ftp_session *session, const char *path);
int ftp_remove_directory(const struct ftp_session *session, const char *path);
int ftp_make_directory(const struct ftp_session *session, const char *path);
int ftp_rename(const struct ftp_session *session, const char *from, const char *to);
int ftp_list(int fd, bool names_only, const char *name, char **text, size_t *size); /* TEXT is from malloc */

/* ftp_data.c */
bool ftp_host_of(const struct sockaddr *address, socklen_t length, char *host);
int ftp_listen(struct ftp_session *session); /* the port, or -1 */
int ftp_send_file(struct ftp_session *session, int data);
int ftp_receive_file(struct ftp_session *session, int data);
int ftp_send_listing(struct ftp_session *session, int data);
void ftp_transfer_start(struct ftp_session *session, int (*copy)(struct ftp_session *, int), int file);
int ftp_transfer_wait(struct ftp_session *session);
bool ftp_transfer_abort(struct ftp_session *session); /* whether there was one */

#endif
