/*
 * Stage 1: link.
 * In:    lines of a telephone server, or of any program, on the node's link socket.
 * Out:   its devices and mailboxes to the node; facts of the others to those who watch.
 * Owns:  who is linked, what each was told last, which keys it is to be told anew.
 * Never: I/O: bytes come in by link_input(), go out by link_pull().
 *
 * What breaks the protocol ends the link; what is only bad content is refused, by name,
 * and the link goes on.
 */
#include "link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "link_parts.h"
#include "log.h"
#include "mem.h"
#include "text.h"

#define MOST_FIELDS  24
#define MOST_ANSWERS 65536 /* bytes; more is not read until they are */
#define MOST_SHOWN   200   /* bytes of a name in a refusal */
#define MOST_VERSION 20    /* bytes of another version of the link */
#define S_US         INT64_C(1000000)

struct line {
	struct link *link;
	int nfields;
	char *field[MOST_FIELDS];
};

struct word {
	const char *name;
	int min, max; /* fields, with the word */
	bool report;  /* only for who said so in its hello */
	void (*got)(struct line *line);
};

/* ---- answers ---- */

static void wake(struct link *l)
{
	if (l->links->cb.wake)
		l->links->cb.wake(l->links->arg, l);
}

static void say(struct link *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void say(struct link *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&l->out, fmt, ap);
	va_end(ap);
	wake(l);
}

static const char *program_of(const struct link *l)
{
	return l->program ? l->program : "?";
}

/* It reports no longer: with goodbye, or lost. */
static void link_unreport(struct link *l, bool bye)
{
	struct links *ls = l->links;

	if (ls->reporter != l)
		return;
	ls->reporter = NULL;
	if (bye)
		node_report_bye(ls->node);
	else
		node_report_lost(ls->node);
}

/* The last word; nothing of what it sends is read any more. */
static void link_bye(struct link *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void link_bye(struct link *l, const char *fmt, ...)
{
	struct buf why = {0};
	va_list ap;

	if (l->over)
		return;
	va_start(ap, fmt);
	buf_addv(&why, fmt, ap);
	va_end(ap);
	l->over = true;
	l->links->counters[LINK_DROPPED]++;
	link_unreport(l, false);
	log_warning("link", "link dropped: %s program=\"%s\" pid=%d uid=%u", buf_str(&why),
		program_of(l), (int)l->pid, (unsigned)l->uid);
	say(l, "bye\t%s\n", buf_str(&why));
	buf_clear(&why);
}

/* Words of its own that are shown again: one line of UTF-8, of the first bytes only. */
static char *shown(const char *text, size_t most)
{
	char *cut = mem_strndup(text, strnlen(text, most));
	char *line = text_one_line(cut);

	free(cut);
	return line;
}

/* What goes wrong for people who write lines by hand. */
static const char *by_hand(const char *text)
{
	size_t len = strlen(text);

	if (len > 0 && text[len - 1] == '\r')
		return "; a line ends with a newline, without a carriage return";
	return strchr(text, ' ') ? "; fields are divided by tabs" : "";
}

/* Bad content: told, counted, and the link goes on. */
static void refuse(struct line *line, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void refuse(struct line *line, const char *name, const char *fmt, ...)
{
	struct link *l = line->link;
	struct buf why = {0};
	char *safe = shown(name, MOST_SHOWN);
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&why, fmt, ap);
	va_end(ap);
	l->refused++;
	l->links->counters[LINK_REFUSED]++;
	buf_reset(&l->last_refused);
	buf_addf(&l->last_refused, "%s \"%s\": %s", line->field[0], safe, buf_str(&why));
	if (l->refused == 1)
		log_warning("link",
			"refused: %s; more of this link are counted only program=\"%s\" pid=%d",
			buf_str(&l->last_refused), program_of(l), (int)l->pid);
	say(l, "refused\t%s\t%s\t%s\n", line->field[0], *safe ? safe : "-", buf_str(&why));
	free(safe);
	buf_clear(&why);
}

static void broken(struct line *line, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void broken(struct line *line, const char *fmt, ...)
{
	struct buf why = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&why, fmt, ap);
	va_end(ap);
	link_bye(line->link, "protocol: line %d: %s", line->link->line, buf_str(&why));
	buf_clear(&why);
}

/* ---- hello ---- */

static bool number_parse(const char *text, int most, int *out)
{
	char *end;
	long n;

	if (*text < '0' || *text > '9' || strlen(text) > 9)
		return false;
	n = strtol(text, &end, 10);
	if (*end || n > most)
		return false;
	*out = (int)n;
	return true;
}

static bool hello_word(struct line *line, const char *word)
{
	struct link *l = line->link;
	int n;

	if (strcmp(word, "report") == 0) {
		l->report = true;
	} else if (strcmp(word, "watch") == 0) {
		l->watch = true;
	} else if (strncmp(word, "timeout=", 8) == 0 && number_parse(word + 8, 86400, &n) &&
			   n > 0) {
		l->timeout_us = n * S_US;
	} else if (strncmp(word, "window=", 7) == 0 && number_parse(word + 7, 1000000, &n) &&
			   n > 0) {
		l->window = n;
	} else {
		char *safe = shown(word, MOST_SHOWN);

		broken(line,
			"hello: unknown word \"%s\"; there are report, watch, timeout=1 to 86400, "
			"window=1 to 1000000%s",
			safe, by_hand(word));
		free(safe);
		return false;
	}
	return true;
}

/* Those that were linked before know the node by another id. */
static void links_become(struct link *l, const struct entity_id *id)
{
	struct links *ls = l->links;
	char text[ENTITY_ID_TEXT];
	struct link *other;

	entity_id_print(id, text);
	TAILQ_FOREACH (other, &ls->list, entry) {
		if (other != l && other->open)
			link_bye(
				other, "the node has another entity id now: %s; connect again", text);
	}
	ls->cfg.entity = *id;
	ls->cb.become(ls->arg, id);
}

/*
 * Is this telephone server the one whose node we are, or may be? `taken`: the id that is
 * ours from now on.
 */
static bool hello_entity(struct line *line, struct entity_id *taken)
{
	struct link *l = line->link;
	struct links *ls = l->links;
	char ours[ENTITY_ID_TEXT], theirs[ENTITY_ID_TEXT];

	*taken = ls->cfg.entity;
	if (strcmp(line->field[2], "-") == 0)
		return true;
	if (!entity_id_parse(line->field[2], taken)) {
		broken(
			line, "hello: no entity id: it is six bytes, like 01:23:45:67:89:ab, or -");
		return false;
	}
	if (entity_id_equal(taken, &ls->cfg.entity) || (!ls->cfg.entity_is_set && l->report))
		return true;
	link_bye(l,
		"entity id mismatch: this node is %s (%s), %s says %s; give both the same: "
		"entityid in asterisk.conf, entity_id in the node's file, or entity_id = auto",
		entity_id_print(&ls->cfg.entity, ours), ls->file, l->program,
		entity_id_print(taken, theirs));
	return false;
}

static bool hello_names(struct line *line)
{
	static const char *const what[] = {"program", "version"};
	const char *why;

	for (int i = 0; i < 2; i++) {
		const char *name = line->field[3 + i];

		if (name_check(name, strlen(name), &why))
			continue;
		broken(line, "hello: bad %s: %s", what[i], why);
		return false;
	}
	line->link->program = mem_strdup(line->field[3]);
	line->link->version = mem_strdup(line->field[4]);
	return true;
}

/*
 * The node slept, or the turn was long: who reports has closed, and its end is still to
 * be read. What it said before that is not: who is here now knows better.
 */
static void reporter_look(struct links *ls)
{
	if (ls->reporter && ls->cb.is_closed(ls->arg, ls->reporter))
		link_bye(ls->reporter, "it closed, and another one reports");
}

/* One reports; some watch. */
static bool hello_place(struct link *l)
{
	struct links *ls = l->links;

	if (l->report)
		reporter_look(ls);
	if (l->report && ls->reporter) {
		link_bye(l, "%s %s pid %d reports already; one may", ls->reporter->program,
			ls->reporter->version, (int)ls->reporter->pid);
		return false;
	}
	if (l->watch && ls->watchers >= LINK_MAX_WATCHERS) {
		link_bye(l, "%d links watch already", ls->watchers);
		return false;
	}
	return true;
}

static void link_open(struct link *l)
{
	struct links *ls = l->links;
	char id[ENTITY_ID_TEXT];

	l->open = true;
	say(l, "hello\t1\t%s\t%s\t%s\n", entity_id_print(&ls->cfg.entity, id), ls->cfg.name,
		ls->cfg.version);
	say(l, "status\t%s\n", ls->status);
	log_notice("link", "linked%s%s program=\"%s\" version=\"%s\" pid=%d uid=%u",
		l->report ? ", will report" : "", l->watch ? ", watches" : "", l->program,
		l->version, (int)l->pid, (unsigned)l->uid);
	ls->watchers += l->watch;
	if (l->watch && ls->loaded)
		facts_dump(l);
	if (l->report) {
		ls->reporter = l;
		node_report_up(ls->node);
	}
}

static void hello_version(struct line *line)
{
	char *theirs = shown(line->field[1], MOST_VERSION);

	broken(line,
		"hello: this node speaks version 1 of the link, the telephone server version "
		"%s: install both from the same pgdevstate",
		theirs);
	free(theirs);
}

static void got_hello(struct line *line)
{
	struct link *l = line->link;
	struct entity_id id;

	if (l->open) {
		broken(line, "a second hello");
		return;
	}
	if (strcmp(line->field[1], "1") != 0) {
		hello_version(line);
		return;
	}
	if (!hello_names(line))
		return;
	for (int i = 5; i < line->nfields; i++) {
		if (!hello_word(line, line->field[i]))
			return;
	}
	if (!hello_entity(line, &id) || !hello_place(l))
		return;
	if (!entity_id_equal(&id, &l->links->cfg.entity))
		links_become(l, &id);
	link_open(l);
}

/* ---- statements ---- */

static void got_begin(struct line *line)
{
	line->link->in_report = true;
	node_report_begin(line->link->links->node);
}

static void got_end(struct line *line)
{
	struct link *l = line->link;
	struct node *n = l->links->node;

	if (!l->in_report) {
		broken(line, "end without begin");
		return;
	}
	l->in_report = false;
	l->links->counters[LINK_REPORTS]++;
	node_report_end(n);
	log_notice("link", "the report is complete devices=%zu mailboxes=%zu program=\"%s\"",
		node_said_count(n, KEY_DEVICE), node_said_count(n, KEY_MAILBOX), l->program);
}

static void statement(
	struct line *line, enum key_kind kind, const char *key, const struct value *v)
{
	struct node *n = line->link->links->node;

	if (!v)
		node_report_remove(n, kind, key);
	else if (!node_said(n, kind, key) &&
			 node_said_count(n, KEY_DEVICE) + node_said_count(n, KEY_MAILBOX) >=
				 LINK_MAX_KEYS)
		refuse(line, key, "there are %d devices and mailboxes already", LINK_MAX_KEYS);
	else
		node_report_set(n, kind, key, v);
	if (v && line->link->watch) {
		facts_again(line->link, kind, key);
		wake(line->link);
	}
}

static void statement_count(struct line *line)
{
	line->link->statements++;
	line->link->links->counters[LINK_STATEMENTS]++;
}

static void got_device(struct line *line)
{
	const char *state = line->field[1], *name = line->field[2], *why;
	struct value v = {0};
	bool removed = strcmp(state, "-") == 0;

	statement_count(line);
	if (!device_check(name, &why))
		refuse(line, name, "no name of a device: %s", why);
	else if (!removed && !state_parse(state, &v.state))
		refuse(line, name, "unknown state; there are %s, and -", state_all_names());
	else
		statement(line, KEY_DEVICE, name, removed ? NULL : &v);
}

/* The three counts: all of them, or none. */
static bool counts_read(char **field, struct value *v, bool *removed)
{
	uint32_t *const count[] = {&v->urgent, &v->fresh, &v->old};
	int n;

	*removed = strcmp(field[0], "-") == 0;
	for (int i = 0; i < 3; i++) {
		if (*removed ? strcmp(field[i], "-") != 0
					 : !number_parse(field[i], MESSAGES_MAX, &n))
			return false;
		*count[i] = *removed ? 0 : (uint32_t)n;
	}
	return true;
}

static void got_mailbox(struct line *line)
{
	char key[KEY_MAX_BYTES + 1];
	const char *why;
	struct value v = {0};
	bool removed;

	statement_count(line);
	if (!mailbox_join(line->field[4], line->field[5], key, &why))
		refuse(line, line->field[4], "no name of a mailbox: %s", why);
	else if (!counts_read(line->field + 1, &v, &removed))
		refuse(line, line->field[4],
			"counts are urgent, new and old, each 0 to 1000000, or all -");
	else
		statement(line, KEY_MAILBOX, key, removed ? NULL : &v);
}

/* ---- the rest ---- */

static void got_ack(struct line *line)
{
	struct link *l = line->link;
	int n;

	if (!number_parse(line->field[1], 1000000, &n)) {
		broken(line, "ack: a number from 0 to 1000000 is wanted");
		return;
	}
	l->unacked -= n < l->unacked ? n : l->unacked;
	l->full_us = 0;
	wake(l);
}

static void got_resync(struct line *line)
{
	struct link *l = line->link;

	if (!l->watch) {
		broken(line, "resync of a link that does not watch");
		return;
	}
	if (l->links->loaded)
		facts_dump(l);
	wake(l);
}

static void got_ping(struct line *line)
{
	char *safe = shown(line->field[1], MOST_SHOWN);

	say(line->link, "pong\t%s\n", safe);
	free(safe);
}

static void got_bye(struct line *line)
{
	struct link *l = line->link;

	l->said_bye = true;
	l->over = true;
	link_unreport(l, true);
	wake(l);
}

static const struct word words[] = {
	{"hello", 5, MOST_FIELDS, false, got_hello},
	{"begin", 1, 1, true, got_begin},
	{"device", 3, 3, true, got_device},
	{"mailbox", 6, 6, true, got_mailbox},
	{"end", 1, 1, true, got_end},
	{"ack", 2, 2, false, got_ack},
	{"resync", 1, 1, false, got_resync},
	{"ping", 2, 2, false, got_ping},
	{"bye", 1, 2, false, got_bye},
};

static const struct word *word_find(const char *name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].name, name) == 0)
			return &words[i];
	}
	return NULL;
}

static void line_divide(struct line *line, char *text)
{
	for (char *tab; line->nfields < MOST_FIELDS; text = tab + 1) {
		line->field[line->nfields++] = text;
		tab = strchr(text, '\t');
		if (!tab)
			return;
		*tab = '\0';
	}
	line->nfields++; /* more than any word may have */
}

static void line_unknown(struct line *line)
{
	char *safe = shown(line->field[0], MOST_SHOWN);

	broken(line, "unknown word \"%s\"%s", safe, by_hand(line->field[0]));
	free(safe);
}

static void line_obey(struct line *line)
{
	struct link *l = line->link;
	const struct word *w = word_find(line->field[0]);

	if (!w)
		line_unknown(line);
	else if (!l->open && w->got != got_hello && w->got != got_bye)
		broken(line, "%s before hello", w->name);
	else if (line->nfields < w->min || line->nfields > w->max)
		broken(line, "%s has %d fields, it needs %d%s", w->name, line->nfields, w->min,
			w->max > w->min ? " or more" : "");
	else if (w->report && !l->report)
		broken(line, "%s of a link whose hello did not say report", w->name);
	else
		w->got(line);
}

/* `text` is without its newline. */
static void got_line(struct link *l, char *text, size_t len)
{
	struct line line = {.link = l};

	l->line++;
	if (memchr(text, '\0', len)) {
		broken(&line, "it has a NUL byte");
		return;
	}
	line_divide(&line, text);
	if (line.nfields > MOST_FIELDS)
		broken(&line, "it has more than %d fields", MOST_FIELDS);
	else
		line_obey(&line);
}

/* ---- in ---- */

static void line_too_long(struct link *l)
{
	struct line line = {.link = l};

	l->line++;
	broken(&line, "longer than %d bytes", LINK_MAX_LINE);
}

void link_input(struct link *l, const char *bytes, size_t len, int64_t now_us)
{
	l->heard_us = now_us;
	node_now(l->links->node, now_us);
	while (len > 0 && !l->over) {
		const char *end = memchr(bytes, '\n', len);
		size_t piece = end ? (size_t)(end - bytes) + 1 : len;

		if (l->in.len + piece > LINK_MAX_LINE) {
			line_too_long(l);
			return;
		}
		buf_add(&l->in, bytes, piece);
		bytes += piece;
		len -= piece;
		if (!end)
			return;
		l->in.data[--l->in.len] = '\0';
		got_line(l, l->in.data, l->in.len);
		buf_reset(&l->in);
	}
}

/* It takes facts, but acknowledges none and says nothing: 0: not so. */
static int64_t ack_deadline_us(const struct link *l)
{
	if (l->full_us == 0)
		return 0;
	return (l->full_us > l->heard_us ? l->full_us : l->heard_us) + LINK_ACK_S * S_US;
}

int64_t link_deadline_us(const struct link *l)
{
	int64_t ack = ack_deadline_us(l), silence = l->heard_us + l->timeout_us;

	if (l->over)
		return 0;
	if (!l->open)
		return l->since_us + LINK_HELLO_S * S_US;
	return l->timeout_us && (ack == 0 || silence < ack) ? silence : ack;
}

void link_timer(struct link *l, int64_t now_us)
{
	int64_t deadline = link_deadline_us(l);

	node_now(l->links->node, now_us);
	if (deadline == 0 || now_us < deadline)
		return;
	if (l->open && deadline == ack_deadline_us(l))
		link_bye(
			l, "it acknowledges nothing: its window has been full for %d s", LINK_ACK_S);
	else if (l->open)
		link_bye(l, "nothing was heard of it for %d s", (int)(l->timeout_us / S_US));
	else
		link_bye(l, "it said no hello for %d s", LINK_HELLO_S);
}

/* ---- out ---- */

void link_pull(struct link *l, struct buf *out, size_t most)
{
	while (l->out.len > 0 && out->len < most) {
		char *end = memchr(l->out.data, '\n', l->out.len);
		size_t len = (size_t)(end - l->out.data) + 1;

		if (l->out.len <= most - out->len)
			len = l->out.len; /* all of it */
		buf_add(out, l->out.data, len);
		l->out.len -= len;
		memmove(l->out.data, l->out.data + len, l->out.len + 1);
	}
	if (!l->over)
		facts_pull(l, out, most);
}

bool link_is_over(const struct link *l)
{
	return l->over && l->out.len == 0;
}

bool link_is_paused(const struct link *l)
{
	return l->out.len > MOST_ANSWERS;
}

/* ---- life ---- */

struct link *link_new(struct links *ls, void *owner, pid_t pid, uid_t uid, int64_t now_us)
{
	struct link *l = mem_alloc(sizeof(*l));

	l->links = ls;
	l->owner = owner;
	l->pid = pid;
	l->uid = uid;
	l->since_us = now_us;
	l->heard_us = now_us;
	facts_init(&l->facts);
	TAILQ_INSERT_TAIL(&ls->list, l, entry);
	ls->counters[LINK_CONNECTS]++;
	if (++ls->count > LINK_MAX_LINKS)
		link_bye(l, "%d links are open already", LINK_MAX_LINKS);
	return l;
}

static void link_log_end(const struct link *l, const char *lost)
{
	if (l->open && lost)
		log_warning("link", "link lost: %s%s program=\"%s\" pid=%d", lost,
			l->report ? "; what it said counts for half a lease more" : "", l->program,
			(int)l->pid);
	else if (l->open && l->said_bye)
		log_notice("link", "link ended program=\"%s\" pid=%d", l->program, (int)l->pid);
}

void link_free(struct link *l, const char *lost)
{
	struct links *ls = l->links;

	if (l->said_bye || l->over)
		lost = NULL; /* it was told why, or told us */
	link_log_end(l, lost);
	ls->counters[LINK_LOST] += l->open && lost;
	link_unreport(l, false);
	ls->watchers -= l->open && l->watch;
	ls->count--;
	TAILQ_REMOVE(&ls->list, l, entry);
	facts_clear(&l->facts);
	buf_clear(&l->in);
	buf_clear(&l->out);
	free(l->program);
	free(l->version);
	buf_clear(&l->last_refused);
	free(l);
}

void *link_owner(const struct link *l)
{
	return l->owner;
}

/* ---- all of them ---- */

struct links *links_new(struct node *n, const struct link_config *cfg,
	const struct link_callbacks *cb, void *arg)
{
	struct links *ls = mem_alloc(sizeof(*ls));

	ls->node = n;
	ls->cfg = *cfg;
	ls->file = mem_strdup(cfg->file);
	ls->cb = *cb;
	ls->arg = arg;
	TAILQ_INIT(&ls->list);
	strcpy(ls->status, "away");
	return ls;
}

void links_free(struct links *ls)
{
	if (!ls)
		return;
	free(ls->scratch);
	free(ls->file);
	free(ls);
}

void links_touched(struct links *ls, enum key_kind kind, const char *key)
{
	struct link *l;

	if (!ls->loaded)
		return;
	TAILQ_FOREACH (l, &ls->list, entry) {
		if (!l->open || !l->watch || l->over)
			continue;
		facts_touch(l, kind, key);
		wake(l);
	}
}

static void links_loaded(struct links *ls)
{
	struct link *l;

	if (ls->loaded)
		return;
	ls->loaded = true;
	TAILQ_FOREACH (l, &ls->list, entry) {
		if (l->open && l->watch)
			facts_dump(l);
	}
}

void links_phase(struct links *ls, enum node_phase phase)
{
	char status[sizeof(ls->status)] = "away";
	struct node_status s;
	struct link *l;

	if (phase == NODE_READY || phase == NODE_REFUSED) {
		node_get_status(ls->node, &s);
		snprintf(status, sizeof(status), "%s%s%s",
			phase == NODE_READY ? "ready" : "refused",
			phase == NODE_REFUSED ? "\tanother living process has this entity id: name="
								  : "",
			phase == NODE_REFUSED ? s.holder : "");
		links_loaded(ls);
	}
	if (strcmp(status, ls->status) == 0)
		return;
	strcpy(ls->status, status);
	TAILQ_FOREACH (l, &ls->list, entry) {
		if (l->open && !l->over)
			say(l, "status\t%s\n", status);
	}
}

void links_end(struct links *ls, const char *reason)
{
	struct link *l;

	TAILQ_FOREACH (l, &ls->list, entry) {
		if (l->over)
			continue;
		l->over = true;
		say(l, "bye\t%s\n", reason);
	}
}

const char *link_counter_name(enum link_counter c)
{
	static const char *const names[LINK_COUNTERS] = {"link_connects", "link_lost",
		"link_dropped", "link_reports", "link_statements", "link_refused", "link_facts"};

	return names[c];
}

int64_t links_counter(const struct links *ls, enum link_counter c)
{
	return ls->counters[c];
}

int links_count(const struct links *ls)
{
	return ls->count;
}

void links_status(const struct links *ls, int i, struct link_status *out)
{
	const struct link *l = TAILQ_FIRST(&ls->list);

	while (i-- > 0)
		l = TAILQ_NEXT(l, entry);
	*out = (struct link_status){
		.program = l->program ? l->program : "",
		.version = l->version ? l->version : "",
		.pid = l->pid,
		.uid = l->uid,
		.report = l->report,
		.watch = l->watch,
		.since_us = l->since_us,
		.statements = l->statements,
		.refused = l->refused,
		.facts = l->nfacts,
		.waiting = l->facts.ndirty,
		.unacked = l->unacked,
		.window = l->window,
		.last_refused = buf_str(&l->last_refused),
	};
}
