-- Purpose: a node says one device: publish() of one device, in less than half the time, because that
--          is what lies between a phone and the others' lamps. Nearly all of it is the beginning and
--          end of statements, so they are few: one locks and moves the head and asks the site all there
--          is to ask; the head is moved back where nothing changed. A row that is there has a legal
--          name, so that names are checked only where it is not, or nothing changed.
--          What is not usual (a removal, what is illegal, a device under policy latest, a head that
--          is not the caller's) is left to publish().
-- Reads:   site, policy.   Writes: entity, heartbeat, entity_device, change; notifies.
-- Errors:  those of publish().
create or replace function pgdevstate.publish_device(
	p_entity_id macaddr, p_incarnation uuid, p_session uuid,
	p_device text, p_state int, p_held boolean, p_age_us bigint,
	out seq bigint, out clock_us bigint, out changed int)
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	-- before it asks for the ticker, as in write_change(): ticker_step() counts on that
	v_xid xid8 := pg_catalog.pg_current_xact_id();
	v_site smallint;
	v_entity_id pgdevstate.entity_id; -- as the tables have it: what it may be is not checked once more
	v_reporting boolean;
	v_now timestamptz;
	v_moved_at timestamptz; -- what it was: tick() goes by it
	v_told boolean;
	v_channel text;
begin
	if pg_catalog.current_setting('synchronous_commit') not in ('off', 'local') then
		perform pgdevstate.commit_local();
	end if;
	update pgdevstate.entity e set seq = e.seq + 1, moved_at = pg_catalog.clock_timestamp(), unconfirmed = 0
	from pgdevstate.site s, pgdevstate.entity o
	where s.is_here and o.site = e.site and o.entity_id = e.entity_id
		and (s.policy_version = 0 or pgdevstate.policy_of('device', p_device) <> 'latest')
		and p_state between 0 and 8 and p_held is not null and p_age_us is not null
		and e.site = s.site and e.entity_id = p_entity_id and e.incarnation = p_incarnation
		and e.session = p_session and e.owner = session_user
	returning e.site, e.entity_id, e.seq, e.reporting, e.moved_at, o.moved_at, not s.ticker, s.channel
	into v_site, v_entity_id, seq, v_reporting, v_now, v_moved_at, v_told, v_channel;
	if seq is null then
		select p.seq, p.clock_us, p.changed into seq, clock_us, changed
		from pgdevstate.publish(p_entity_id, p_incarnation, p_session, array[p_device], array[p_state], array[p_held],
			array[p_age_us], '{}', '{}', '{}', '{}', '{}', '{}', '{}') p;
		return;
	end if;
	update pgdevstate.heartbeat
	set beat_at = v_now,
		steady_since = case when v_now between beat_at and beat_at + pgdevstate.beat_gap(lease_ms)
			then steady_since else v_now end
	where site = v_site and entity_id = p_entity_id and alive;
	if not found then
		raise exception using errcode = 'PD002',
			message = pg_catalog.format('lease lost: entity %s gave no sign of life in time and was declared dead', p_entity_id),
			hint = 'Resume.';
	end if;
	clock_us := pgdevstate.clock_us(v_now);
	update pgdevstate.entity_device t
	set state = p_state, held = p_held, seq = publish_device.seq,
		stamp = v_now - least(greatest(p_age_us, 0), 3000000000000000) * interval '1 microsecond'
	where t.site = v_site and t.entity_id = v_entity_id and t.device = p_device
		and (t.state <> p_state or t.held <> p_held);
	if not found then
		perform pgdevstate.check_devices(array[p_device], array[p_state], array[p_held], array[p_age_us]);
		insert into pgdevstate.entity_device (site, entity_id, device, state, held, stamp, seq)
		values (v_site, v_entity_id, p_device, p_state, p_held,
			v_now - least(greatest(p_age_us, 0), 3000000000000000) * interval '1 microsecond', seq)
		on conflict do nothing;
	end if;
	if not found then
		changed := 0;
		seq := seq - 1;
		update pgdevstate.entity e set seq = e.seq - 1, moved_at = v_moved_at where e.site = v_site and e.entity_id = p_entity_id;
		return;
	end if;
	changed := 1;
	insert into pgdevstate.change (site, entity_id, incarnation, from_seq, to_seq, chunk, chunks, at, xid, told, payload)
	values (v_site, v_entity_id, p_incarnation, seq - 1, seq, 1, 1, v_now, v_xid, v_told,
		pg_catalog.format(e'1\tC\t%s\t%s\t%s\t%s\t%s\t1\t1\t%s\t-\t0\t%s\nD\t%s\t%s\t%s\t%s\n', v_site, p_entity_id,
			p_incarnation, seq - 1, seq, case when v_reporting then 'ar' else 'a' end, clock_us,
			p_state, case when p_held then 'h' else '-' end, greatest(p_age_us, 0), p_device))
	returning case when told then pg_catalog.pg_notify(v_channel, payload) end is not null into v_told;
end
$$;
comment on function pgdevstate.publish_device(macaddr, uuid, uuid, text, int, boolean, bigint) is
	'a node says one of its devices: publish() of one, sooner';
