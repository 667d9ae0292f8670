/* SPDX-License-Identifier: MIT */
/* web.c - what programs that look at many pages share: redirects followed, errors in words */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "web.h"

static struct http_response *get_one(struct http_client *client, const char *agent, const struct url *url)
{
	struct http_header headers[] = { { "User-Agent", (char *)agent }, { "Accept", "*/*" }, { 0 } };
	char *text = url_text(url);
	struct http_response *response = NULL;

	if (text)
		response = http_fetch(client, &(struct http_request){ .url = text, .headers = headers });
	free(text);
	return response;
}

/* Where RESPONSE sends who has asked for it; NULL if it is a page itself */
static const char *redirection(const struct http_response *response)
{
	switch (response->status) {
	case 301: case 302: case 303: case 307: case 308:
		return http_header(response->message, "Location");
	default:
		return NULL;
	}
}

struct http_response *web_get(struct http_client *client, const char *agent, struct url *url, unsigned redirects)
{
	for (unsigned followed = 0;; followed++) {
		struct http_response *response = get_one(client, agent, url);
		const char *location = response ? redirection(response) : NULL;
		struct url from = *url;
		int result;

		if (!location)
			return response;
		errno = ELOOP;
		result = followed < redirects ? url_join(url, &from, location) : -1;
		http_response_destroy(response);
		if (result < 0)
			return NULL;
	}
}

const char *web_error(int error)
{
	switch (error) {
	case ENOENT: return "no such host";
	case EAGAIN: return "the name cannot be looked up now";
	case ETIMEDOUT: return "timed out";
	case ECANCELED: return "given up";
	case ELOOP: return "too many redirects";
	case EBADMSG: return "the answer is not HTTP";
	case ENODATA: return "the answer is cut short";
	case EMSGSIZE: return "the page is too big";
	case EPROTO: return "TLS failed: no trusted certificate for this host, or no common protocol";
	case ENOTSUP: return "https is not built in";
	case EPROTONOSUPPORT: return "neither http nor https";
	case EINVAL: return "no URL";
	default: return strerror(error);
	}
}
