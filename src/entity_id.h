/* Layer 1: entity ids, six bytes, shown as 01:23:45:67:89:ab in lower case; and uuids. */
#ifndef ENTITY_ID_H
#define ENTITY_ID_H

#include <stdbool.h>
#include <stdint.h>

struct entity_id {
	uint8_t bytes[6];
};
#define ENTITY_ID_TEXT 18 /* with NUL */

bool entity_id_parse(
	const char *text, struct entity_id *out); /* not all 00, not all ff */
const char *entity_id_print(const struct entity_id *id, char out[ENTITY_ID_TEXT]);
bool entity_id_equal(const struct entity_id *a, const struct entity_id *b);
bool entity_id_usable(const struct entity_id *id); /* not all 00: that is none */
/* The first network interface's MAC that is neither all 00 nor all ff. */
bool entity_id_from_interfaces(struct entity_id *out);
/*
 * Kept in a file of this directory, so that a restarted node begins with the id that its
 * telephone server gave it. recall: false: there is none.
 */
bool entity_id_recall(const char *dir, struct entity_id *out);
bool entity_id_remember(
	const char *dir, const struct entity_id *id); /* false: errno is set */

#define UUID_TEXT 37 /* with NUL */
struct uuid {
	char text[UUID_TEXT]; /* lower case, as PostgreSQL prints it; "" is none */
};
struct uuid uuid_random(void);
bool uuid_parse(const char *text, struct uuid *out);
bool uuid_equal(const struct uuid *a, const struct uuid *b);

#endif
