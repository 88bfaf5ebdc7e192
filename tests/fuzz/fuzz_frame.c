/* Frames: bytes in pieces of any size give the same frames as at once; printed, they are
 * read again. The client and the node read with the same code. */
#include "frame.h"
#include "fuzz.h"

/* Takes what is complete; false: these are no frames. */
static bool take_frames(struct frame_reader *r, struct buf *said)
{
	struct frame f;
	const char *why = NULL;
	int got;

	while ((got = frame_reader_next(r, &f, &why)) > 0) {
		must(f.type < FRAME_TYPES && f.len <= FRAME_MAX_BYTES);
		must(f.data[f.len] == '\0');
		frame_print(said, f.type, f.data, f.len);
	}
	must(got == 0 || (why && *why));
	return got == 0;
}

static bool read_pieces(const uint8_t *bytes, size_t len, size_t piece, struct buf *said)
{
	struct frame_reader r;
	bool good = true;

	frame_reader_init(&r);
	for (size_t at = 0; good && at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *copy = fuzz_copy(bytes + at, n);

		frame_reader_add(&r, copy, n);
		free(copy);
		good = take_frames(&r, said);
	}
	frame_reader_clear(&r);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, pieces, again;
	bool good;

	if (size < 1)
		return 0;
	buf_init(&whole);
	buf_init(&pieces);
	buf_init(&again);
	good = read_pieces(data + 1, size - 1, size, &whole);
	must(good == read_pieces(data + 1, size - 1, 1 + data[0] % 32, &pieces));
	must(whole.len == pieces.len);
	must(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
	if (whole.len > 0) {
		must(read_pieces((uint8_t *)whole.data, whole.len, 7, &again));
		must(again.len == whole.len && memcmp(again.data, whole.data, whole.len) == 0);
	}
	buf_clear(&whole);
	buf_clear(&pieces);
	buf_clear(&again);
	return 0;
}
