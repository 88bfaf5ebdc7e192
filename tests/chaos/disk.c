/*
 * LD_PRELOAD for the servers of the chaos test: a disk that is slow or hangs, and a clock
 * that is wrong. What is wrong at the moment stands in the file $CHAOS_DISK, which the
 * test writes to while the server runs.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 20

struct control {
	int32_t sync_ms, write_ms; /* each fsync, each write takes so long */
	int64_t clock_us;          /* added to the time of day */
	int64_t slowed;            /* how many calls were slow: written here */
};

static struct control none;
static volatile struct control *control = &none;

static void __attribute__((constructor)) map_control(void)
{
	const char *path = getenv("CHAOS_DISK");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at = MAP_FAILED;

	if (fd >= 0)
		at = mmap(NULL, sizeof(none), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		perror("tests/chaos/disk.c: CHAOS_DISK");
		_exit(1);
	}
	control = at;
	close(fd);
}

/* In steps, so that the disk is a good one at once when the fault is over. */
static void slow(const volatile int32_t *ms)
{
	struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

	if (*ms <= 0)
		return;
	__atomic_add_fetch(&control->slowed, 1, __ATOMIC_RELAXED);
	for (int waited = 0; waited < *ms; waited += STEP_MS)
		nanosleep(&step, NULL);
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

int fsync(int fd)
{
	slow(&control->sync_ms);
	return REAL(int, "fsync", int)(fd);
}

int fdatasync(int fd)
{
	slow(&control->sync_ms);
	return REAL(int, "fdatasync", int)(fd);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
	slow(&control->write_ms);
	return REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)(fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
	slow(&control->write_ms);
	return REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)(fd, data, n, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	slow(&control->write_ms);
	return REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t)(
		fd, iov, n, at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
	slow(&control->write_ms);
	return REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t)(
		fd, iov, n, at);
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	int rc = REAL(int, "gettimeofday", struct timeval *, void *)(tv, zone);
	int64_t now_us = (int64_t)tv->tv_sec * 1000000 + tv->tv_usec + control->clock_us;

	tv->tv_sec = now_us / 1000000;
	tv->tv_usec = now_us % 1000000;
	return rc;
}

time_t time(time_t *at)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	if (at)
		*at = tv.tv_sec;
	return tv.tv_sec;
}
