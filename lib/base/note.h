/* SPDX-License-Identifier: MIT */
/* note.h - the mark by which a copy of the library is found in a process: an ELF note, as strip leaves it alone */
#ifndef GREEN_BASE_NOTE_H
#define GREEN_BASE_NOTE_H

#define GREEN_NOTE_NAME "libgreen"
#define GREEN_NOTE_TYPE 1

/* To be written once, in a file that no program of the library goes without. */
#define GREEN_NOTE \
	__asm__(".pushsection .note.libgreen, \"a\", %note\n" \
		".balign 4\n" \
		".long 9, 4, 1\n" \
		".asciz \"" GREEN_NOTE_NAME "\"\n" \
		".balign 4\n" \
		".long 0\n" \
		".popsection")

#endif
