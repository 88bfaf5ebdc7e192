/* Layer 0: the version of this program: one place. */
#ifndef VERSION_H
#define VERSION_H

#define PGDEVSTATE_VERSION "0.1.0"

#endif
