/*
 * Stage 1, the inside of a link, shared by link.c (what comes in) and link_facts.c (what
 * goes out).
 */
#ifndef LINK_PARTS_H
#define LINK_PARTS_H

#include <sys/queue.h>

#include <uthash.h>

#include "link.h"

struct fact { /* what one other entity says, or all together */
	struct entity_id entity;
	struct value value; /* stamp_us and held are not used */
};

enum fact_form {
	FACT_EACH,   /* device: one of each entity */
	FACT_MERGED, /* device: one for all */
	FACT_MAILBOX /* one for all */
};

struct fact_key { /* of one link: what it was told last of a key */
	UT_hash_handle hh;
	TAILQ_ENTRY(fact_key) entry;
	bool dirty, in_dump;
	bool again; /* it showed its own word since: told once more, also when it is the same
				 */
	enum key_kind kind;
	enum fact_form form;
	int nfacts;
	struct fact *facts; /* in the order of entity ids */
	char name[];
};

TAILQ_HEAD(fact_list, fact_key);

struct fact_member {
	struct entity_id entity;
	bool up;
	char *text; /* name, host and version */
};

enum dump { DUMP_NONE, DUMP_WANTED, DUMP_BEGUN };

struct facts {
	struct fact_key *keys[KEY_KINDS];
	struct fact_list dirty;
	size_t ndirty;
	enum dump dump;
	size_t dump_left; /* keys of the dump that are still to be told */
	struct fact_member *members;
	int nmembers;
	unsigned members_seen; /* cache_generation() that they are of */
	bool members_known;
};

struct link {
	struct links *links;
	void *owner;
	pid_t pid;
	uid_t uid;
	TAILQ_ENTRY(link) entry;
	struct buf in;  /* an unfinished line */
	struct buf out; /* answers; they go before facts */
	int line;       /* number of the last one that came */
	bool open;      /* it said hello */
	bool report, watch, over, said_bye;
	bool in_report;
	char *program, *version;
	int64_t timeout_us, heard_us, since_us;
	int window, unacked; /* window 0: none */
	int64_t full_us;     /* since when the window is full; 0: it is not */
	int64_t statements, refused, nfacts;
	struct buf last_refused;
	struct facts facts;
};

TAILQ_HEAD(link_list, link);

struct links {
	struct node *node;
	struct link_config cfg;
	struct link_callbacks cb;
	void *arg;
	struct link_list list;
	int count, watchers;
	struct link *reporter;
	bool loaded; /* the node knew all of the others once */
	char *file;  /* of the configuration */
	char status[900];
	struct fact *scratch; /* link_facts.c's */
	int scratch_size;
	int64_t counters[LINK_COUNTERS];
};

/* link_facts.c */
void facts_init(struct facts *f);
void facts_clear(struct facts *f);
void facts_touch(struct link *l, enum key_kind kind, const char *key);
void facts_again(struct link *l, enum key_kind kind, const char *key);
void facts_dump(struct link *l);            /* all anew */
bool facts_wait(const struct link *l);      /* is there anything to be told? */
bool facts_have_room(const struct link *l); /* as far as the window goes */
void facts_pull(struct link *l, struct buf *out, size_t most);

#endif
