-- Purpose: the word for a state, 0 to 8. Inlined into the views.
-- Reads:   nothing.   Writes: nothing.
-- Errors:  none; null for null and for a number that is no state.
create or replace function pgdevstate.device_state_name(p_state int)
returns text
language sql immutable parallel safe
as $$
	select (array['UNKNOWN', 'NOT_INUSE', 'INUSE', 'BUSY', 'INVALID', 'UNAVAILABLE', 'RINGING',
		'RINGINUSE', 'ONHOLD'])[p_state + 1]
$$;
comment on function pgdevstate.device_state_name(int) is
	'the word for a device state: 0 UNKNOWN, 1 NOT_INUSE, 2 INUSE, 3 BUSY, 4 INVALID, 5 UNAVAILABLE, 6 RINGING, 7 RINGINUSE, 8 ONHOLD';
