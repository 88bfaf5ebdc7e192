-- Purpose: what register() and resume() share.
--
-- lease_holder: the entity's head and heartbeat, locked in this order, and whether somebody
-- else holds the lease: alive and within the lease. A holder on the same host and boot whose
-- server process is gone has crashed: it holds nothing.
-- Reads: site, pg_stat_activity. Writes: heartbeat, if the clock went back; locks. Errors: PD003 another role's entity,
-- PD005 a static one.
create or replace function pgdevstate.lease_holder(
	p_entity_id macaddr, p_host text, p_boot_id text,
	out head pgdevstate.entity, out alive boolean, out beat_at timestamptz, out holds boolean)
language plpgsql
as $$
declare
	v_lease_ms int;
begin
	select e.* into head
	from pgdevstate.entity e
	where e.site = (select s.site from pgdevstate.site s where s.is_here) and e.entity_id = p_entity_id
	for no key update;
	if not found then
		holds := false;
		return;
	end if;
	if head.kind = 'static' then
		raise exception using errcode = 'PD005',
			message = pg_catalog.format('entity id %s is the static entity "%s", not a node', p_entity_id, head.name),
			hint = 'Give the node another entity_id.';
	end if;
	if not pgdevstate.may_act_for(head.owner) then
		raise exception using errcode = 'PD003',
			message = pg_catalog.format('entity %s belongs to role "%s", this session is "%s"', p_entity_id, head.owner, session_user),
			detail = pg_catalog.format('It is "%s" on host "%s".', head.name, head.host),
			hint = 'Log in as the role that registered it, or let an administrator remove() the entity.';
	end if;
	select h.alive, h.beat_at, h.lease_ms into alive, beat_at, v_lease_ms
	from pgdevstate.heartbeat h
	where h.site = head.site and h.entity_id = p_entity_id
	for no key update;
	-- the clock went back: the lease begins anew, as in tick_reap(), which nobody may be left to call
	if beat_at > pg_catalog.clock_timestamp() then
		update pgdevstate.heartbeat h set beat_at = pg_catalog.clock_timestamp()
		where h.site = head.site and h.entity_id = p_entity_id
		returning h.beat_at into beat_at;
	end if;
	holds := alive and beat_at + v_lease_ms * interval '1 millisecond' > pg_catalog.clock_timestamp()
		and not (head.host = p_host and head.boot_id = p_boot_id and head.boot_id <> ''
			and not pgdevstate.backend_is_there(head.backend_pid, head.backend_start));
end
$$;
comment on function pgdevstate.lease_holder(macaddr, text, text) is
	'locks an entity''s head and heartbeat, and says whether somebody holds its lease';

-- lease_begin: this session is the entity's from now on. Ends the server process that was.
-- Where p_now.seq moves on, it is alive and the journal tells the head; where not (rewound), it
-- is as alive as it was, because listeners would not hear of it.
-- Reads: -. Writes: entity, heartbeat, change. Errors: none.
create or replace function pgdevstate.lease_begin(
	p_was pgdevstate.entity, p_now pgdevstate.entity, p_lease_ms int,
	p_lines text, p_continues uuid, p_continues_seq bigint)
returns void
language plpgsql
as $$
declare
	v_clock timestamptz := pg_catalog.clock_timestamp();
	v_backend_start timestamptz := pgdevstate.backend_start();
begin
	perform pgdevstate.backend_end(p_was.backend_pid, p_was.backend_start);
	update pgdevstate.entity e
	set name = p_now.name, host = p_now.host, pid = p_now.pid, boot_id = p_now.boot_id, version = p_now.version,
		built_for = p_now.built_for,
		owner = session_user, incarnation = p_now.incarnation, session = p_now.session,
		backend_pid = pg_catalog.pg_backend_pid(), backend_start = v_backend_start,
		seq = p_now.seq, reporting = p_now.reporting, unconfirmed = p_now.unconfirmed,
		registered_at = p_now.registered_at,
		moved_at = case when p_now.seq > p_was.seq then v_clock else e.moved_at end
	where e.site = p_was.site and e.entity_id = p_was.entity_id;
	-- a node that was refused for a while has been here since it connected
	insert into pgdevstate.heartbeat as h (site, entity_id, alive, beat_at, lease_ms, steady_since)
	values (p_was.site, p_was.entity_id, true, v_clock, p_lease_ms, least(pgdevstate.connected_since(), v_clock))
	on conflict (site, entity_id) do update
	set alive = h.alive or p_now.seq > p_was.seq, beat_at = excluded.beat_at, lease_ms = coalesce(p_lease_ms, h.lease_ms),
		steady_since = excluded.steady_since;
	if p_now.seq > p_was.seq then
		perform pgdevstate.write_change(p_was.site, p_was.entity_id, p_now.incarnation, p_was.seq, p_now.seq,
			pgdevstate.head_flags(true, p_now.reporting), v_clock, p_lines, p_continues, p_continues_seq);
	end if;
end
$$;
comment on function pgdevstate.lease_begin(pgdevstate.entity, pgdevstate.entity, int, text, uuid, bigint) is
	'makes this session the one that writes for an entity, and tells the new head';

-- lease_check: are the words that a node says of itself legal?
-- Reads: -. Writes: -. Errors: PD004.
create or replace function pgdevstate.lease_check(
	p_entity_id macaddr, p_incarnation uuid, p_name text, p_host text, p_pid int, p_boot_id text,
	p_version text, p_lease_ms int)
returns void
language plpgsql
as $$
declare
	v_wrong text;
begin
	perform pgdevstate.check_names('entity name', array[p_name]);
	perform pgdevstate.check_names('host', array[p_host]);
	v_wrong := case
		when p_entity_id is null or p_entity_id in ('00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff') then
			pg_catalog.format('entity id %s is not usable', coalesce(p_entity_id::text, 'null'))
		when p_incarnation is null or p_incarnation = '00000000-0000-0000-0000-000000000000' then
			pg_catalog.format('incarnation %s is not usable', coalesce(p_incarnation::text, 'null'))
		when p_pid is null or p_boot_id is null then 'pid or boot_id is null'
		when p_version is null or pg_catalog.octet_length(p_version) > 63
			or p_version collate "C" ~ '[\u0001-\u001f\u007f-\u009f]' then 'version is null, too long or has control characters'
		when p_lease_ms is null or p_lease_ms not between 1000 and 3600000 then
			pg_catalog.format('lease of %s ms: 1000 to 3600000 are allowed', coalesce(p_lease_ms::text, 'null'))
	end;
	if v_wrong is not null then
		raise exception using errcode = 'PD004', message = v_wrong;
	end if;
end
$$;
comment on function pgdevstate.lease_check(macaddr, uuid, text, text, int, text, text, int) is
	'refuses illegal words of a node about itself with error PD004';

-- lease_end: nobody holds the entity any more. seq does not move: pulses tell it, as when
-- the entity is reaped.
-- Reads: -. Writes: entity, heartbeat; ends the old session. Errors: none.
create or replace function pgdevstate.lease_end(p_was pgdevstate.entity)
returns void
language plpgsql
as $$
begin
	perform pgdevstate.backend_end(p_was.backend_pid, p_was.backend_start);
	update pgdevstate.entity e set session = null
	where e.site = p_was.site and e.entity_id = p_was.entity_id;
	update pgdevstate.heartbeat h set alive = false
	where h.site = p_was.site and h.entity_id = p_was.entity_id;
end
$$;
comment on function pgdevstate.lease_end(pgdevstate.entity) is
	'takes an entity from whoever wrote for it; its head''s seq stays';
