/* Layer 0: texts of servers and peers, made fit for a line of ours. */
#ifndef TEXT_H
#define TEXT_H

/*
 * One line of UTF-8: runs of spaces and control characters become one space, or " - "
 * where a line ended; none at the ends. What is not UTF-8 becomes '?'. Caller frees.
 */
char *text_one_line(const char *text);

#endif
