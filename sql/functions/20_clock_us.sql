-- Purpose: a time as microseconds since 1970, exactly: a float8 holds them until 2255. Stable,
--          not immutable, as date_part is; otherwise it would not be inlined.
-- Reads:   nothing.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.clock_us(p_at timestamptz)
returns bigint
language sql stable parallel safe
as $$
	select (date_part('epoch', p_at) * 1000000)::bigint
$$;
comment on function pgdevstate.clock_us(timestamptz) is 'microseconds since 1970';
