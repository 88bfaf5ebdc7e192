/*
 * Stage 1, in Asterisk: how busy those are who get what is imported: their task
 * processors, found by name. Used by one thread.
 */
#ifndef MOD_TPS_H
#define MOD_TPS_H

#include <stdbool.h>
#include <stdint.h>

void tps_init(void);
void tps_clear(void);
/* Looks for new ones, some numbers at a time; to be called now and then. */
void tps_search(int64_t now_ms);
/* The tasks that wait in the longest queue; -1: no task processor is known. */
long tps_longest(void);
bool tps_alert(void);
int tps_known(void);

#endif
