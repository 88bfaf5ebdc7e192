-- Purpose: a time as microseconds since 1970, exactly.
-- Reads:   nothing.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.clock_us(p_at timestamptz)
returns bigint
language sql immutable parallel safe
as $$
	select (extract(epoch from p_at) * 1000000)::bigint
$$;
comment on function pgdevstate.clock_us(timestamptz) is 'microseconds since 1970';
