-- Purpose: begin a run of a node. Answers "refused", with who it is, while another run holds
--          the lease, and tells that one who asked (T). seq goes on by one; the journal says who
--          it is. The same incarnation again (its answer was lost) gets a new session.
--          A new run is not reporting, except on the same host and boot within the lease: there
--          the node was restarted beside a PBX that may be well, and lamps must not flicker.
--          p_continues...: after resume() said "rewound": the live holder itself goes on with
--          a new incarnation; listeners that were ahead need not reload.
--          p_built_for: version of the schema that the node was built for: what it can read.
-- Reads:   site, pg_stat_activity.   Writes: entity, heartbeat, change; ends the old session.
-- Errors:  PD001 p_continues is not what is registered (resume again); PD003 another role's
--          entity; PD004 illegal words; PD005 the id is a static entity's.
create or replace function pgdevstate.register(
	p_entity_id macaddr, p_incarnation uuid, p_name text, p_host text, p_pid int, p_boot_id text,
	p_version text, p_lease_ms int,
	p_continues uuid default null, p_continues_seq bigint default null, p_continues_session uuid default null,
	p_built_for int default 1,
	out outcome text, out session uuid, out channel text, out site int, out seq bigint, out clock_us bigint,
	out lease_ms int, out holder_name text, out holder_host text, out holder_pid int,
	out holder_since timestamptz, out holder_beat_age_ms bigint)
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	v_lease record;
	v_now pgdevstate.entity;
	v_site smallint;
	v_new boolean;
	v_same boolean;
begin
	perform pgdevstate.commit_local();
	perform pgdevstate.lease_check(p_entity_id, p_incarnation, p_name, p_host, p_pid, p_boot_id, p_version, p_lease_ms);
	select s.site, s.channel into v_site, channel from pgdevstate.site s where s.is_here;
	with made as (
		insert into pgdevstate.entity (site, entity_id, kind, name, incarnation)
		values (v_site, p_entity_id, 'node', p_name, p_incarnation)
		on conflict do nothing
		returning site, entity_id
	)
	insert into pgdevstate.heartbeat (site, entity_id, alive, beat_at, lease_ms)
	select made.site, made.entity_id, false, pg_catalog.clock_timestamp(), p_lease_ms from made;
	v_new := found;
	v_lease := pgdevstate.lease_holder(p_entity_id, p_host, p_boot_id);
	v_now := v_lease.head;
	site := v_site;
	lease_ms := p_lease_ms;
	v_same := (v_now.incarnation = p_incarnation);
	if p_continues is not null and (v_new or not v_same) then
		if (v_now.incarnation = p_continues and v_now.session = p_continues_session
			and v_now.seq = p_continues_seq) is not true then
			raise exception using errcode = 'PD001',
				message = pg_catalog.format('entity %s is not at incarnation %s, seq %s with that session any more',
					p_entity_id, p_continues, p_continues_seq),
				hint = 'Resume again.';
		end if;
	elsif v_lease.holds and not v_same then
		outcome := 'refused';
		seq := v_now.seq;
		holder_name := v_now.name;
		holder_host := v_now.host;
		holder_pid := v_now.pid;
		holder_since := v_now.registered_at;
		holder_beat_age_ms := (date_part('epoch', pg_catalog.clock_timestamp() - v_lease.beat_at) * 1000)::bigint;
		clock_us := pgdevstate.clock_us(pg_catalog.clock_timestamp());
		-- the holder is to hear of it too
		perform pg_catalog.pg_notify(channel, pg_catalog.concat_ws(e'\t', '1', 'T', v_site, p_entity_id, p_incarnation,
			clock_us) || e'\n' || pgdevstate.entity_line('node', p_name, p_host, p_pid, p_version, pg_catalog.clock_timestamp()));
		return;
	end if;
	v_now.reporting := v_now.reporting and v_now.host = p_host and v_now.boot_id = p_boot_id and p_boot_id <> ''
		and (p_continues is not null or exists (
			select from pgdevstate.heartbeat h
			where h.site = v_site and h.entity_id = p_entity_id
				and h.alive and h.beat_at + h.lease_ms * interval '1 millisecond' > pg_catalog.clock_timestamp()));
	v_now.name := p_name;
	v_now.host := p_host;
	v_now.pid := p_pid;
	v_now.boot_id := p_boot_id;
	v_now.version := p_version;
	v_now.built_for := coalesce(p_built_for, 1);
	v_now.incarnation := p_incarnation;
	v_now.session := pg_catalog.gen_random_uuid();
	v_now.seq := v_now.seq + 1;
	v_now.unconfirmed := 0;
	if not v_same then
		v_now.registered_at := pg_catalog.clock_timestamp();
	end if;
	perform pgdevstate.lease_begin(v_lease.head, v_now, p_lease_ms,
		pgdevstate.entity_line('node', p_name, p_host, p_pid, p_version, v_now.registered_at),
		case when not v_same then p_continues end, case when not v_same then p_continues_seq end);
	outcome := 'registered';
	session := v_now.session;
	seq := v_now.seq;
	clock_us := pgdevstate.clock_us(pg_catalog.clock_timestamp());
end
$$;
comment on function pgdevstate.register(macaddr, uuid, text, text, int, text, text, int, uuid, bigint, uuid, int) is
	'a node begins a run; refused while another run holds the lease';
