/* lease.c: every answer in every state, and what is asked next. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lease.h"

static struct lease l;
static struct db_request req;

static struct uuid uuid_of(const char *text)
{
	struct uuid u;

	memset(&u, 0, sizeof(u));
	snprintf(u.text, sizeof(u.text), "%s", text);
	return u;
}

static enum db_op ask(void)
{
	memset(&req, 0, sizeof(req));
	lease_request(&l, &req);
	return req.op;
}

static enum lease_verdict answer(
	enum db_outcome outcome, const char *session, int64_t seq)
{
	struct db_result res = {.op = req.op, .ok = true};

	res.lease.outcome = outcome;
	res.lease.session = uuid_of(session);
	res.lease.seq = seq;
	res.lease.site = 4;
	snprintf(res.lease.channel, sizeof(res.lease.channel), "secret");
	return lease_result(&l, &res);
}

static enum lease_verdict no_answer(bool lost)
{
	struct db_result res = {.op = req.op, .ok = false, .lost = lost};

	return lease_result(&l, &res);
}

static void registered(const char *session, int64_t seq)
{
	lease_init(&l);
	assert_int_equal(ask(), DB_REGISTER);
	assert_int_equal(answer(DB_REGISTERED, session, seq), LEASE_COMPARE);
}

static void first_registration(void **arg)
{
	(void)arg;
	lease_init(&l);
	assert_int_equal(l.state, LEASE_NONE);
	assert_false(lease_may_write(&l));
	assert_int_equal(ask(), DB_REGISTER);
	assert_int_equal(strlen(req.incarnation.text), 36);
	assert_string_equal(req.continues.text, "");
	assert_string_equal(req.continues_session.text, "");
	assert_int_equal(req.seq, 0);
	assert_int_equal(answer(DB_REGISTERED, "s1", 5), LEASE_COMPARE);
	assert_int_equal(l.state, LEASE_HELD);
	assert_true(lease_may_write(&l));
	assert_string_equal(l.session.text, "s1");
	assert_true(uuid_equal(&l.incarnation, &req.incarnation));
	assert_string_equal(l.asked.text, "");
	assert_int_equal(l.seq, 5);
	assert_int_equal(l.site, 4);
	assert_string_equal(l.channel, "secret");
}

static void each_run_has_an_incarnation_of_its_own(void **arg)
{
	struct uuid first;

	(void)arg;
	registered("s1", 5);
	first = l.incarnation;
	registered("s2", 6);
	assert_false(uuid_equal(&first, &l.incarnation));
}

static void acks_move_seq(void **arg)
{
	(void)arg;
	registered("s1", 5);
	lease_acked(&l, 6);
	assert_int_equal(l.seq, 6);
	lease_lost(&l);
	assert_int_equal(ask(), DB_RESUME);
	assert_int_equal(req.seq, 6);
	assert_true(uuid_equal(&req.incarnation, &l.incarnation));
}

static void lost_then_resumed(void **arg)
{
	(void)arg;
	registered("s1", 5);
	lease_lost(&l);
	assert_int_equal(l.state, LEASE_DOUBTFUL);
	assert_false(lease_may_write(&l));
	assert_string_equal(l.session.text, "");
	assert_int_equal(ask(), DB_RESUME);
	assert_int_equal(answer(DB_RESUMED, "s2", 6), LEASE_GO_ON);
	assert_true(lease_may_write(&l));
	assert_string_equal(l.session.text, "s2");
	assert_int_equal(l.seq, 6);
}

/* A seq that was perhaps told already must not come twice in one incarnation. */
static void an_unanswered_publish_begins_a_new_incarnation(void **arg)
{
	struct uuid first;

	(void)arg;
	registered("s1", 5);
	first = l.incarnation;
	lease_unanswered(&l);
	lease_lost(&l);
	assert_int_equal(ask(), DB_RESUME);
	assert_int_equal(answer(DB_RESUMED, "s2", 5), LEASE_AGAIN);
	assert_false(lease_may_write(&l));
	assert_int_equal(ask(), DB_REGISTER);
	assert_true(uuid_equal(&req.continues, &first));
	assert_string_equal(req.continues_session.text, "s2");
	assert_int_equal(req.seq, 5);
	assert_int_equal(answer(DB_REGISTERED, "s3", 6), LEASE_RESEND);
	lease_lost(&l); /* with nothing under way it just goes on */
	assert_int_equal(ask(), DB_RESUME);
	assert_int_equal(answer(DB_RESUMED, "s4", 6), LEASE_GO_ON);
}

static void an_unanswered_resume_is_asked_again(void **arg)
{
	(void)arg;
	registered("s1", 5);
	lease_lost(&l);
	ask();
	assert_int_equal(no_answer(true), LEASE_FAILED);
	lease_lost(&l);
	assert_int_equal(l.state, LEASE_DOUBTFUL);
	assert_int_equal(ask(), DB_RESUME);
	assert_int_equal(req.seq, 5);
	assert_int_equal(no_answer(false), LEASE_FAILED);
	assert_int_equal(l.state, LEASE_DOUBTFUL);
}

/* The database may have executed it: with another incarnation we would be our own twin.
 */
static void an_unanswered_register_keeps_what_it_asked(void **arg)
{
	struct uuid asked;

	(void)arg;
	lease_init(&l);
	ask();
	asked = req.incarnation;
	assert_int_equal(no_answer(true), LEASE_FAILED);
	lease_lost(&l);
	assert_int_equal(l.state, LEASE_NONE);
	assert_int_equal(ask(), DB_REGISTER);
	assert_true(uuid_equal(&req.incarnation, &asked));
	assert_int_equal(answer(DB_REGISTERED, "s2", 7), LEASE_COMPARE);
	assert_true(uuid_equal(&l.incarnation, &asked));
}

static void rewound_continues(void **arg)
{
	struct uuid old;

	(void)arg;
	registered("s1", 50);
	old = l.incarnation;
	lease_lost(&l);
	ask();
	assert_int_equal(answer(DB_REWOUND, "s2", 40), LEASE_AGAIN);
	assert_int_equal(l.state, LEASE_REWOUND);
	assert_false(lease_may_write(&l));
	assert_int_equal(l.seq, 40);
	assert_int_equal(ask(), DB_REGISTER);
	assert_true(uuid_equal(&req.continues, &old));
	assert_string_equal(req.continues_session.text, "s2");
	assert_int_equal(req.seq, 40);
	assert_false(uuid_equal(&req.incarnation, &old));
	assert_int_equal(answer(DB_REGISTERED, "s3", 41), LEASE_RESEND);
	assert_true(lease_may_write(&l));
	assert_int_equal(l.seq, 41);
	assert_string_equal(l.session.text, "s3");
	assert_false(uuid_equal(&l.incarnation, &old));
}

/* The session of a rewound answer went with the connection: resume, with the old run. */
static void rewound_then_lost(void **arg)
{
	struct uuid old, asked;

	(void)arg;
	registered("s1", 50);
	old = l.incarnation;
	lease_lost(&l);
	ask();
	answer(DB_REWOUND, "s2", 40);
	ask();
	asked = req.incarnation;
	assert_int_equal(no_answer(true), LEASE_FAILED);
	lease_lost(&l);
	assert_int_equal(l.state, LEASE_DOUBTFUL);
	assert_int_equal(ask(), DB_RESUME);
	assert_true(uuid_equal(&req.incarnation, &old));
	assert_int_equal(req.seq, 40);
	/* it had been executed: the database knows another run, which is us */
	assert_int_equal(answer(DB_REFUSED, "", 41), LEASE_AGAIN);
	assert_int_equal(ask(), DB_REGISTER);
	assert_true(uuid_equal(&req.incarnation, &asked));
	assert_string_equal(req.continues.text, "");
	assert_int_equal(answer(DB_REGISTERED, "s4", 42), LEASE_COMPARE);
	assert_true(uuid_equal(&l.incarnation, &asked));
}

/* Nor was it executed: what the database says now fits, and still it is rewound. */
static void rewound_then_lost_and_not_executed(void **arg)
{
	struct uuid old;

	(void)arg;
	registered("s1", 50);
	old = l.incarnation;
	lease_lost(&l);
	ask();
	answer(DB_REWOUND, "s2", 40);
	ask();
	no_answer(true);
	lease_lost(&l);
	ask();
	assert_int_equal(answer(DB_RESUMED, "s3", 40), LEASE_AGAIN);
	assert_int_equal(ask(), DB_REGISTER);
	assert_true(uuid_equal(&req.continues, &old));
	assert_string_equal(req.continues_session.text, "s3");
	assert_int_equal(req.seq, 40);
	assert_int_equal(answer(DB_REGISTERED, "s4", 41), LEASE_RESEND);
}

/* register(continues) that the database refuses with an error: resume again. */
static void rewound_then_an_error(void **arg)
{
	(void)arg;
	registered("s1", 50);
	lease_lost(&l);
	ask();
	answer(DB_REWOUND, "s2", 40);
	ask();
	assert_int_equal(no_answer(false), LEASE_FAILED);
	lease_lost(&l);
	assert_int_equal(ask(), DB_RESUME);
}

static void resume_says_lost(void **arg)
{
	struct uuid old;

	(void)arg;
	registered("s1", 50);
	old = l.incarnation;
	lease_lost(&l);
	ask();
	assert_int_equal(answer(DB_LOST, "", 60), LEASE_AGAIN);
	assert_int_equal(l.state, LEASE_TAKEN);
	assert_int_equal(ask(), DB_REGISTER);
	assert_false(uuid_equal(&req.incarnation, &old));
	assert_string_equal(req.continues.text, "");
	assert_int_equal(req.seq, 0);
	assert_int_equal(answer(DB_REGISTERED, "s2", 61), LEASE_COMPARE);
}

static void refused_asks_with_the_same_run(void **arg)
{
	struct uuid asked;

	(void)arg;
	lease_init(&l);
	ask();
	asked = req.incarnation;
	assert_int_equal(answer(DB_REFUSED, "", 9), LEASE_REFUSED);
	assert_int_equal(l.state, LEASE_TAKEN);
	assert_false(lease_may_write(&l));
	assert_string_equal(l.channel, "secret"); /* to read it needs the channel */
	assert_int_equal(ask(), DB_REGISTER);
	assert_true(uuid_equal(&req.incarnation, &asked));
	lease_lost(&l);
	assert_int_equal(l.state, LEASE_TAKEN);
	assert_int_equal(ask(), DB_REGISTER);
	assert_true(uuid_equal(&req.incarnation, &asked));
	assert_int_equal(answer(DB_REGISTERED, "s1", 10), LEASE_COMPARE);
	assert_true(lease_may_write(&l));
}

static void a_resume_that_is_refused(void **arg)
{
	(void)arg;
	registered("s1", 50);
	lease_lost(&l);
	ask();
	assert_int_equal(answer(DB_REFUSED, "", 60), LEASE_REFUSED);
	assert_false(lease_may_write(&l));
	assert_int_equal(ask(), DB_REGISTER);
	assert_int_equal(answer(DB_REGISTERED, "s2", 61), LEASE_COMPARE);
}

static void an_error_changes_nothing(void **arg)
{
	struct lease before;

	(void)arg;
	lease_init(&l);
	ask();
	before = l;
	assert_int_equal(no_answer(false), LEASE_FAILED);
	assert_memory_equal(&before, &l, sizeof(l));
}

static void names(void **arg)
{
	(void)arg;
	assert_string_equal(lease_state_name(LEASE_NONE), "none");
	assert_string_equal(lease_state_name(LEASE_TAKEN), "taken");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_registration),
		cmocka_unit_test(each_run_has_an_incarnation_of_its_own),
		cmocka_unit_test(acks_move_seq),
		cmocka_unit_test(lost_then_resumed),
		cmocka_unit_test(an_unanswered_publish_begins_a_new_incarnation),
		cmocka_unit_test(an_unanswered_resume_is_asked_again),
		cmocka_unit_test(an_unanswered_register_keeps_what_it_asked),
		cmocka_unit_test(rewound_continues),
		cmocka_unit_test(rewound_then_lost),
		cmocka_unit_test(rewound_then_lost_and_not_executed),
		cmocka_unit_test(rewound_then_an_error),
		cmocka_unit_test(resume_says_lost),
		cmocka_unit_test(refused_asks_with_the_same_run),
		cmocka_unit_test(a_resume_that_is_refused),
		cmocka_unit_test(an_error_changes_nothing),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
