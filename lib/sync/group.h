/* SPDX-License-Identifier: MIT */
/* group.h - what a mapping needs of a group */
#ifndef GREEN_SYNC_GROUP_H
#define GREEN_SYNC_GROUP_H

#include "green/group.h"
#include "sync/future.h"

#pragma GCC visibility push(default)

/*
 * green__group_submit - run FUNCTION(ARG) in a member of GROUP, when there is room
 *
 * Switches: yes, if it must wait.
 * Returns: the future of its end; NULL with errno as green_group_spawn
 */
struct green_future *green__group_submit(struct green_group *group, void *(*function)(void *), void *arg);

#pragma GCC visibility pop

#endif
