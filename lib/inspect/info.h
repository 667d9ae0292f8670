/* SPDX-License-Identifier: MIT */
/* info.h - what is known of one greenlet */
#ifndef GREEN_INSPECT_INFO_H
#define GREEN_INSPECT_INFO_H

#include "green/debug.h"
#include "hub/hub.h"

/* green__info - fill INFO for GREENLET of the calling thread */
void green__info(const struct greenlet *greenlet, struct green_info *info);

/* green__hub_numbers - the same for the hub of the calling thread */
void green__hub_numbers(const struct hub *hub, struct green_hub_info *info);

#endif
