-- Purpose: how the states of several entities add up. A set of states is one bit each,
--          1 << state. RINGINUSE if the set has it, or has RINGING and any of INUSE, BUSY,
--          ONHOLD; else the first of the list below. An aggregate of aggregates is the
--          aggregate of all.
-- Reads:   nothing.   Writes: nothing.
-- Errors:  none; null for null and for the empty set.
create or replace function pgdevstate.device_state_of_set(p_set int)
returns int
language sql immutable parallel safe
as $$
	select case
		when p_set & 128 <> 0 then 7
		when p_set & 64 <> 0 and p_set & (4 | 8 | 256) <> 0 then 7
		when p_set & 8 <> 0 then 3
		when p_set & 4 <> 0 then 2
		when p_set & 64 <> 0 then 6
		when p_set & 256 <> 0 then 8
		when p_set & 2 <> 0 then 1
		when p_set & 32 <> 0 then 5
		when p_set & 1 <> 0 then 0
		when p_set & 16 <> 0 then 4
	end
$$;
comment on function pgdevstate.device_state_of_set(int) is
	'the state, 0 to 8, that a set of states adds up to; the set has one bit for each state: 1 << state';
