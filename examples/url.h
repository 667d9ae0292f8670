/* SPDX-License-Identifier: MIT */
/* url.h - addresses of pages: http and https, whole or as a page refers to another */
#ifndef URL_H
#define URL_H

#include <stdbool.h>

enum { URL_MAX = 2048 };

/* Without fragment, host in small letters, path without . and .., so that the same page looks the same. */
struct url {
	bool tls;
	char host[256], port[6];
	char target[URL_MAX]; /* path and query */
};

/*
 * url_join - what REFERENCE means in the page BASE; BASE NULL: it must be a whole URL
 *
 * Returns: 0; -1 with errno EPROTONOSUPPORT (mailto: and the like), or EINVAL
 */
int url_join(struct url *url, const struct url *base, const char *reference);

/* url_text - URL as text, at most URL_MAX + 300 bytes, from malloc; NULL with ENOMEM */
char *url_text(const struct url *url);

/* url_origin - "host", or "host:port" if the port is not the usual one; an IPv6 address in brackets */
void url_origin(const struct url *url, char origin[270]);

bool url_same_origin(const struct url *a, const struct url *b);

#endif
