-- Purpose: the flags of a head as payloads have them.
-- Reads:   nothing.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.head_flags(p_alive boolean, p_reporting boolean)
returns text
language sql immutable parallel safe
as $$
	select case when p_alive then case when p_reporting then 'ar' else 'a' end
		when p_reporting then 'r' else '-' end
$$;
comment on function pgdevstate.head_flags(boolean, boolean) is
	'flags of a head in a payload: a alive, r reporting, - neither';
