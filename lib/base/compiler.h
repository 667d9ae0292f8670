/* SPDX-License-Identifier: MIT */
/* compiler.h - what the language leaves to the compiler: attributes, container_of, hints */
#ifndef GREEN_BASE_COMPILER_H
#define GREEN_BASE_COMPILER_H

#define CACHE_LINE 64

#include <stddef.h>

#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#define GREEN_EXPORT __attribute__((visibility("default")))
#define GREEN_NOINLINE __attribute__((noinline))
#define GREEN_INLINE inline __attribute__((always_inline))
#define GREEN_INITIAL_EXEC __attribute__((tls_model("initial-exec")))

/* What follows is handed to FUNCTION when its block ends, however that comes about. */
#define CLEANUP(function) __attribute__((cleanup(function), unused))

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
