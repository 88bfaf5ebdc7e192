/*
 * Layer 0: small pieces of memory that are known by a number of 32 bits instead of a
 * pointer, without a header each: for tables of millions. A piece stays where it is, and
 * what is given back is used again for pieces of the same size.
 */
#ifndef SLAB_H
#define SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_MOST_BYTES 640 /* the largest piece */
#define SLAB_UNIT       4 /* pieces begin at multiples of it, and are multiples of it long */

struct slab { /* all zero: empty */
	char **chunks;
	uint32_t nchunks;
	uint32_t left; /* units of the last chunk that nobody had yet */
	uint32_t given[SLAB_MOST_BYTES / SLAB_UNIT + 1]; /* lists of pieces, by size */
};

/* Zeroed. Never 0, which stands for none. */
uint32_t slab_take(struct slab *s, size_t bytes);
void slab_give(struct slab *s, uint32_t piece, size_t bytes); /* as many as were taken */
void slab_clear(struct slab *s); /* all pieces are gone; usable again afterwards */

#define SLAB_CHUNK_BITS 14 /* units of a chunk */
#define SLAB_CHUNK      (1u << SLAB_CHUNK_BITS)

/* Here, because whoever walks millions of pieces does little else. */
static inline void *slab_at(const struct slab *s, uint32_t piece)
{
	return s->chunks[piece >> SLAB_CHUNK_BITS] +
		   (size_t)(piece & (SLAB_CHUNK - 1)) * SLAB_UNIT;
}

#endif
