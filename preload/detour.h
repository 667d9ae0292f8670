/* SPDX-License-Identifier: MIT */
/*
 * detour.h - libc's own calls come to the shim as well
 *
 * libc reads, writes and waits for its locks inside itself, past all symbols.  On
 * request the first instructions of those of its functions are replaced by a jump
 * to ours.  Then streams wait where libc reads them, and a stream's lock parks.
 */
#ifndef GREEN_PRELOAD_DETOUR_H
#define GREEN_PRELOAD_DETOUR_H

#include <stdbool.h>

/* True once libc's functions lead here. */
extern bool detoured __attribute__((visibility("hidden")));

/* detour_install - change libc's code; false if that is refused: one line says why, and all is left as it was */
bool detour_install(void);

#endif
