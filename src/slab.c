/* Layer 0: pieces of memory by number: chunks of 64 KiB, and a list of free pieces for
 * each size. */
#include "slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

static uint32_t units_of(size_t bytes)
{
	assert(bytes > 0 && bytes <= SLAB_MOST_BYTES);
	return (uint32_t)((bytes + SLAB_UNIT - 1) / SLAB_UNIT);
}

static void chunk_new(struct slab *s)
{
	uint32_t n = s->nchunks;

	assert(n < UINT32_MAX >> SLAB_CHUNK_BITS);
	if ((n & (n - 1)) == 0) /* the table grows at 0, 1, 2, 4, 8, ... */
		s->chunks = mem_realloc(s->chunks, (n ? 2 * (size_t)n : 1) * sizeof(char *));
	s->chunks[n] = mem_alloc((size_t)SLAB_CHUNK * SLAB_UNIT);
	s->nchunks++;
	s->left = n ? SLAB_CHUNK : SLAB_CHUNK - 1; /* number 0 stands for none */
}

uint32_t slab_take(struct slab *s, size_t bytes)
{
	uint32_t units = units_of(bytes);
	uint32_t piece = s->given[units];

	if (piece) {
		memcpy(&s->given[units], slab_at(s, piece), sizeof(uint32_t));
		memset(slab_at(s, piece), 0, (size_t)units * SLAB_UNIT);
		return piece;
	}
	if (s->left < units)
		chunk_new(s); /* what was left of the last one is too small to be missed */
	piece = (s->nchunks << SLAB_CHUNK_BITS) - s->left;
	s->left -= units;
	return piece;
}

void slab_give(struct slab *s, uint32_t piece, size_t bytes)
{
	uint32_t units = units_of(bytes);

	memcpy(slab_at(s, piece), &s->given[units], sizeof(uint32_t));
	s->given[units] = piece;
}

void slab_clear(struct slab *s)
{
	for (uint32_t i = 0; i < s->nchunks; i++)
		free(s->chunks[i]);
	free(s->chunks);
	memset(s, 0, sizeof(*s));
}
