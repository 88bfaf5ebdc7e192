/*
 * Layer 1: patterns of names: * stands for anything, also nothing, ? for one character of
 * UTF-8; ASCII letters match without case. Pure; the Asterisk module uses it too.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>

bool pattern_matches(const char *pattern, const char *name);
int pattern_characters(const char *pattern); /* that are no wildcard */
/* <0, 0, >0: the order of bytes, in lower case. */
int pattern_compare(const char *a, const char *b);

#endif
