/* SPDX-License-Identifier: MIT */
/*
 * bulk_urls.c - checks many URLs, so many at a time, and tells about each as soon as it is known
 *
 * A mapping reads URLs, lets the members of a pool check them, and gives the results in the order in which they
 * are ready.  Every wait is limited from outside: a scope of time for each request, one for all, and Ctrl-C.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <green.h>

#include "input.h"
#include "options.h"
#include "web.h"

struct check {
	struct check *next;
	unsigned status, tries;
	size_t size;
	int error;         /* in place of a status; ECANCELED from the start, until there is a result */
	double seconds;    /* of all tries */
	char url[];
};

static struct http_client *client;
static unsigned at_once = 10, retries = 2, redirects = 5;
static int timeout_ms = 10000, total_ms, pause_ms = 500;
static struct check *unfinished; /* read, but not yet told about */
static unsigned good, bad, given_up;

/* --- one URL, in a task of its own --- */

static bool is_good(const struct check *check)
{
	return !check->error && check->status < 400;
}

/* What may be different the next time. */
static bool may_pass(const struct check *check)
{
	static const int passing[] = { ETIMEDOUT, ECONNREFUSED, ECONNRESET, EPIPE, EHOSTUNREACH, ENETUNREACH, EAGAIN, ENODATA };

	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (check->error == passing[i])
			return true;
	return !check->error && (check->status >= 500 || check->status == 429);
}

static void try_once(struct check *check, struct url url)
{
	struct http_response *response;
	struct green_timeout limit;

	check->tries++;
	green_timeout_start(&limit, timeout_ms);
	response = web_get(client, "bulk_urls", &url, redirects);
	check->error = response ? 0 : errno;
	if (green_timeout_end(&limit) && !response)
		check->error = ETIMEDOUT;
	check->status = response ? response->status : 0;
	check->size = response ? response->size : 0;
	http_response_destroy(response);
}

static int twice(int milliseconds)
{
	return milliseconds > INT_MAX / 2 ? INT_MAX : 2 * milliseconds;
}

/* Who has trouble gets more and more time. */
static void *check_url(void *argument)
{
	struct check *check = argument;
	int64_t begun = green_now();
	int wait_ms = pause_ms;
	struct url url;

	if (url_join(&url, NULL, check->url) == 0) {
		try_once(check, url);
		for (; check->tries <= retries && may_pass(check) && green_sleep(wait_ms) == 0; wait_ms = twice(wait_ms))
			try_once(check, url);
	} else {
		check->error = errno;
	}
	check->seconds = (double)(green_now() - begun) / 1e9;
	return check;
}

/* --- input --- */

static struct check *add(const char *url)
{
	struct check *check = calloc(1, sizeof(*check) + strlen(url) + 1);

	if (check) {
		strcpy(check->url, url);
		check->error = ECANCELED;
		check->next = unfinished;
		unfinished = check;
	}
	return check;
}

/* The source of the mapping. */
static int next_url(void *input, void **item)
{
	char line[URL_MAX];
	ssize_t size = input_line(input, line, sizeof(line));

	if (size <= 0)
		return (int)size;
	*item = add(line);
	return *item ? 1 : -1;
}

/* --- output --- */

static void tell(const struct check *check)
{
	char status[16] = "-";

	if (!check->error)
		snprintf(status, sizeof(status), "%u", check->status);
	printf("%3s %8.3f s %10zu  %s", status, check->seconds, check->size, check->url);
	if (check->error)
		printf(": %s", web_error(check->error));
	if (check->tries > 1)
		printf(" (%u tries)", check->tries);
	printf("\n");
	if (check->error == ECANCELED)
		given_up++;
	else
		*(is_good(check) ? &good : &bad) += 1;
}

static void finish(struct check *check)
{
	struct check **place = &unfinished;

	while (*place != check)
		place = &(*place)->next;
	*place = check->next;
	tell(check);
	free(check);
}

/* --- all of them --- */

static const char *why_ended(int error)
{
	return error == ETIMEDOUT ? "the time for all is over" : error == ECANCELED ? "interrupted" : strerror(error);
}

static void interrupt(int number, void *main_greenlet)
{
	(void)number;
	green_cancel(main_greenlet);
}

/* Until the last one, the time for all, or a signal.  Returns: 0, or the errno that ended it */
static int tell_all(struct green_mapping *mapping)
{
	struct green_timeout limit;
	void *check;
	int got, error;

	green_timeout_start(&limit, total_ms ? total_ms : -1);
	while ((got = green_mapping_next(mapping, &check, -1)) > 0)
		finish(check);
	error = got < 0 ? errno : 0;
	green_timeout_end(&limit);
	green_error_clear();
	return error;
}

static int check_all(struct green_stream *input)
{
	struct green_group *pool = green_group_create(at_once);
	struct green_mapping *mapping = pool ? green_mapping_create(pool, check_url, next_url, input, GREEN_UNORDERED, at_once) : NULL;
	int error;

	if (!mapping)
		return errno;
	error = tell_all(mapping);
	green_mapping_destroy(mapping); /* nobody works any more after this */
	green_group_destroy(pool);
	while (unfinished)
		finish(unfinished);
	return error;
}

static const struct program program = {
	.name = "bulk_urls",
	.arguments = "[FILE]",
	.what = "Checks the URLs in FILE, or those that are typed, one in each line, and prints status, time, size and URL of each\n"
		"as soon as it is known.  Ends with 0 if all are good: none has a status of 400 or more, or no answer.",
	.max_arguments = 1,
	.options = (const struct option[]){
		{ "at-once", "how many URLs are checked at the same time", .number = &at_once, .least = 1, .most = 10000 },
		{ "timeout", "seconds for each try, redirects included", .seconds_ms = &timeout_ms },
		{ "total", "seconds for everything; 0: no limit", .seconds_ms = &total_ms },
		{ "retries", "after no answer, 429 or 500 and above", .number = &retries, .most = 20 },
		{ "pause", "seconds before the first of them, twice as many before each next one", .seconds_ms = &pause_ms },
		{ "redirects", "how many are followed", .number = &redirects, .most = 100 },
		{ 0 } },
};

int main(int argc, char **argv)
{
	int64_t begun = green_now();
	struct green_stream *input;
	int count, error;

	options_parse(&program, argc, argv, &count);
	input = input_open(count ? argv[0] : NULL);
	setlinebuf(stdout);
	client = http_client_create(&(struct http_client_options){ .timeout_ms = -1 });
	if (!client) {
		perror("bulk_urls");
		return 1;
	}
	green_signal_task(SIGINT, interrupt, green_current());
	green_signal_task(SIGTERM, interrupt, green_current());
	error = check_all(input);
	green_stream_destroy(input);
	http_client_destroy(client);
	if (error)
		fprintf(stderr, "bulk_urls: %s\n", why_ended(error));
	printf("%u good, %u bad, %u given up; %.3f s\n", good, bad, given_up, (double)(green_now() - begun) / 1e9);
	return error || bad || given_up;
}
