/* Layer 1: Asterisk's version, as it names itself. Pure. */
#ifndef MOD_VERSION_H
#define MOD_VERSION_H

/* 20 of "20.17.0", "certified-20.7-cert2", "GIT-20-2a1b3c". 0: it does not say. */
int version_major(const char *version);

#endif
