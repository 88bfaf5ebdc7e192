/* Layer 0: time. Everything that decides takes its time as an argument; this is where it
 * comes from. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

int64_t clock_mono_us(void); /* monotonic, counts suspend (CLOCK_BOOTTIME) */
int64_t clock_wall_us(void); /* since 1970, UTC */

#endif
