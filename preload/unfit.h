/* SPDX-License-Identifier: MIT */
/* unfit.h - programs that do not bear the shim, found as they start where green run has not seen them before */
#ifndef GREEN_PRELOAD_UNFIT_H
#define GREEN_PRELOAD_UNFIT_H

/*
 * unfit_begin_again - unless this program bears the shim, or GREEN_CARRY is 1, execute it anew without
 *
 * The first thing of all: it calls nothing that a sanitizer replaces, for that would begin
 * its work too early.  A program that cannot be executed anew keeps real threads.
 */
void unfit_begin_again(char **argv, char **envp);

#endif
