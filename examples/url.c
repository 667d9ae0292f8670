/* SPDX-License-Identifier: MIT */
/* url.c - addresses of pages: http and https, whole or as a page refers to another */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <http_parser.h>

#include "url.h"

enum { TEXT_MAX = URL_MAX + 300 };

void url_origin(const struct url *url, char origin[270])
{
	bool usual = strcmp(url->port, url->tls ? "443" : "80") == 0, ipv6 = strchr(url->host, ':');

	snprintf(origin, 270, "%s%s%s%s%s", ipv6 ? "[" : "", url->host, ipv6 ? "]" : "", usual ? "" : ":", usual ? "" : url->port);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->tls == b->tls && strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

char *url_text(const struct url *url)
{
	char origin[270], *text;

	url_origin(url, origin);
	return asprintf(&text, "http%s://%s%s", url->tls ? "s" : "", origin, url->target) < 0 ? NULL : text;
}

/* --- whole from parts --- */

static size_t scheme_length(const char *reference)
{
	size_t length = 0;

	while (isalnum((unsigned char)reference[length]) || (length && strchr("+-.", reference[length]) && reference[length]))
		length++;
	return isalpha((unsigned char)reference[0]) && reference[length] == ':' ? length : 0;
}

/* How much of BASE's target stands before REFERENCE, which names neither scheme nor host. */
static size_t kept_of(const struct url *base, const char *reference)
{
	size_t path = strcspn(base->target, "?");

	if (reference[0] == '/')
		return 0;
	if (reference[0] == '?')
		return path;
	if (!reference[0])
		return strlen(base->target);
	while (path > 0 && base->target[path - 1] != '/')
		path--;
	return path;
}

static bool make_whole(char whole[TEXT_MAX], const struct url *base, const char *reference)
{
	char origin[270];
	int size;

	if (scheme_length(reference) || !base) {
		size = snprintf(whole, TEXT_MAX, "%s", reference);
	} else if (strncmp(reference, "//", 2) == 0) {
		size = snprintf(whole, TEXT_MAX, "http%s:%s", base->tls ? "s" : "", reference);
	} else {
		url_origin(base, origin);
		size = snprintf(whole, TEXT_MAX, "http%s://%s%.*s%s", base->tls ? "s" : "", origin,
				(int)kept_of(base, reference), base->target, reference);
	}
	return size < TEXT_MAX;
}

/* REFERENCE without blanks around it and without fragment; what may not stand in a URL is written as %XX. */
static bool clean(char text[TEXT_MAX], const char *reference)
{
	size_t length, size = 0;

	reference += strspn(reference, " \t\r\n\f");
	length = strcspn(reference, "#");
	while (length && strchr(" \t\r\n\f", reference[length - 1]))
		length--;
	for (size_t i = 0; i < length && size + 4 < TEXT_MAX; i++) {
		bool good = isgraph((unsigned char)reference[i]) && !strchr("\"<>\\^`{|}", reference[i]);

		size += (size_t)sprintf(text + size, good ? "%c" : "%%%02X", (unsigned char)reference[i]);
	}
	text[size] = '\0';
	return size + 4 < TEXT_MAX;
}

/* --- parts from whole --- */

/* Take "." and ".." out of the path, as the peer would have to. */
static void remove_dots(char *target)
{
	char *query = target + strcspn(target, "?"), *from = target, *to = target;

	while (from < query) {
		size_t length = 1 + strcspn(from + 1, "/?");
		bool one = strncmp(from, "/.", length) == 0 && length == 2, two = strncmp(from, "/..", length) == 0 && length == 3;

		while (two && to > target && *--to != '/')
			;
		if (!one && !two) {
			memmove(to, from, length);
			to += length;
		} else if (from + length == query) {
			*to++ = '/';
		}
		from += length;
	}
	memmove(to, query, strlen(query) + 1);
}

static bool copy_part(const struct http_parser_url *parts, enum http_parser_url_fields field, const char *text, char *to, size_t size)
{
	size_t length = parts->field_set & 1 << field ? parts->field_data[field].len : 0;

	if (length >= size)
		return false;
	memcpy(to, text + parts->field_data[field].off, length);
	to[length] = '\0';
	return true;
}

static bool split(struct url *url, const char *text)
{
	struct http_parser_url parts;
	char path[URL_MAX], query[URL_MAX];

	http_parser_url_init(&parts);
	if (http_parser_parse_url(text, strlen(text), 0, &parts) || parts.field_set & 1 << UF_USERINFO ||
	    !copy_part(&parts, UF_HOST, text, url->host, sizeof(url->host)) || !url->host[0] ||
	    !copy_part(&parts, UF_PATH, text, path, sizeof(path)) || !copy_part(&parts, UF_QUERY, text, query, sizeof(query)))
		return false;
	snprintf(url->port, sizeof(url->port), "%u", parts.port ? parts.port : url->tls ? 443 : 80);
	for (char *letter = url->host; *letter; letter++)
		*letter = (char)tolower((unsigned char)*letter);
	return (size_t)snprintf(url->target, sizeof(url->target), "%s%s%s", path[0] ? path : "/", query[0] ? "?" : "", query) <
	       sizeof(url->target);
}

static bool is_web(const char *whole, size_t scheme)
{
	return (scheme == 4 && strncasecmp(whole, "http", 4) == 0) || (scheme == 5 && strncasecmp(whole, "https", 5) == 0);
}

int url_join(struct url *url, const struct url *base, const char *reference)
{
	char cleaned[TEXT_MAX], whole[TEXT_MAX];
	size_t scheme;

	errno = EINVAL;
	if (!clean(cleaned, reference) || !make_whole(whole, base, cleaned))
		return -1;
	scheme = scheme_length(whole);
	if (scheme && !is_web(whole, scheme))
		errno = EPROTONOSUPPORT;
	url->tls = scheme == 5;
	if (!is_web(whole, scheme) || !split(url, whole))
		return -1;
	remove_dots(url->target);
	return 0;
}
