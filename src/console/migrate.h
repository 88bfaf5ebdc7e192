/* Layer 3: `pgdevstate migrate`: brings a database's schema to what this program carries.
 */
#ifndef MIGRATE_H
#define MIGRATE_H

enum migrate_exit {
	MIGRATE_DONE,
	MIGRATE_FAILED,
	MIGRATE_USAGE,
	MIGRATE_PENDING /* --status: there is something to apply */
};

/* argv[0] is "migrate". Returns the process' exit status. */
int migrate_command(int argc, char **argv);

#endif
