/* A link: bytes in pieces of any size mean the same as at once; what the node is told is
 * legal; what is said back is lines of fields; who breaks the protocol hears why. */
#include "fake_node.h"
#include "fuzz.h"
#include "link.h"
#include "mem.h"

struct heard {
	struct buf said; /* to the node */
	struct buf out;  /* to the client */
	bool over;
};

static void on_wake(void *arg, struct link *l)
{
	(void)arg;
	(void)l;
}

static void on_become(void *arg, const struct entity_id *id)
{
	(void)arg;
	(void)id;
}

static void on_touched(void *arg, enum key_kind kind, const char *key)
{
	links_touched(arg, kind, key);
}

/* Whole lines of at most so many bytes, of UTF-8 without control characters. */
static void check_lines(const struct buf *out)
{
	const char *at = buf_str(out), *end, *why;

	must(strlen(at) == out->len);
	while ((end = strchr(at, '\n')) != NULL) {
		must(end > at && end + 1 - at <= LINK_MAX_LINE);
		for (const char *field = at; field <= end;) {
			size_t len = strcspn(field, "\t\n");
			char *text = fuzz_text(field, len);

			must(len == 0 || len > NAME_MAX_BYTES || name_check(text, len, &why));
			free(text);
			field += len + 1;
		}
		at = end + 1;
	}
	must(*at == '\0');
}

/* What others say, and how it goes on between two pieces. */
static void others_say(struct node *n, struct cache_entity *e, unsigned i)
{
	static const char *const devices[] = {"PJSIP/1", "PJSIP/2", "Custom:x"};

	fake_says(n, e, devices[i % 3], (enum device_state)(i % STATE_COUNT));
	if (i % 5 == 0)
		cache_remove(n->cache, e, KEY_DEVICE, devices[i % 3]);
}

static bool on_is_closed(void *arg, struct link *l)
{
	(void)arg;
	(void)l;
	return false;
}

static struct links *links_begin(struct node *n)
{
	static const struct link_callbacks cb = {on_wake, on_become, on_is_closed};
	struct link_config cfg = {.name = "server1", .version = "1", .file = "/f"};
	struct links *ls;

	must(entity_id_parse("01:23:45:67:89:ab", &cfg.entity));
	ls = links_new(n, &cfg, &cb, NULL);
	node_on_touched(n, on_touched, ls);
	links_phase(ls, NODE_READY);
	return ls;
}

static void hear(const uint8_t *bytes, size_t len, size_t piece, struct heard *heard)
{
	struct node *n = fake_node_new();
	struct cache_entity *other = fake_member(n, "01:23:45:67:89:ac", "b", "h");
	struct links *ls = links_begin(n);
	struct link *l = link_new(ls, NULL, 1, 1, 1);

	others_say(n, other, 1);
	for (size_t at = 0; at < len; at += piece) {
		size_t k = len - at < piece ? len - at : piece;
		char *copy = fuzz_copy(bytes + at, k);

		link_input(l, copy, k, (int64_t)at + 2);
		free(copy);
	}
	link_pull(l, &heard->out, 1u << 20);
	for (unsigned i = 0; i < len && i < 30; i++)
		others_say(n, other, bytes[i]);
	link_pull(l, &heard->out, 1u << 20);
	heard->over = link_is_over(l);
	link_free(l, "gone");
	must(links_count(ls) == 0);
	heard->said = n->said;
	buf_init(&n->said);
	links_free(ls);
	fake_node_free(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard whole = {0}, pieces = {0};

	if (size < 1)
		return 0;
	fuzz_quiet();
	hear(data + 1, size - 1, size, &whole);
	hear(data + 1, size - 1, 1 + data[0] % 32, &pieces);
	must(whole.over == pieces.over);
	must(strcmp(buf_str(&whole.said), buf_str(&pieces.said)) == 0);
	must(strcmp(buf_str(&whole.out), buf_str(&pieces.out)) == 0);
	check_lines(&whole.out);
	buf_clear(&whole.said);
	buf_clear(&whole.out);
	buf_clear(&pieces.said);
	buf_clear(&pieces.out);
	return 0;
}
