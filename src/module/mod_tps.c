/*
 * Stage 1, in Asterisk: how busy those are who get what is imported.
 *
 * Asterisk lists its task processors to the console only, but finds them by name: topic
 * and a running number, of which the newest is known. Consumers subscribe when their
 * module is loaded, so that the numbers of the first minutes are tried, and then the new
 * ones, not too many a time. Only names are kept: a reference would keep a task processor
 * alive.
 */
#include "asterisk.h"

#include "asterisk/strings.h"
#include "asterisk/taskprocessor.h"
#include "asterisk/utils.h"

#include "mod_tps.h"

#define KNOWN_MAX   32
#define SEARCH_STEP 1000 /* numbers a time */
#define SEARCH_MS   200
#define SEARCH_BACK 50000 /* numbers that are older than that are not tried */
#define NAME_SIZE   (AST_TASKPROCESSOR_MAX_NAME + 1)

static const char *const topics[] = {"stasis/m:devicestate:all",
	"stasis/m:extension_state:all", "stasis/m:manager:core", "stasis/m:mwi:all"};

static char known[KNOWN_MAX][NAME_SIZE];
static int known_count;
static unsigned int tried; /* numbers below this one were tried */
static int64_t next_ms;

void tps_init(void)
{
	known_count = 0;
	tried = 0;
	next_ms = 0;
}

void tps_clear(void)
{
	known_count = 0;
}

/* -1: there is none of this name. */
static long size_of(const char *name)
{
	struct ast_taskprocessor *tps = ast_taskprocessor_get(name, TPS_REF_IF_EXISTS);
	long size;

	if (!tps)
		return -1;
	size = ast_taskprocessor_size(tps);
	ast_taskprocessor_unreference(tps);
	return size;
}

static void try_name(const char *name)
{
	if (known_count < KNOWN_MAX && size_of(name) >= 0)
		ast_copy_string(known[known_count++], name, NAME_SIZE);
}

static void try_number(unsigned int number)
{
	char name[NAME_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_LEN(topics); i++) {
		snprintf(name, sizeof(name), "%s-%08x", topics[i], number);
		try_name(name);
	}
}

/* Asking for the newest number uses one up: not too often. */
void tps_search(int64_t now_ms)
{
	unsigned int newest, end;

	if (now_ms < next_ms)
		return;
	if (next_ms == 0)
		try_name("pbx-core"); /* where hints were worked on once */
	next_ms = now_ms + SEARCH_MS;
	newest = ast_taskprocessor_seq_num();
	if (newest - tried > SEARCH_BACK && tried >= SEARCH_BACK)
		tried = newest - SEARCH_BACK;
	end = newest - tried > SEARCH_STEP ? tried + SEARCH_STEP : newest;
	for (; tried < end; tried++)
		try_number(tried);
}

long tps_longest(void)
{
	long longest = -1;
	int i = 0;

	while (i < known_count) {
		long size = size_of(known[i]);

		if (size < 0) { /* its module is gone */
			memmove(known[i], known[i + 1], (size_t)(--known_count - i) * NAME_SIZE);
			continue;
		}
		longest = MAX(longest, size);
		i++;
	}
	return longest;
}

bool tps_alert(void)
{
	return ast_taskprocessor_alert_get() > 0;
}

int tps_known(void)
{
	return known_count;
}
