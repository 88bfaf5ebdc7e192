/* A line of the console: its words, what could be typed next, and the command, on a node
 * without stages. The first byte is even for text and odd for JSON. */
#include "command_fixture.h"
#include "fuzz.h"
#include "words.h"

#define TURNS_MAX 100

static const char extensions[] = "[default]\n"
								 "exten => 1,1,Set(DEVICE_STATE(Custom:x)=BUSY)\n"
								 "same => n,NoOp(${DEVICE_STATE(Custom:x)} ${EXTEN})\n"
								 "same => n,Wait(1)\n"
								 "exten => 7,hint,Custom:x&SIP/a\n";

/* Quoted, each word is taken apart into itself. */
static void check_words(const char *line, size_t len)
{
	struct words words, again;
	struct buf quoted;
	const char *why = NULL;

	if (!words_parse(line, len, &words, &why)) {
		must(why && *why);
		words_clear(&words);
		return;
	}
	buf_init(&quoted);
	for (int i = 0; i < words.count; i++) {
		must(words.start[i] < len);
		words_quote(&quoted, words.word[i]);
		buf_addc(&quoted, ' ');
	}
	must(words_parse(buf_str(&quoted), quoted.len, &again, &why));
	must(again.count == words.count && !again.open);
	for (int i = 0; i < words.count; i++)
		must(strcmp(words.word[i], again.word[i]) == 0);
	words_clear(&words);
	words_clear(&again);
	buf_clear(&quoted);
}

static void check_json(const struct buf *out)
{
	json_t *document = json_loadb(out->data, out->len, JSON_REJECT_DUPLICATES, NULL);

	must(document);
	json_decref(document);
}

static void fill(struct fixture *f)
{
	struct buf errors;
	struct cache_entity *other;

	buf_init(&errors);
	dialplan_free(f->app.dialplan);
	f->app.dialplan = dialplan_parse("/f", extensions, sizeof(extensions) - 1, &errors);
	must(f->app.dialplan);
	buf_clear(&errors);
	fixture_hint(f, "7", "default", "Custom:x&SIP/a");
	other = fake_member(f->app.node, "01:23:45:67:89:ac", "server2", "host2");
	fake_says(f->app.node, other, "Custom:x", STATE_RINGING);
	fake_says(f->app.node, other, "SIP/a b", STATE_INUSE);
}

/* Those that wait for something that does not come are cancelled where they wait. */
static void run_line(struct fixture *f, const char *line, size_t len, bool json)
{
	struct call_sink sink = {fixture_out, fixture_err, fixture_end, fixture_ready, f};

	f->call = command_start(&f->app, line, len, json, &sink);
	for (int turns = 0; f->status < 0 && turns < TURNS_MAX; turns++) {
		event_base_loop(f->app.base, EVLOOP_NONBLOCK);
		command_more(f->call);
		fake_ack(f->app.node, turns % 2 == 0);
	}
	must(f->status >= -1 && f->status <= 1);
	if (f->status == 1)
		must(f->err.len > 0 || json);
	if (json && f->status == 0 && f->out.len > 0)
		check_json(&f->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fixture *f;
	struct buf list;
	char *line;

	if (size < 1)
		return 0;
	fuzz_quiet();
	line = fuzz_copy(data + 1, size - 1);
	f = fixture_new();
	buf_init(&list);
	fill(f);
	check_words(line, size - 1);
	command_complete(&f->app, line, size - 1, &list);
	must(list.len == 0 || list.data[list.len - 1] == '\n');
	run_line(f, line, size - 1, data[0] & 1);
	buf_clear(&list);
	fixture_free(f);
	free(line);
	return 0;
}
