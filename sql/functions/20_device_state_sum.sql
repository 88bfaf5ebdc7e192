-- Purpose: the aggregate over states. Each row costs one integer "or" in C; the rules are
--          applied once at the end.
--              select device, pgdevstate.device_state_sum(1 << state) from ... group by device
--          takes the number of a state as a bit, the fast way;
--              select pgdevstate.device_state_sum(word) from ...
--          takes words in any case, for convenience: a step in plpgsql, many times slower.
-- Reads:   nothing.   Writes: nothing.
-- Errors:  PD004 for a word that is no state. Null when there is nothing to add.
create or replace function pgdevstate.device_state_sum_final(p_set int)
returns text
language plpgsql immutable strict parallel safe
as $$
begin
	return pgdevstate.device_state_name(pgdevstate.device_state_of_set(p_set));
end
$$;
comment on function pgdevstate.device_state_sum_final(int) is
	'last step of device_state_sum: the word for what a set of states adds up to';

create or replace function pgdevstate.device_state_sum_word(p_set int, p_name text)
returns int
language plpgsql immutable parallel safe
as $$
begin
	if p_name is null then
		return p_set;
	end if;
	return coalesce(p_set, 0) | (1 << pgdevstate.device_state_number(p_name));
end
$$;
comment on function pgdevstate.device_state_sum_word(int, text) is
	'step of device_state_sum over words: adds a state to a set';

create or replace aggregate pgdevstate.device_state_sum(p_state_bit int) (
	sfunc = int4or,
	stype = int,
	finalfunc = pgdevstate.device_state_sum_final,
	combinefunc = int4or,
	parallel = safe
);
comment on aggregate pgdevstate.device_state_sum(int) is
	'adds device states together: device_state_sum(1 << state), with state from 0 to 8, gives the word for the sum; null for nothing';

create or replace aggregate pgdevstate.device_state_sum(p_name text) (
	sfunc = pgdevstate.device_state_sum_word,
	stype = int,
	finalfunc = pgdevstate.device_state_sum_final,
	combinefunc = int4or,
	parallel = safe
);
comment on aggregate pgdevstate.device_state_sum(text) is
	'adds device states together that are given as words in any case; convenient, slower than device_state_sum(1 << state)';
