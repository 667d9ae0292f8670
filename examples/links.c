/* SPDX-License-Identifier: MIT */
/* links.c - what an HTML page refers to, without a tree of it */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"

#define BLANKS " \t\r\n\f"

/* --- tags --- */

static const char *after(const char *text, const char *end)
{
	const char *found = strstr(text, end);

	return found ? found + strlen(end) : text + strlen(text);
}

/* To the next tag that begins something; false: there is none. */
static bool open_tag(struct links *links)
{
	size_t length = 0;

	while (*links->at && !length) {
		links->at = after(links->at, "<");
		if (strncmp(links->at, "!--", 3) == 0)
			links->at = after(links->at + 3, "-->");
		while (isalnum((unsigned char)links->at[length]))
			length++;
	}
	/* Of longer names, which have nothing of interest, the beginning will do. */
	snprintf(links->tag, sizeof(links->tag), "%.*s", (int)length, links->at);
	for (char *letter = links->tag; *letter; letter++)
		*letter = (char)tolower((unsigned char)*letter);
	links->at += length;
	return length > 0;
}

/* What stands in a script is no HTML, however it looks. */
static void close_tag(struct links *links)
{
	bool is_text = strcmp(links->tag, "script") == 0 || strcmp(links->tag, "style") == 0 || strcmp(links->tag, "textarea") == 0;
	char end[24];

	links->at += *links->at == '>';
	snprintf(end, sizeof(end), "</%s", links->tag);
	if (is_text) {
		const char *found = strcasestr(links->at, end);

		links->at = found ? found : links->at + strlen(links->at);
	}
	links->tag[0] = '\0';
}

/* --- attributes --- */

struct piece {
	const char *text;
	size_t length;
};

static struct piece take(struct links *links, size_t length)
{
	struct piece piece = { links->at, length };

	links->at += length;
	return piece;
}

static struct piece take_value(struct links *links)
{
	struct piece value;
	char quote = *links->at;

	if (quote != '"' && quote != '\'')
		return take(links, strcspn(links->at, BLANKS ">"));
	links->at++;
	value = take(links, strcspn(links->at, quote == '"' ? "\"" : "'"));
	links->at += *links->at != '\0';
	return value;
}

/* NAME, NAME=VALUE, NAME='VALUE' or NAME="VALUE"; false at the end of the tag */
static bool next_attribute(struct links *links, struct piece *name, struct piece *value)
{
	links->at += strspn(links->at, BLANKS "/");
	if (!*links->at || *links->at == '>')
		return false;
	*name = take(links, 1 + strcspn(links->at + 1, BLANKS "=/>"));
	*value = (struct piece){ NULL, 0 };
	links->at += strspn(links->at, BLANKS);
	if (*links->at == '=') {
		links->at += 1 + strspn(links->at + 1, BLANKS);
		*value = take_value(links);
	}
	return true;
}

static bool is_named(struct piece name, const char *wanted)
{
	return name.length == strlen(wanted) && strncasecmp(name.text, wanted, name.length) == 0;
}

/* --- entities --- */

/* The one that TEXT begins with, if it is of those that stand in URLs; *LENGTH is how long it is. */
static char entity(const char *text, size_t *length)
{
	static const struct {
		const char *name;
		char letter;
	} entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' } };
	char *end;
	long code;

	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		*length = strlen(entities[i].name);
		if (strncmp(text, entities[i].name, *length) == 0)
			return entities[i].letter;
	}
	*length = 1;
	if (strncmp(text, "&#", 2) != 0)
		return *text;
	code = tolower((unsigned char)text[2]) == 'x' ? strtol(text + 3, &end, 16) : strtol(text + 2, &end, 10);
	if (*end != ';' || code <= 0 || code > 127)
		return *text;
	*length = (size_t)(end + 1 - text);
	return (char)code;
}

static bool decode(struct piece value, char *reference, size_t size)
{
	size_t used = 0, length;

	for (size_t i = 0; i < value.length && used + 1 < size; i += length)
		reference[used++] = entity(value.text + i, &length);
	reference[used] = '\0';
	return value.length < size;
}

bool links_next(struct links *links, char *reference, size_t size)
{
	struct piece name, value;

	while (links->tag[0] || open_tag(links)) {
		if (!next_attribute(links, &name, &value))
			close_tag(links);
		else if (value.text && (is_named(name, "href") || is_named(name, "src")) && decode(value, reference, size))
			return true;
	}
	return false;
}
