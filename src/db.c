/* Layer 1: names of what is asked of the database. */
#include "db.h"

const char *db_op_name(enum db_op op)
{
	static const char *const names[DB_OPS] = {"connect", "register", "resume", "listen",
		"publish", "tick", "leave", "ping", "read_rows", "read_journal", "read_heads",
		"read_policies", "policy", "notify_mode", "relay", "announce"};

	return names[op];
}
