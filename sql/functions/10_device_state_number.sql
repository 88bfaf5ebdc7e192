-- Purpose: the number of a state from its word, in any case.
-- Reads:   nothing.   Writes: nothing.
-- Errors:  PD004 for a word that is no state, with the list of states; null for null.
--          Of a long word its beginning is told, control characters as escapes.
create or replace function pgdevstate.device_state_number(p_name text)
returns int
language plpgsql immutable strict parallel safe
as $$
declare
	v_state int;
begin
	v_state := pg_catalog.array_position(array['UNKNOWN', 'NOT_INUSE', 'INUSE', 'BUSY', 'INVALID',
		'UNAVAILABLE', 'RINGING', 'RINGINUSE', 'ONHOLD'], pg_catalog.upper(p_name)) - 1;
	if v_state is null then
		raise exception using errcode = 'PD004',
			message = pg_catalog.format('%s is no device state', pg_catalog.to_json(pg_catalog.left(p_name, 300))),
			hint = 'The states are UNKNOWN, NOT_INUSE, INUSE, BUSY, INVALID, UNAVAILABLE, RINGING, RINGINUSE, ONHOLD, in any case.';
	end if;
	return v_state;
end
$$;
comment on function pgdevstate.device_state_number(text) is
	'the number, 0 to 8, of a device state given as a word in any case; an error with the list of states for anything else';
