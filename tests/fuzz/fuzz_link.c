/*
 * What the node says to the Asterisk module: bytes in pieces of any size give lines that
 * are facts with legal contents, or the link is dropped with a reason; tables stay
 * consistent.
 */
#include "fuzz.h"
#include "mod_boxes.h"
#include "mod_facts.h"
#include "mod_members.h"
#include "mod_session.h"

struct module {
	struct session session;
	struct line_reader in;
	struct line_out out;
	struct facts facts;
	struct boxes boxes;
	struct members members;
};

static void sweep(struct module *m)
{
	char id[LINE_BOX_MAX + 1];
	struct fact_gone gone;
	struct member member;

	mod_facts_sweep_begin(&m->facts);
	while (mod_facts_sweep(&m->facts, &gone))
		must(line_name_ok(gone.name, strlen(gone.name)));
	boxes_sweep_begin(&m->boxes);
	while (boxes_sweep(&m->boxes, id))
		must(id[0]);
	members_sweep_begin(&m->members);
	while (members_sweep(&m->members, &member))
		must(member.id[0]);
}

static void take_device(struct module *m, const struct line *l)
{
	must(line_name_ok(l->name, strlen(l->name)));
	must(l->state < STATE_COUNT);
	if (l->word == LINE_MERGED && l->gone)
		mod_facts_unmerge(&m->facts, l->name);
	else if (l->word == LINE_MERGED)
		mod_facts_merge(&m->facts, l->name, &l->entity, l->state);
	else if (l->gone)
		mod_facts_unsay(&m->facts, l->name, &l->entity);
	else
		mod_facts_say(&m->facts, l->name, &l->entity, l->state);
}

static void take_fact(struct module *m, const struct line *l)
{
	struct member one, *known;

	if (l->word == LINE_MEMBER && l->gone) {
		members_down(&m->members, &l->entity, &one);
	} else if (l->word == LINE_MEMBER) {
		members_up(&m->members, l, &known);
	} else if (l->word == LINE_MAILBOX) {
		must(l->id[0] && l->counts.fresh <= LINE_COUNT_MAX);
		if (l->gone)
			boxes_unsay(&m->boxes, l->id);
		else
			boxes_say(&m->boxes, l->id, &l->entity, &l->counts);
	} else {
		take_device(m, l);
	}
}

/* False: the link is dropped. */
static bool take_line(struct module *m, char *text)
{
	const char *why = NULL;
	struct line l;

	if (!line_parse(text, &l, &why)) {
		must(why && *why);
		return false;
	}
	if (!session_take(&m->session, &l, 1000)) {
		must(m->session.reason[0]);
		return false;
	}
	if (line_is_fact(l.word))
		take_fact(m, &l);
	if (l.word == LINE_BEGIN) {
		mod_facts_round_begin(&m->facts);
		boxes_round_begin(&m->boxes);
		members_round_begin(&m->members);
	}
	if (l.word == LINE_END)
		sweep(m);
	return true;
}

static bool hear(struct module *m, const uint8_t *bytes, size_t len)
{
	const char *why;
	char *line;
	size_t room;
	int got;

	while (len > 0) {
		char *space = line_reader_space(&m->in, &room);
		size_t n = len < room ? len : room;

		must(room > 0);
		memcpy(space, bytes, n);
		line_reader_filled(&m->in, n);
		bytes += n;
		len -= n;
		while ((got = line_reader_next(&m->in, &line, &why)) > 0)
			if (!take_line(m, line))
				return false;
		if (got < 0)
			return false;
	}
	return true;
}

static void init(struct module *m)
{
	line_reader_init(&m->in);
	m->out.len = 0;
	session_greet(&m->session, "02:00:00:00:00:01", "22", &m->out, 1000);
	mod_facts_init(&m->facts, 20);
	boxes_init(&m->boxes, 20);
	members_init(&m->members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct module m;
	size_t piece, at = 1;

	if (size < 1)
		return 0;
	init(&m);
	piece = 1 + data[0];
	while (at < size && hear(&m, data + at, size - at < piece ? size - at : piece))
		at += size - at < piece ? size - at : piece;
	must(m.facts.foreign <= 20 && m.boxes.foreign <= 20);
	mod_facts_round_begin(&m.facts);
	boxes_round_begin(&m.boxes);
	sweep(&m);
	must(m.facts.foreign == 0 && m.boxes.foreign == 0 && m.facts.devices.count == 0);
	mod_facts_clear(&m.facts);
	boxes_clear(&m.boxes);
	members_clear(&m.members);
	return 0;
}
