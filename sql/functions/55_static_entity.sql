-- Purpose: what the functions of static entities share.
--
-- static_lock: lock the head of the static entity of that name; make it when it is not there.
-- Its id is a locally administered address made from the name. The journal tells who it is.
-- Reads: site. Writes: entity, heartbeat, change. Errors: PD004 illegal name; PD005 a node has that name.
create or replace function pgdevstate.static_lock(p_name text)
returns pgdevstate.entity
language plpgsql
as $$
declare
	v_site smallint := pgdevstate.here();
	v_head pgdevstate.entity;
	v_id macaddr;
begin
	perform pgdevstate.check_names('entity name', array[p_name]);
	for v_try in 0..9 loop
		select e.* into v_head
		from pgdevstate.entity e
		where e.site = v_site and e.kind = 'static' and e.name = p_name
		for no key update;
		if found then
			return v_head;
		end if;
		if exists (select from pgdevstate.entity e where e.site = v_site and e.kind = 'node' and e.name = p_name) then
			raise exception using errcode = 'PD005',
				message = pg_catalog.format('"%s" is a node: SQL cannot write for it', p_name),
				hint = 'Choose another name; a static entity is made when it is written first.';
		end if;
		v_id := ('02' || pg_catalog.left(pg_catalog.md5('pgdevstate static ' || v_try || p_name), 10))::macaddr;
		insert into pgdevstate.entity (site, entity_id, kind, name, incarnation, seq)
		values (v_site, v_id, 'static', p_name, '00000000-0000-0000-0000-000000000000',
			pgdevstate.clock_us(pg_catalog.clock_timestamp()))
		on conflict do nothing
		returning * into v_head;
		if found then
			insert into pgdevstate.heartbeat (site, entity_id, alive, beat_at)
			values (v_site, v_id, true, v_head.registered_at);
			perform pgdevstate.write_change(v_site, v_id, v_head.incarnation, 0, v_head.seq, 'a', v_head.registered_at,
				pgdevstate.entity_line('static', p_name, '', 0, '', v_head.registered_at));
		end if;
	end loop;
	raise exception using errcode = 'PD004',
		message = pg_catalog.format('no free entity id for static entity "%s"', p_name), hint = 'Choose another name.';
end
$$;
comment on function pgdevstate.static_lock(text) is
	'locks the head of a static entity; makes the entity when it is not there';

-- static_write: write rows of a static entity, held, and move its head. p_ttl: its words count
-- for so long from now; null: for ever. Where its time was over, what it said before is
-- removed first: it must not come back. seq is at least the clock, so that it does not restart
-- when the entity is removed and made again, or the database is restored.
-- Reads: -. Writes: entity, heartbeat, entity_device, entity_mailbox, change.
-- Errors: PD004 bad batch or ttl; PD005 a node has that name. Returns how many rows changed.
create or replace function pgdevstate.static_write(
	p_name text, p_ttl interval, p_devices text[], p_states int[],
	p_mailboxes text[], p_contexts text[], p_urgent int[], p_new int[], p_old int[])
returns int
language plpgsql
as $$
declare
	v_head pgdevstate.entity;
	v_beat pgdevstate.heartbeat;
	v_now timestamptz;
	v_seq bigint;
	v_changed int;
	v_over boolean;
begin
	perform pgdevstate.commit_local();
	if p_ttl <= interval '0' then
		raise exception using errcode = 'PD004', message = pg_catalog.format('time to live %s is not positive', p_ttl);
	end if;
	v_head := pgdevstate.static_lock(p_name);
	select h.* into v_beat
	from pgdevstate.heartbeat h
	where h.site = v_head.site and h.entity_id = v_head.entity_id
	for no key update;
	v_now := pg_catalog.clock_timestamp();
	v_seq := greatest(v_head.seq + 1, pgdevstate.clock_us(v_now));
	v_over := not v_beat.alive or coalesce(v_head.expires_at < v_now, false);
	if v_over then
		select pg_catalog.array_agg(d.device) || p_devices, pg_catalog.array_agg(-1) || p_states
		into p_devices, p_states
		from pgdevstate.entity_device d
		where d.site = v_head.site and d.entity_id = v_head.entity_id;
		select pg_catalog.array_agg(m.mailbox) || p_mailboxes, pg_catalog.array_agg(m.context) || p_contexts,
			pg_catalog.array_agg(-1) || p_urgent, pg_catalog.array_agg(0) || p_new, pg_catalog.array_agg(0) || p_old
		into p_mailboxes, p_contexts, p_urgent, p_new, p_old
		from pgdevstate.entity_mailbox m
		where m.site = v_head.site and m.entity_id = v_head.entity_id;
	end if;
	v_changed := pgdevstate.write_rows(v_head.site, v_head.entity_id, v_head.incarnation, v_head.seq, v_seq, 'a', v_now,
		p_devices, p_states, pg_catalog.array_fill(true, array[pg_catalog.cardinality(p_devices)]),
		pg_catalog.array_fill(0::bigint, array[pg_catalog.cardinality(p_devices)]),
		p_mailboxes, p_contexts, p_urgent, p_new, p_old,
		pg_catalog.array_fill(true, array[pg_catalog.cardinality(p_mailboxes)]),
		pg_catalog.array_fill(0::bigint, array[pg_catalog.cardinality(p_mailboxes)]), false, v_over);
	update pgdevstate.entity e
	set seq = case when v_changed > 0 or v_over then v_seq else e.seq end,
		moved_at = case when v_changed > 0 or v_over then v_now else e.moved_at end,
		expires_at = v_now + p_ttl
	where e.site = v_head.site and e.entity_id = v_head.entity_id
		and (v_changed > 0 or v_over or e.expires_at is distinct from v_now + p_ttl);
	update pgdevstate.heartbeat h set alive = true, beat_at = v_now
	where h.site = v_head.site and h.entity_id = v_head.entity_id;
	return v_changed;
end
$$;
comment on function pgdevstate.static_write(text, interval, text[], int[], text[], text[], int[], int[], int[]) is
	'writes rows of a static entity; returns how many changed';

-- static_ttl: how long the words of a static entity still count: for functions that take back,
-- which leave that as it is; null: for ever.
-- Reads: site, entity. Writes: nothing. Errors: PD006 there is no static entity of that name.
create or replace function pgdevstate.static_ttl(p_name text)
returns interval
language plpgsql stable
as $$
declare
	v_left interval;
begin
	-- greatest() passes over nulls, and null is for ever
	select case when e.expires_at is not null
		then greatest(e.expires_at - pg_catalog.clock_timestamp(), interval '1 second') end into v_left
	from pgdevstate.entity e
	where e.site = pgdevstate.here() and e.kind = 'static' and e.name = p_name;
	if not found then
		raise exception using errcode = 'PD006',
			message = pg_catalog.format('there is no static entity %s', pg_catalog.to_json(pg_catalog.left(p_name, 300))),
			hint = 'select * from pgdevstate.member where kind = ''static'' lists them.';
	end if;
	return v_left;
end
$$;
comment on function pgdevstate.static_ttl(text) is 'how long the words of a static entity still count';
