-- Purpose: SQL takes back what it said of devices (set_device_state).
-- Reads:   site.   Writes: entity, heartbeat, entity_device, change.
-- Errors:  PD004 illegal name; PD005 a node has that entity's name; PD006 no such static entity.
create or replace function pgdevstate.clear_device_state(devices text[], entity text default 'sql')
returns int
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
begin
	if devices is null then
		raise exception using errcode = 'PD004', message = 'devices is null';
	end if;
	return pgdevstate.static_write(entity, pgdevstate.static_ttl(entity), devices,
		pg_catalog.array_fill(-1, array[pg_catalog.cardinality(devices)]), '{}', '{}', '{}', '{}', '{}');
end
$$;
comment on function pgdevstate.clear_device_state(text[], text) is
	'SQL takes back what a static entity ("sql" unless named) said of devices; returns how many changed';

create or replace function pgdevstate.clear_device_state(device text, entity text default 'sql')
returns int
language sql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	select pgdevstate.clear_device_state(array[device], entity)
$$;
comment on function pgdevstate.clear_device_state(text, text) is
	'SQL takes back what a static entity ("sql" unless named) said of a device; returns 1 if it changed, else 0';
