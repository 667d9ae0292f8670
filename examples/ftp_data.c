/* SPDX-License-Identifier: MIT */
/* ftp_data.c - data connections: each is accepted, fed and closed by a task of its own, which ABOR kills */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ftp.h"

enum { BLOCK = 256 * 1024 };

/* ---- passive mode ---- */

/* HOST, of FTP_HOST bytes: the address in figures; IPv4 as such, also where it came to an IPv6 socket. */
bool ftp_host_of(const struct sockaddr *address, socklen_t length, char *host)
{
	static const char mapped[] = "::ffff:";

	if (getnameinfo(address, length, host, FTP_HOST, NULL, 0, NI_NUMERICHOST))
		return false;
	if (!strncmp(host, mapped, strlen(mapped)))
		memmove(host, host + strlen(mapped), strlen(host + strlen(mapped)) + 1);
	return true;
}

static void close_listener(struct ftp_session *session)
{
	if (session->listener >= 0)
		green_close(session->listener);
	session->listener = -1;
}

int ftp_listen(struct ftp_session *session)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char port[16];

	close_listener(session);
	session->listener = green_listen(session->host, "0", 1, 0);
	if (session->listener < 0 || getsockname(session->listener, (struct sockaddr *)&address, &length) < 0 ||
	    getnameinfo((struct sockaddr *)&address, length, NULL, 0, port, sizeof(port), NI_NUMERICSERV))
		return -1;
	return atoi(port);
}

/* Only the client's own host may connect, or others could take its files. */
static int accept_client(struct ftp_session *session)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char host[FTP_HOST];
	int fd;

	while ((fd = green_accept4(session->listener, (struct sockaddr *)&address, &length, SOCK_CLOEXEC)) >= 0) {
		if (ftp_host_of((struct sockaddr *)&address, length, host) && !strcmp(host, session->peer))
			break;
		green_close(fd);
		length = sizeof(address);
	}
	return fd;
}

static int accept_data(struct ftp_session *session)
{
	struct green_timeout limit;
	int fd;

	if (green_timeout_start(&limit, session->server->data_ms) < 0)
		return -1;
	fd = accept_client(session);
	green_timeout_end(&limit);
	close_listener(session);
	return fd;
}

/* ---- files ---- */

/* A piece of a file that a kernel thread reads or writes while other clients are served. */
struct piece {
	int file;
	char *bytes;
	size_t size;
	off_t offset;
	ssize_t result;
};

static void *read_piece(void *arg)
{
	struct piece *piece = arg;

	piece->result = pread(piece->file, piece->bytes, piece->size, piece->offset);
	return arg;
}

static void *write_piece(void *arg)
{
	struct piece *piece = arg;
	size_t done = 0;

	do {
		piece->result = pwrite(piece->file, piece->bytes + done, piece->size - done, piece->offset + (off_t)done);
		done += piece->result > 0 ? (size_t)piece->result : 0;
	} while (piece->result > 0 && done < piece->size);
	return arg;
}

/* What is cached needs no kernel thread.  Returns: as pread(2) */
static ssize_t read_file(struct piece *piece)
{
	struct iovec vector = { .iov_base = piece->bytes, .iov_len = piece->size };
	ssize_t n = preadv2(piece->file, &vector, 1, piece->offset, RWF_NOWAIT);

	if (n >= 0)
		return n;
	return green_offload(read_piece, piece) ? piece->result : -1;
}

static int write_file(struct piece *piece, size_t size)
{
	piece->size = size;
	return green_offload(write_piece, piece) && piece->result >= 0 ? 0 : -1;
}

/* ---- both ends ---- */

/* A client that takes nothing for data_ms has stopped; one that is slow has not. */
static int send_bytes(struct ftp_session *session, int data, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = green_send(data, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno != EAGAIN || green_wait_fd(data, GREEN_WRITE, session->server->data_ms) < 0))
			return -1;
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* What there is, up to SIZE, so that few calls write it; waits only for the first byte.  Returns: how many; 0 at the end; -1 */
static ssize_t receive_bytes(struct ftp_session *session, int data, char *bytes, size_t size)
{
	size_t done = 0;
	ssize_t n;

	if (green_wait_fd(data, GREEN_READ, session->server->data_ms) < 0)
		return -1;
	do {
		n = green_recv(data, bytes + done, size - done, MSG_DONTWAIT);
		done += n > 0 ? (size_t)n : 0;
	} while (n > 0 && done < size);
	if (done || n == 0)
		return (ssize_t)done;
	return errno == EAGAIN ? receive_bytes(session, data, bytes, size) : -1;
}

int ftp_send_file(struct ftp_session *session, int data)
{
	struct ftp_transfer *transfer = &session->transfer;
	struct piece piece = { .file = transfer->file, .bytes = malloc(BLOCK), .size = BLOCK, .offset = transfer->offset };
	ssize_t n = piece.bytes ? 1 : -1;

	while (n > 0) {
		n = read_file(&piece);
		piece.offset += n;
		/* A fast client would never let the others have their turn. */
		if (n > 0 && (send_bytes(session, data, piece.bytes, (size_t)n) < 0 || green_yield() < 0))
			n = -1;
	}
	free(piece.bytes);
	return (int)n;
}

int ftp_receive_file(struct ftp_session *session, int data)
{
	struct ftp_transfer *transfer = &session->transfer;
	struct piece piece = { .file = transfer->file, .bytes = malloc(BLOCK), .offset = transfer->offset };
	ssize_t n = piece.bytes ? 1 : -1;

	while (n > 0) {
		n = receive_bytes(session, data, piece.bytes, BLOCK);
		if (n > 0 && write_file(&piece, (size_t)n) < 0)
			n = -1;
		piece.offset += n;
	}
	free(piece.bytes);
	return (int)n;
}

int ftp_send_listing(struct ftp_session *session, int data)
{
	struct ftp_transfer *transfer = &session->transfer;
	char *text;
	size_t size;
	int result = ftp_list(transfer->file, transfer->names_only, transfer->name, &text, &size);

	if (result == 0) {
		result = send_bytes(session, data, text, size);
		free(text);
	}
	return result;
}

/* ---- the task ---- */

static void reply_outcome(struct ftp_session *session, bool connected, int error)
{
	if (!error)
		ftp_reply(session, 226, "Transfer complete.");
	else if (error == ECANCELED)
		ftp_reply(session, 426, "Transfer aborted.");
	else if (error == ENOSPC || error == EDQUOT)
		ftp_reply(session, 452, "No room left.");
	else if (!connected)
		ftp_reply(session, 425, "No data connection.");
	else
		ftp_reply(session, 426, error == ETIMEDOUT ? "Transfer stood still." : "Transfer broken off.");
}

static void *transfer_main(void *arg)
{
	struct ftp_session *session = arg;
	struct ftp_transfer *transfer = &session->transfer;
	int data = accept_data(session);
	int error = data < 0 || transfer->copy(session, data) < 0 ? errno : 0;

	if (close(transfer->file) < 0 && !error)
		error = errno;
	if (data >= 0)
		green_close(data);
	reply_outcome(session, data >= 0, error);
	transfer->running = false;
	session->active_ms = ftp_now_ms();
	ftp_dismiss(session);
	return NULL;
}

/* FILE is the transfer's from now on. */
void ftp_transfer_start(struct ftp_session *session, int (*copy)(struct ftp_session *, int), int file)
{
	struct ftp_transfer *transfer = &session->transfer;

	transfer->copy = copy;
	transfer->file = file;
	transfer->running = true;
	ftp_reply(session, 150, "Here it comes.");
	transfer->task = green_spawn(transfer_main, session);
	if (transfer->task)
		return;
	transfer->running = false;
	close(file);
	close_listener(session);
	ftp_reply(session, 451, "No memory.");
}

int ftp_transfer_wait(struct ftp_session *session)
{
	struct ftp_transfer *transfer = &session->transfer;

	if (transfer->task && green_join(transfer->task, NULL, -1) < 0)
		return -1;
	green_destroy(transfer->task);
	transfer->task = NULL;
	return 0;
}

/* The session may itself be about to be killed, and must not go before its task. */
bool ftp_transfer_abort(struct ftp_session *session)
{
	bool was_running = session->transfer.running;

	green_hold_errors();
	if (session->transfer.task)
		green_kill(session->transfer.task, -1);
	ftp_transfer_wait(session);
	green_release_errors();
	if (session->transfer.running) {
		/* It was killed before it began. */
		session->transfer.running = false;
		close(session->transfer.file);
		ftp_reply(session, 426, "Transfer aborted.");
	}
	close_listener(session);
	return was_running;
}
