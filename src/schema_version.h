/* Layer 0: the schema (migrations/) that this source is built for: the number of its last
 * migration. */
#ifndef SCHEMA_VERSION_H
#define SCHEMA_VERSION_H

#define SCHEMA_VERSION 6

#endif
