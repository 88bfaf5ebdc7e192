/* Layer 0: time. */
#include "clock.h"

#include <assert.h>
#include <time.h>

static int64_t clock_read_us(clockid_t id)
{
	struct timespec ts;
	int rc = clock_gettime(id, &ts);

	assert(rc == 0);
	(void)rc;
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return clock_read_us(CLOCK_BOOTTIME);
}

int64_t clock_wall_us(void)
{
	return clock_read_us(CLOCK_REALTIME);
}
