/*
 * The cache and the hints by themselves, at many rows. Usage: keep ENTITIES DEVICES
 * same|own: each entity says as many devices, all of them the same or each its own.
 * Prints, as name=value: bytes of memory a row, names included and without; ns of a
 * lookup of a device that is there, one after the other, beside its floor, two reads of
 * random places in memory (a row's 64 bytes for each row) where the second depends on the
 * first and the next pair on that; ns of a change of a row with its new sum; ns of a
 * device's change with 10,000 hints.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "cache.h"
#include "hint.h"
#include "mem.h"

#define BATCH  1024
#define HINTS  10000
#define LINE   64
#define ROUNDS 5

static struct {
	int entities, devices;
	bool own;
	struct cache *cache;
	char names[BATCH][32];
	uint32_t entity[BATCH];
	int64_t changes;
	volatile uint32_t read_last; /* that the reads are made */
} bench;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t random_next(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static void name_of(char out[32], int entity, int device)
{
	if (bench.own)
		snprintf(out, 32, "PJSIP/%02d%06d", entity, device);
	else
		snprintf(out, 32, "PJSIP/%08d", device);
}

static struct cache_entity *entity_at(int i)
{
	struct entity_id id = {{2, 0, 0, 0, (uint8_t)(i / 256), (uint8_t)i}};

	return cache_entity_get(bench.cache, &id);
}

static void count_change(void *arg, enum key_kind kind, const char *key,
	const struct sum *was, const struct sum *now)
{
	(void)arg;
	(void)kind;
	(void)key;
	bench.changes += was->value.state != now->value.state;
}

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void fill(void)
{
	static const struct cache_callbacks cb = {.changed = count_change};
	size_t before = heap_bytes(), names, bytes;
	size_t rows = (size_t)bench.entities * (size_t)bench.devices;
	char name[32];

	bench.cache = cache_new(&cb, NULL);
	for (int e = 0; e < bench.entities; e++) {
		struct cache_entity *entity = entity_at(e);
		cache_entity_flags(bench.cache, entity, true, true);
		for (int d = 0; d < bench.devices; d++) {
			struct value v = {.state = STATE_NOT_INUSE, .stamp_us = 1000000 + d};
			name_of(name, e, d);
			cache_put(bench.cache, entity, KEY_DEVICE, name, &v);
		}
	}
	names = (size_t)cache_keys(bench.cache, KEY_DEVICE) * strlen(name);
	bytes = heap_bytes() - before;
	printf("rows=%zu bytes_row=%.1f bytes_without_names=%.1f ", rows,
		(double)bytes / (double)rows, (double)(bytes - names) / (double)rows);
}

static void draw_batch(void)
{
	for (int i = 0; i < BATCH; i++) {
		bench.entity[i] = (uint32_t)(random_next() % (unsigned)bench.entities);
		name_of(bench.names[i], (int)bench.entity[i],
			(int)(random_next() % (unsigned)bench.devices));
	}
}

/* Each lookup waits for the one before it. */
static double lookups(int batches)
{
	double took = 0, since;
	struct sum sum;
	unsigned at = 0;

	for (int b = 0; b < batches; b++) {
		draw_batch();
		since = now_ns();
		for (int i = 0; i < BATCH; i++) {
			cache_sum(
				bench.cache, KEY_DEVICE, bench.names[(at + (unsigned)i) % BATCH], &sum);
			at += (unsigned)sum.value.state - STATE_NOT_INUSE;
		}
		took += now_ns() - since;
	}
	return took / batches / BATCH;
}

static uint32_t *floor_lines(void)
{
	size_t n = (size_t)bench.entities * (size_t)bench.devices;
	uint32_t *lines =
		mmap(NULL, n * LINE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (lines == MAP_FAILED)
		exit(1);
	for (size_t i = 0; i < n; i++)
		lines[i * (LINE / 4)] = (uint32_t)(random_next() % n);
	return lines;
}

static double floor_reads(const uint32_t *lines, int batches)
{
	uint32_t n = (uint32_t)bench.entities * (uint32_t)bench.devices;
	uint32_t order[BATCH], at = 0;
	double took = 0, since;

	for (int b = 0; b < batches; b++) {
		for (int i = 0; i < BATCH; i++)
			order[i] = (uint32_t)(random_next() % n);
		since = now_ns();
		for (uint32_t i = 0; i < BATCH; i++) {
			at = lines[(size_t)order[(i + (at == n)) % BATCH] * (LINE / 4)];
			at = lines[(size_t)at * (LINE / 4)];
		}
		took += now_ns() - since;
		bench.read_last = at;
	}
	return took / batches / BATCH;
}

static double updates(int batches)
{
	double took = 0, since;

	for (int b = 0; b < batches; b++) {
		draw_batch();
		since = now_ns();
		for (int i = 0; i < BATCH; i++) {
			struct value v = {
				.state = 1 + (enum device_state)(b % 3), .stamp_us = 2000000 + b};
			cache_put(bench.cache, entity_at((int)bench.entity[i]), KEY_DEVICE,
				bench.names[i], &v);
		}
		took += now_ns() - since;
	}
	return took / batches / BATCH;
}

static enum device_state lookup(void *arg, const char *device)
{
	struct sum sum;

	(void)arg;
	cache_sum(bench.cache, KEY_DEVICE, device, &sum);
	return sum.value.state;
}

static double hints(int times)
{
	struct hints *h = hints_new(lookup, NULL);
	char exten[32], device[32];
	const char *why;
	double since, took;

	hints_begin(h);
	for (int i = 0; i < HINTS; i++) {
		snprintf(exten, sizeof(exten), "%d", i);
		name_of(device, 0, i);
		if (!hints_add(h, exten, "bench", device, &why))
			exit(1);
	}
	hints_end(h);
	since = now_ns();
	for (int i = 0; i < times; i++) {
		name_of(device, 0, i % HINTS);
		hints_device_changed(h, device);
	}
	took = (now_ns() - since) / times;
	hints_free(h);
	return took;
}

int main(int argc, char **argv)
{
	double floor_ns = 0, lookup_ns = 0;
	uint32_t *lines;

	bench.entities = argc == 4 ? atoi(argv[1]) : 0;
	bench.devices = argc == 4 ? atoi(argv[2]) : 0;
	if (bench.entities < 1 || bench.devices < HINTS) {
		fputs("usage: keep ENTITIES DEVICES same|own\n", stderr);
		return 2;
	}
	bench.own = strcmp(argv[3], "own") == 0;
	fill();
	lines = floor_lines();
	floor_reads(lines, 50);
	for (int i = 0; i < ROUNDS; i++) { /* A B A B */
		floor_ns += floor_reads(lines, 100) / ROUNDS;
		lookup_ns += lookups(100) / ROUNDS;
	}
	printf("floor_ns=%.1f lookup_ns=%.1f ", floor_ns, lookup_ns);
	printf("update_ns=%.1f hint_ns=%.1f\n", updates(300), hints(200000));
	cache_free(bench.cache);
	return 0;
}
