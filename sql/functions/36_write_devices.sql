-- Purpose: write a batch of devices of one entity; say how many changed, and the lines that
--          tell of them. Ages are cut to between 0 and 95 years. What is usual goes a shorter
--          way: one device alone, and devices that are there and change, which is what a busy
--          node says all day (update_devices); what that leaves is inserted, removed or refused.
--          Removals look each row up by its key: the plan of a session that began with an empty
--          table must not go on reading all of it when it has a million rows.
-- Reads:   -.   Writes: entity_device.   Errors: PD004.
create or replace function pgdevstate.write_devices(
	p_site smallint, p_entity_id macaddr, p_seq bigint, p_now timestamptz,
	p_devices text[], p_states int[], p_held boolean[], p_ages_us bigint[], p_force boolean,
	out changed int, out lines text)
language plpgsql
as $$
declare
	v_row record;
	v_put record;
	v_gone text[] := '{}'::text[];
begin
	changed := 0;
	lines := '';
	if pg_catalog.cardinality(p_devices) > 1 and pg_catalog.cardinality(p_devices) = all (array[
		pg_catalog.cardinality(p_states), pg_catalog.cardinality(p_held), pg_catalog.cardinality(p_ages_us)]) then
		select u.changed, u.lines into changed, lines
		from pgdevstate.update_devices(p_site, p_entity_id, p_seq, p_now, p_devices, p_states, p_held, p_ages_us, p_force) u;
		if changed = pg_catalog.cardinality(p_devices) then
			return; -- all of them, so all were legal
		end if;
	end if;
	perform pgdevstate.check_devices(p_devices, p_states, p_held, p_ages_us);
	if pg_catalog.cardinality(p_devices) = 1 and p_states[1] >= 0 then
		insert into pgdevstate.entity_device as t (site, entity_id, device, state, held, stamp, seq)
		values (p_site, p_entity_id, p_devices[1], p_states[1], p_held[1],
			p_now - least(greatest(p_ages_us[1], 0), 3000000000000000) * interval '1 microsecond', p_seq)
		on conflict (site, entity_id, device) do update
		set state = excluded.state, held = excluded.held, stamp = excluded.stamp, seq = excluded.seq
		where t.state <> excluded.state or t.held <> excluded.held or p_force;
		if found then
			changed := 1;
			lines := e'D\t' || p_states[1] || case when p_held[1] then e'\th\t' else e'\t-\t' end
				|| greatest(p_ages_us[1], 0) || e'\t' || p_devices[1] || e'\n';
		end if;
		return;
	end if;
	with input as (
		select distinct on (u.device) u.device, u.state, u.held,
			p_now - least(greatest(u.age_us, 0), 3000000000000000) * interval '1 microsecond' as stamp
		from unnest(p_devices, p_states, p_held, p_ages_us) with ordinality as u(device, state, held, age_us, n)
		order by u.device, u.n desc
	), put as (
		insert into pgdevstate.entity_device as t (site, entity_id, device, state, held, stamp, seq)
		select p_site, p_entity_id, i.device, i.state, i.held, i.stamp, p_seq
		from input i
		where i.state >= 0
		on conflict (site, entity_id, device) do update
		set state = excluded.state, held = excluded.held, stamp = excluded.stamp, seq = excluded.seq
		where t.state <> excluded.state or t.held <> excluded.held or (p_force and t.seq <> p_seq)
		returning t.device, t.state, t.held, t.stamp
	)
	select pg_catalog.count(*) as n, pg_catalog.string_agg(e'D\t' || p.state
		|| case when p.held then e'\th\t' else e'\t-\t' end
		|| (date_part('epoch', p_now - p.stamp) * 1000000)::bigint || e'\t' || p.device || e'\n', '') as lines
	into v_put
	from put p;
	changed := changed + v_put.n;
	lines := lines || coalesce(v_put.lines, '');
	if -1 <> all (p_states) then
		return;
	end if;
	for v_row in
		select u.device, greatest(least(u.age_us, 3000000000000000), 0) as age_us
		from (
			select distinct on (a.device) a.device, a.state, a.age_us
			from unnest(p_devices, p_states, p_ages_us) with ordinality as a(device, state, age_us, n)
			order by a.device, a.n desc
		) u
		where u.state = -1
	loop
		delete from pgdevstate.entity_device t
		where t.site = p_site and t.entity_id = p_entity_id and t.device = v_row.device;
		if found or p_force then
			changed := changed + 1;
			v_gone := v_gone || (e'd\t' || v_row.age_us || e'\t' || v_row.device || e'\n');
		end if;
	end loop;
	lines := lines || pg_catalog.array_to_string(v_gone, '');
end
$$;
comment on function pgdevstate.write_devices(smallint, macaddr, bigint, timestamptz, text[], int[], boolean[], bigint[], boolean) is
	'writes a batch of devices of one entity; how many changed, and the lines that tell';

-- update_devices: those devices of a batch that have a row, and another state. It leaves what is illegal
-- to others, and all of a batch that names a device twice. An upsert takes half as long again: it locks
-- each row first, and proves once more that its name is legal. The settings leave the planner one way, each
-- row by its key, whatever it believes to be in the table.
-- Reads: -. Writes: entity_device. Errors: none.
create or replace function pgdevstate.update_devices(
	p_site smallint, p_entity_id macaddr, p_seq bigint, p_now timestamptz,
	p_devices text[], p_states int[], p_held boolean[], p_ages_us bigint[], p_force boolean,
	out changed int, out lines text)
language plpgsql
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
	changed := 0;
	lines := '';
	if (select pg_catalog.count(distinct u.device collate "C") from unnest(p_devices) as u(device)) < pg_catalog.cardinality(p_devices) then
		return;
	end if;
	with put as (
		update pgdevstate.entity_device t
		set state = u.state, held = u.held, seq = p_seq,
			stamp = p_now - least(greatest(u.age_us, 0), 3000000000000000) * interval '1 microsecond'
		from (
			select p_site as site, p_entity_id as entity_id, w.device, w.state, w.held, w.age_us
			from unnest(p_devices, p_states, p_held, p_ages_us) as w(device, state, held, age_us)
			where w.state between 0 and 8 and w.held is not null and w.age_us is not null
			offset 0 -- stays a table of its own: nothing is known of t before a word of the batch is
		) u
		where t.site = u.site and t.entity_id = u.entity_id and t.device = u.device
			and (t.state <> u.state or t.held <> u.held or p_force)
		returning u.device, u.state, u.held, least(greatest(u.age_us, 0), 3000000000000000) as age_us
	)
	select pg_catalog.count(*), coalesce(pg_catalog.string_agg(pg_catalog.concat(e'D\t', p.state,
		case when p.held then e'\th\t' else e'\t-\t' end, p.age_us, e'\t', p.device, e'\n'), ''), '')
	into changed, lines
	from put p;
end
$$;
comment on function pgdevstate.update_devices(smallint, macaddr, bigint, timestamptz, text[], int[], boolean[], bigint[], boolean) is
	'writes those devices of a batch that are there and change; how many did, and the lines that tell';
