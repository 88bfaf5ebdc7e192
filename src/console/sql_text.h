/* Layer 3: where things are in SQL text, for messages that name a line. Pure. */
#ifndef SQL_TEXT_H
#define SQL_TEXT_H

/* The line (from 1) of a character position (from 1) as PostgreSQL reports it. */
int sql_text_line_at(const char *text, int position);

/*
 * The line on which statement n (from 0) begins; comments before it do not count. 0:
 * there are not that many. Knows quotes, dollar quotes, nested comments and `begin
 * atomic` bodies.
 */
int sql_text_statement_line(const char *text, int n);

#endif
