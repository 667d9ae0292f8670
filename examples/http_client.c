/* SPDX-License-Identifier: MIT */
/* http_client.c - fetches URLs: several at a time, in a pipeline, or with a body from the standard input */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_get.h"

static const char usage[] =
	"usage: http_client [OPTION...] URL...\n"
	"Bodies go to the standard output in the order of the URLs, what became of each one to the standard error.\n"
	"  --parallel=COUNT     as many at a time (1)\n"
	"  --pipeline           URLs of the same server that follow each other are asked for on one connection at once\n"
	"  --post               send the standard input, in chunks, to the URL, of which there is one\n"
	"  --timeout=SECONDS    for each URL, or pipeline (30)\n"
	"  --ca=FILE            who is trusted with https\n";

struct job {
	const char *url;
	struct http_response *response;
	int error;
};

struct fetching {
	struct http_client *client;
	struct http_client_options options;
	struct job *jobs;
	size_t count, next;
	unsigned parallel;
	bool pipeline, post;
};

/* ---- options ---- */

static bool parse_number(const char *text, const char *name, unsigned *number)
{
	size_t length = strlen(name);
	char *end;

	if (strncmp(text, name, length) || text[length] < '0' || text[length] > '9')
		return false;
	*number = (unsigned)strtoul(text + length, &end, 10);
	return !*end && *number > 0 && *number <= 100000;
}

static bool parse_option(const char *text, struct fetching *fetching)
{
	unsigned seconds;

	if (!strcmp(text, "--pipeline"))
		fetching->pipeline = true;
	else if (!strcmp(text, "--post"))
		fetching->post = true;
	else if (!strncmp(text, "--ca=", 5))
		fetching->options.ca_file = text + 5;
	else if (parse_number(text, "--timeout=", &seconds))
		fetching->options.timeout_ms = (int)seconds * 1000;
	else
		return parse_number(text, "--parallel=", &fetching->parallel);
	return true;
}

static bool parse(int argc, char **argv, struct fetching *fetching)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!parse_option(argv[i], fetching))
			return false;
	}
	fetching->count = (size_t)(argc - i);
	fetching->jobs = calloc(fetching->count + 1, sizeof(*fetching->jobs));
	for (size_t job = 0; fetching->jobs && job < fetching->count; job++)
		fetching->jobs[job].url = argv[i + (int)job];
	return fetching->jobs && fetching->count && (!fetching->post || fetching->count == 1);
}

/* ---- fetching ---- */

static ssize_t read_input(void *unused, void *buffer, size_t size)
{
	(void)unused;
	return green_read(STDIN_FILENO, buffer, size);
}

/* How many of the jobs from FIRST on go to one server. */
static size_t run_length(const struct fetching *fetching, size_t first)
{
	const struct job *jobs = fetching->jobs;
	size_t end = first + 1;

	while (fetching->pipeline && end < fetching->count && http_same_origin(jobs[first].url, jobs[end].url))
		end++;
	return end - first;
}

static void fetch_pipeline(struct fetching *fetching, struct job *jobs, size_t count)
{
	struct http_response **responses = calloc(count, sizeof(*responses));
	const char **urls = calloc(count, sizeof(*urls));
	size_t got = 0;
	int error;

	for (size_t i = 0; urls && i < count; i++)
		urls[i] = jobs[i].url;
	if (responses && urls)
		got = http_get_pipelined(fetching->client, urls, count, responses);
	error = errno;
	for (size_t i = 0; i < count; i++) {
		jobs[i].response = i < got ? responses[i] : NULL;
		jobs[i].error = error;
	}
	free(responses);
	free(urls);
}

static void fetch_one(struct fetching *fetching, struct job *job)
{
	struct http_request request = { .url = job->url };

	if (fetching->post) {
		request.method = "POST";
		request.body = read_input;
	}
	job->response = http_fetch(fetching->client, &request);
	job->error = errno;
}

/* One of the tasks that share the jobs; no other one runs between looking for the next job and taking it. */
static void *fetch_main(void *arg)
{
	struct fetching *fetching = arg;

	while (fetching->next < fetching->count) {
		struct job *job = &fetching->jobs[fetching->next];
		size_t count = run_length(fetching, fetching->next);

		fetching->next += count;
		if (count > 1)
			fetch_pipeline(fetching, job, count);
		else
			fetch_one(fetching, job);
	}
	return NULL;
}

static int fetch_all(struct fetching *fetching)
{
	struct green_group *group = green_group_create(0);

	if (!group)
		return -1;
	for (unsigned i = 0; i < fetching->parallel && i < fetching->count; i++)
		green_group_spawn(group, fetch_main, fetching, -1);
	green_group_join(group, 0, -1);
	green_group_destroy(group);
	return 0;
}

/* ---- what came ---- */

static bool tell(const struct job *job)
{
	const struct http_response *response = job->response;

	if (!response) {
		fprintf(stderr, "%s: %s\n", job->url, strerror(job->error));
		return false;
	}
	fprintf(stderr, "%s: %u, %zu bytes\n", job->url, response->status, response->size);
	return fwrite(response->body, 1, response->size, stdout) == response->size && response->status < 400;
}

static int tell_all(const struct fetching *fetching)
{
	bool good = true;

	for (size_t i = 0; i < fetching->count; i++) {
		good &= tell(&fetching->jobs[i]);
		http_response_destroy(fetching->jobs[i].response);
	}
	return fflush(stdout) || !good;
}

int main(int argc, char **argv)
{
	struct fetching fetching = { .parallel = 1 };
	int status = 2;

	if (!parse(argc, argv, &fetching)) {
		fputs(usage, stderr);
	} else {
		fetching.client = http_client_create(&fetching.options);
		status = !fetching.client || fetch_all(&fetching) < 0 || tell_all(&fetching);
	}
	http_client_destroy(fetching.client);
	free(fetching.jobs);
	return status;
}
