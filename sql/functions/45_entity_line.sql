-- Purpose: the line that says who an entity is: E kind name host pid version since_us.
-- Reads:   nothing.   Writes: nothing.   Errors: none. What is empty is told as "-".
create or replace function pgdevstate.entity_line(
	p_kind text, p_name text, p_host text, p_pid int, p_version text, p_since timestamptz)
returns text
language sql stable parallel safe
as $$
	select pg_catalog.concat_ws(e'\t', 'E', p_kind, p_name, coalesce(nullif(p_host, ''), '-'), p_pid,
		coalesce(nullif(p_version, ''), '-'), pgdevstate.clock_us(p_since)) || e'\n'
$$;
comment on function pgdevstate.entity_line(text, text, text, int, text, timestamptz) is
	'line of a payload that says who an entity is';
