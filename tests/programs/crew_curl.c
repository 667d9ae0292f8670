/* SPDX-License-Identifier: MIT */
/* crew_curl.c - libcurl's easy handles over TLS; the place is the file with the server's certificate */
#include "crew.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

struct answer {
	char text[100];
	size_t length;
};

bool crew_prepare(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == 0;
}

static size_t keep(char *data, size_t size, size_t count, void *context)
{
	struct answer *answer = context;
	size_t length = size * count;

	if (length > sizeof(answer->text) - 1 - answer->length)
		return 0;
	memcpy(answer->text + answer->length, data, length);
	answer->length += length;
	return length;
}

static bool fetch(CURL *handle, const char *path, struct answer *answer)
{
	char url[200];
	CURLcode code;

	memset(answer, 0, sizeof(*answer));
	snprintf(url, sizeof(url), "https://localhost:%d%s", crew_port, path);
	curl_easy_setopt(handle, CURLOPT_URL, url);
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, answer);
	code = curl_easy_perform(handle);
	if (code != CURLE_OK)
		fprintf(stderr, "%s: %s\n", path, curl_easy_strerror(code));
	return code == CURLE_OK;
}

/* The handle connects with its first request, which is made here, and keeps the connection. */
void *crew_open(int number)
{
	CURL *handle = curl_easy_init();
	struct answer answer;

	if (handle == NULL)
		return NULL;
	curl_easy_setopt(handle, CURLOPT_CAINFO, crew_place);
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(handle, CURLOPT_TIMEOUT, 30L);
	if (fetch(handle, "/0/hello", &answer) && strcmp(answer.text, "/0/hello") == 0)
		return handle;
	fprintf(stderr, "thread %d: no connection\n", number);
	curl_easy_cleanup(handle);
	return NULL;
}

bool crew_ask(void *connection, int number, int turn, int ms)
{
	struct answer answer;
	char path[64];

	snprintf(path, sizeof(path), "/%d/%d-%d", ms, number, turn);
	return fetch(connection, path, &answer) && strcmp(answer.text, path) == 0;
}

void crew_close(void *connection)
{
	curl_easy_cleanup(connection);
}
