/* SPDX-License-Identifier: MIT */
/* web.h - what programs that look at many pages share: redirects followed, errors in words */
#ifndef WEB_H
#define WEB_H

#include "http_get.h"
#include "url.h"

/*
 * web_get - the page at URL, asking as AGENT, after at most REDIRECTS of them; URL becomes where that was
 *
 * Switches: yes.  A scope of green_timeout_start limits all of it.
 * Returns: the response, whatever its status; NULL with the errno of http_get, of url_join for a redirect, or ELOOP: too many of them
 */
struct http_response *web_get(struct http_client *client, const char *agent, struct url *url, unsigned redirects);

/* web_error - an errno of web_get in words */
const char *web_error(int error);

#endif
