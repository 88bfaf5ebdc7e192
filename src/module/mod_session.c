/* Layer 1: the link as a state machine. Pure. */
#include "mod_session.h"

#include <stdio.h>
#include <string.h>

#define IDLE_RATE 200 /* lines a second that are not facts ... */
#define IDLE_MAX  2000

const char *session_phase_name(enum session_phase phase)
{
	static const char *const names[SESSION_PHASES] = {"down", "greeting", "up"};

	return names[phase];
}

void session_init(struct session *s)
{
	memset(s, 0, sizeof(*s));
}

static void copy_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

bool session_greet(struct session *s, const char *entity, const char *version,
	struct line_out *out, int64_t now_ms)
{
	session_init(s);
	s->phase = SESSION_GREETING;
	s->since_ms = s->heard_ms = s->pinged_ms = now_ms;
	bucket_init(&s->idle, IDLE_RATE, IDLE_MAX);
	return line_out_add(out,
		"hello\t%d\t%s\tasterisk\t%s\treport\twatch\ttimeout=%d\twindow=%d", LINE_VERSION,
		entity, version, SESSION_TIMEOUT_S, SESSION_WINDOW);
}

void session_end(struct session *s, const char *reason, int64_t now_ms)
{
	if (reason != s->reason)
		copy_text(s->reason, sizeof(s->reason), reason);
	if (s->phase != SESSION_DOWN || s->since_ms == 0)
		s->since_ms = now_ms; /* it is down since then, however often it was tried */
	s->phase = SESSION_DOWN;
	s->dumping = s->fresh = false;
	s->status[0] = '\0';
}

static bool drop(struct session *s, const char *reason)
{
	copy_text(s->reason, sizeof(s->reason), reason);
	return false;
}

static bool take_hello(struct session *s, const struct line *l, int64_t now_ms)
{
	if (s->phase == SESSION_UP)
		return drop(s, "the node said hello twice");
	if (strcmp(l->why, "1") != 0) {
		s->refused = true;
		snprintf(s->reason, sizeof(s->reason),
			"the node speaks version %.20s of the link, this module version %d: install "
			"both from the same pgdevstate",
			l->why, LINE_VERSION);
		return false;
	}
	s->phase = SESSION_UP;
	s->since_ms = now_ms;
	s->node = l->entity;
	copy_text(s->node_name, sizeof(s->node_name), l->name);
	copy_text(s->node_version, sizeof(s->node_version), l->version);
	return true;
}

/* In place of a hello it is a refusal, unless the node only stops. */
static bool take_bye(struct session *s, const struct line *l)
{
	s->refused = s->phase == SESSION_GREETING && l->name[0] &&
				 strcmp(l->name, SESSION_NODE_STOPS) != 0;
	if (l->name[0])
		snprintf(s->reason, sizeof(s->reason), "the node says: %.500s", l->name);
	else
		copy_text(s->reason, sizeof(s->reason), "the node said goodbye");
	return false;
}

/* One that begins inside another is told anew from there: resync was said meanwhile. */
static bool take_dump(struct session *s, const struct line *l)
{
	bool begins = l->word == LINE_BEGIN;

	if (!begins && !s->dumping)
		return drop(s, "a dump ends that did not begin");
	s->dumping = begins;
	s->fresh = s->fresh || !begins;
	return true;
}

static bool take_fact(struct session *s)
{
	if (++s->unacked > SESSION_WINDOW)
		return drop(s, "the node sends more than the window allows");
	return true;
}

bool session_take(struct session *s, const struct line *l, int64_t now_ms)
{
	s->heard_ms = now_ms;
	if (l->word == LINE_BYE)
		return take_bye(s, l);
	if (s->phase != SESSION_UP && l->word != LINE_HELLO)
		return drop(
			s, "the first line is not hello: is this the socket of a pgdevstated?");
	if (line_is_fact(l->word))
		return take_fact(s);
	if (!bucket_take(&s->idle, now_ms))
		return drop(s, "the node floods the link");
	if (l->word == LINE_HELLO)
		return take_hello(s, l, now_ms);
	if (l->word == LINE_BEGIN || l->word == LINE_END)
		return take_dump(s, l);
	if (l->word == LINE_STATUS)
		copy_text(s->status, sizeof(s->status), l->name);
	return true;
}

bool session_tick(struct session *s, struct line_out *out, int64_t now_ms)
{
	if (s->phase == SESSION_DOWN)
		return true;
	if (now_ms - s->heard_ms >= SESSION_SILENCE_MS)
		return drop(s, "the node is silent");
	if (s->phase == SESSION_UP && now_ms - s->pinged_ms >= SESSION_PING_MS) {
		s->pinged_ms = now_ms;
		line_out_add(out, "ping\talive-%lu", ++s->pings);
	}
	return true;
}

int64_t session_next_ms(const struct session *s)
{
	int64_t ping = s->pinged_ms + SESSION_PING_MS,
			silent = s->heard_ms + SESSION_SILENCE_MS;

	return s->phase == SESSION_UP && ping < silent ? ping : silent;
}

bool session_is_stale(
	const struct session *s, int64_t lost_ms, int stale_after_s, int64_t now_ms)
{
	return lost_ms > 0 && !s->dumping && now_ms - lost_ms >= stale_after_s * 1000LL;
}

void session_ack(struct session *s, struct line_out *out, bool all)
{
	if (s->unacked == 0 || (!all && s->unacked < SESSION_WINDOW / 4))
		return;
	if (line_out_add(out, "ack\t%u", s->unacked))
		s->unacked = 0;
}
