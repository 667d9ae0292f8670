/* SPDX-License-Identifier: MIT */
/*
 * crawler.c - walks through a web site and tells which of its links are broken
 *
 * Workers get pages from a queue and tell when each is done with.  All pages that are equally many links away from
 * the first are put into it, and then the queue is joined: so a page's depth is that of the shortest way to it,
 * whichever page comes first, and the limit of depth leaves out the same pages each time.
 */
#include <errno.h>
#include <search.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <green.h>

#include "links.h"
#include "options.h"
#include "web.h"

/* One of the pages that link to a page. */
struct referrer {
	struct referrer *next;
	const struct page *page;
};

struct page {
	struct page *next;           /* found after it */
	const struct page *parent;   /* through which it was found; NULL of the first one */
	struct referrer *referrers;  /* the newest first */
	unsigned depth;              /* links between the first page and it */
	bool visited;
	unsigned status;
	int error;                   /* in place of a status */
	char *url;
};

static struct page *pages, **last = &pages;
static unsigned page_count, broken_count, visited_count;
static void *known; /* the same pages, for tsearch */
static struct url site;
static struct green_queue *queue; /* of pages to visit */
static struct http_client *client;
static unsigned at_once = 8, max_depth = 10, max_pages = 10000, redirects = 5;
static int timeout_ms = 10000, delay_ms;
static bool tree, incomplete;

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(2);
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		fail("crawler");
	return memory;
}

/* --- what is known --- */

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct page *)a)->url, ((const struct page *)b)->url);
}

static struct page *add(char *url, const struct page *parent)
{
	struct page *page = allocate(sizeof(*page));

	page->url = url;
	page->parent = parent;
	page->depth = parent ? parent->depth + 1 : 0;
	if (!tsearch(page, &known, compare))
		fail("crawler");
	*last = page;
	last = &page->next;
	page_count++;
	return page;
}

/* A page may refer to another one many times; all of its links are learned before those of any other page. */
static void add_referrer(struct page *page, const struct page *from)
{
	struct referrer *referrer;

	if (page->referrers && page->referrers->page == from)
		return;
	referrer = allocate(sizeof(*referrer));
	*referrer = (struct referrer){ page->referrers, from };
	page->referrers = referrer;
}

static char *text_of(const struct url *url)
{
	char *text = url_text(url);

	if (!text)
		fail("crawler");
	return text;
}

/* FROM links to URL. */
static void learn(const struct url *url, const struct page *from)
{
	struct page wanted = { .url = text_of(url) }, **found;

	found = tfind(&wanted, &known, compare);
	if (!found && page_count == max_pages) {
		incomplete = true;
		free(wanted.url);
		return;
	}
	if (found)
		free(wanted.url);
	add_referrer(found ? *found : add(wanted.url, from), from);
}

static void learn_links(const struct page *page, const struct url *url, const char *text)
{
	struct links links = { .at = text };
	struct url base = *url, target;
	char reference[URL_MAX];

	while (links_next(&links, reference, sizeof(reference))) {
		if (url_join(&target, &base, reference) < 0)
			continue;
		if (strcmp(links.tag, "base") == 0)
			base = target;
		else if (url_same_origin(&target, &site))
			learn(&target, page);
	}
}

/* --- the workers --- */

/* Requests begin at least so much after each other, however many workers there are. */
static int be_polite(void)
{
	static int64_t next;
	int64_t now = green_now(), mine = next > now ? next : now;

	next = mine + delay_ms * INT64_C(1000000);
	return mine == now ? 0 : green_sleep((int)((mine - now) / 1000000) + 1);
}

static struct http_response *get(struct page *page, struct url *url)
{
	struct http_response *response;
	struct green_timeout limit;

	if (url_join(url, NULL, page->url) < 0 || be_polite() < 0) {
		page->error = errno;
		return NULL;
	}
	green_timeout_start(&limit, timeout_ms);
	response = web_get(client, "crawler", url, redirects);
	page->error = response ? 0 : errno;
	if (green_timeout_end(&limit) && !response)
		page->error = ETIMEDOUT;
	return response;
}

static bool is_html(const struct http_response *response)
{
	const char *type = http_header(response->message, "Content-Type");

	return type && (strncasecmp(type, "text/html", 9) == 0 || strncasecmp(type, "application/xhtml+xml", 21) == 0);
}

/* A page that sends us to another one links to that, if it belongs to the site. */
static void follow(const struct page *page, const struct url *came_from, const struct http_response *response)
{
	char *url = text_of(came_from);

	if (page->depth == max_depth)
		incomplete = true;
	else if (strcmp(url, page->url) == 0 && is_html(response))
		learn_links(page, came_from, response->body);
	else if (strcmp(url, page->url) != 0 && url_same_origin(came_from, &site))
		learn(came_from, page);
	free(url);
}

static void visit(struct page *page)
{
	struct url url;
	struct http_response *response = get(page, &url);

	page->visited = page->error != ECANCELED;
	page->status = response ? response->status : 0;
	if (response && response->status < 400)
		follow(page, &url, response);
	http_response_destroy(response);
}

static void *work(void *unused)
{
	void *page;

	while (green_queue_get(queue, &page, -1) == 0) {
		visit(page);
		green_queue_task_done(queue);
	}
	return unused;
}

/* --- the walk --- */

static void interrupt(int number, void *main_greenlet)
{
	(void)number;
	green_cancel(main_greenlet);
}

/* Level by level, until nothing new is found.  Returns: 0; -1 if it was interrupted */
static int walk(void)
{
	struct page **level = &pages;

	while (*level) {
		for (; *level; level = &(*level)->next)
			if (green_queue_put(queue, *level, -1) < 0)
				return -1;
		if (green_queue_join(queue, -1) < 0)
			return -1;
	}
	return 0;
}

static void crawl(void)
{
	struct green_group *workers = green_group_create(0);

	queue = green_queue_create(GREEN_FIFO, 0);
	client = http_client_create(&(struct http_client_options){ .timeout_ms = -1 });
	if (!workers || !queue || !client)
		fail("crawler");
	for (unsigned i = 0; i < at_once; i++)
		if (green_group_spawn(workers, work, NULL, -1) < 0)
			fail("crawler");
	if (walk() < 0) {
		fprintf(stderr, "crawler: interrupted\n");
		incomplete = true;
		green_error_clear();
	}
	green_group_kill(workers, -1);
	green_group_destroy(workers);
	green_queue_destroy(queue);
	http_client_destroy(client);
}

/* --- what was found --- */

static bool is_broken(const struct page *page)
{
	return page->visited && (page->error || page->status >= 400);
}

static void print_status(const struct page *page)
{
	if (page->error)
		printf("%s", web_error(page->error));
	else if (page->visited)
		printf("%u", page->status);
	else
		printf("not visited");
}

static void print_broken(const struct page *page)
{
	printf("%s: ", page->url);
	print_status(page);
	printf("\n");
	for (const struct referrer *referrer = page->referrers; referrer; referrer = referrer->next)
		printf("    linked from %s\n", referrer->page->url);
}

/* Each page below the one through which it was found. */
static void print_tree(const struct page *page)
{
	printf("%*s%s: ", (int)(2 * page->depth), "", page->url);
	print_status(page);
	printf("\n");
	for (const struct page *child = page->next; child; child = child->next)
		if (child->parent == page)
			print_tree(child);
}

static void report(void)
{
	if (tree)
		print_tree(pages);
	for (const struct page *page = pages; page; page = page->next) {
		visited_count += page->visited;
		broken_count += is_broken(page);
		if (is_broken(page))
			print_broken(page);
	}
	printf("%u pages visited, %u broken%s\n", visited_count, broken_count, incomplete ? "; there may be more behind the limits" : "");
}

static void forget(void *page)
{
	struct page *one = page;

	while (one->referrers) {
		struct referrer *referrer = one->referrers;

		one->referrers = referrer->next;
		free(referrer);
	}
	free(one->url);
	free(one);
}

/* --- main --- */

static const struct program program = {
	.name = "crawler",
	.arguments = "URL",
	.what = "Visits URL and all pages of its site, those of the same scheme, host and port, that can be reached from there, and\n"
		"prints which of their links are broken.  Ends with 0 if none is, with 1 if some are.",
	.min_arguments = 1,
	.max_arguments = 1,
	.options = (const struct option[]){
		{ "at-once", "how many pages are asked for at the same time", .number = &at_once, .least = 1, .most = 1000 },
		{ "depth", "how many links away from URL pages may be", .number = &max_depth, .most = 1000 },
		{ "pages", "how many are visited", .number = &max_pages, .least = 1, .most = 10000000 },
		{ "delay", "seconds between the beginnings of requests", .seconds_ms = &delay_ms },
		{ "timeout", "seconds for each page, redirects included", .seconds_ms = &timeout_ms },
		{ "redirects", "how many are followed", .number = &redirects, .most = 100 },
		{ "tree", "print all pages first, each below the one through which it was found", .flag = &tree },
		{ 0 } },
};

int main(int argc, char **argv)
{
	int count;

	options_parse(&program, argc, argv, &count);
	if (url_join(&site, NULL, argv[0]) < 0)
		options_refuse(&program, argv[0], web_error(errno));
	add(text_of(&site), NULL);
	green_signal_task(SIGINT, interrupt, green_current());
	green_signal_task(SIGTERM, interrupt, green_current());
	crawl();
	report();
	tdestroy(known, forget);
	return broken_count > 0;
}
