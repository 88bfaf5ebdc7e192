-- Purpose: SQL says states of devices: of a static entity, "sql" unless named, made when it is
--          not there. States are words in any case; null clears. The last call's ttl holds for
--          all that the entity says; null: for ever. Returns how many devices changed.
--              select pgdevstate.set_device_state('Custom:night', 'INUSE');
--              select pgdevstate.set_device_state(array['Custom:a', 'Custom:b'], array['INUSE', null]);
-- Reads:   site.   Writes: entity, heartbeat, entity_device, change.
-- Errors:  PD004 illegal name, state or ttl; PD005 a node has that entity's name.
create or replace function pgdevstate.set_device_state(
	devices text[], states text[], entity text default 'sql', ttl interval default null)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
declare
	v_states int[];
begin
	if devices is null or states is null or pg_catalog.cardinality(devices) <> pg_catalog.cardinality(states) then
		raise exception using errcode = 'PD004',
			message = pg_catalog.format('arrays of different lengths: %s devices, %s states',
				coalesce(pg_catalog.cardinality(devices)::text, 'null'), coalesce(pg_catalog.cardinality(states)::text, 'null'));
	end if;
	select coalesce(pg_catalog.array_agg(coalesce(pgdevstate.device_state_number(s.word), -1) order by s.n), '{}') into v_states
	from unnest(states) with ordinality as s(word, n);
	return pgdevstate.static_write(entity, ttl, devices, v_states, '{}', '{}', '{}', '{}', '{}');
end
$$;
comment on function pgdevstate.set_device_state(text[], text[], text, interval) is
	'SQL says states of devices, as a static entity ("sql" unless named); null clears; ttl: for how long the entity''s words count; returns how many changed';

create or replace function pgdevstate.set_device_state(
	device text, state text, entity text default 'sql', ttl interval default null)
returns int
language sql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	select pgdevstate.set_device_state(array[device], array[state], entity, ttl)
$$;
comment on function pgdevstate.set_device_state(text, text, text, interval) is
	'SQL says the state of a device, as a static entity ("sql" unless named); null clears; ttl: for how long the entity''s words count; returns 1 if it changed, else 0';
