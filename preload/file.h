/* SPDX-License-Identifier: MIT */
/* file.h - what the files about descriptors ask each other */
#ifndef GREEN_PRELOAD_FILE_H
#define GREEN_PRELOAD_FILE_H

#include <stdbool.h>

/* file_holds_much - to empty the file PATH, which a symbolic link may lead to, will take long */
bool file_holds_much(int directory, const char *path);

/* descriptor_new - RESULT, if it is no error, is a new descriptor of the program's: the hub's own stay above it */
int descriptor_new(int result);

#endif
