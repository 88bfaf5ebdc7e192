-- Purpose: a node says its devices and mailboxes, a batch at a time; empty arrays are a beat.
--          Locks the head, then the heartbeat; counts as a beat. seq moves by one when
--          anything changed, was forced, or p_reporting differs from the head's flag.
--          One legal device alone, in a cluster without policy latest, is the usual case of an
--          idle cluster and has a shorter way to the same end: the head is moved in the statement
--          that locks it, and moved back where nothing changed. It does what the long way does.
-- Reads:   site.   Writes: entity, heartbeat, entity_device, entity_mailbox, change.
-- Errors:  PD001 not this incarnation or session; PD002 reaped; PD003 another role's entity;
--          PD004 bad batch.
create or replace function pgdevstate.publish(
	p_entity_id macaddr, p_incarnation uuid, p_session uuid,
	p_devices text[], p_states int[], p_device_held boolean[], p_device_ages_us bigint[],
	p_mailboxes text[], p_contexts text[], p_urgent int[], p_new int[], p_old int[],
	p_mailbox_held boolean[], p_mailbox_ages_us bigint[],
	p_force boolean default false, p_reporting boolean default null,
	out seq bigint, out clock_us bigint, out changed int)
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	v_head pgdevstate.entity;
	v_site smallint;
	v_reporting boolean;
	v_now timestamptz;
	v_tell boolean;
	v_quick boolean;
	v_toggles boolean;
begin
	if pg_catalog.current_setting('synchronous_commit') not in ('off', 'local') then
		perform pgdevstate.commit_local();
	end if;
	select s.site, exists (select from pgdevstate.policy p where p.site = s.site and p.kind = 'device' and p.policy = 'latest')
	into v_site, v_toggles
	from pgdevstate.site s
	where s.is_here;
	v_quick := not v_toggles and pg_catalog.cardinality(p_devices) = 1 and p_states[1] between 0 and 8 and p_device_held[1] is not null
		and p_device_ages_us[1] is not null and pg_catalog.cardinality(p_states) = 1
		and pg_catalog.cardinality(p_device_held) = 1 and pg_catalog.cardinality(p_device_ages_us) = 1
		and pg_catalog.cardinality(p_mailboxes) = 0 and pg_catalog.cardinality(p_contexts) = 0
		and p_force is not true and p_reporting is null
		and pg_catalog.octet_length(p_devices[1]) between 1 and 255
		and p_devices[1] collate "C" !~ '[\u0001-\u001f\u007f-\u009f]';
	if v_quick then
		update pgdevstate.entity e set seq = e.seq + 1, moved_at = pg_catalog.clock_timestamp(), unconfirmed = 0
		where e.site = v_site and e.entity_id = p_entity_id and e.incarnation = p_incarnation
			and e.session = p_session and e.owner = session_user
		returning e.seq, e.reporting, e.moved_at into seq, v_reporting, v_now;
		v_quick := found;
	end if;
	if v_quick is not true then
		v_head := pgdevstate.head_lock(p_entity_id, p_incarnation, p_session);
		v_now := pg_catalog.clock_timestamp();
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
	changed := 0;
	if v_quick then
		insert into pgdevstate.entity_device as t (site, entity_id, device, state, held, stamp, seq)
		values (v_site, p_entity_id, p_devices[1], p_states[1], p_device_held[1],
			v_now - least(greatest(p_device_ages_us[1], 0), 3000000000000000) * interval '1 microsecond', seq)
		on conflict (site, entity_id, device) do update
		set state = excluded.state, held = excluded.held, stamp = excluded.stamp, seq = excluded.seq
		where t.state <> excluded.state or t.held <> excluded.held;
		if found then
			changed := 1;
			insert into pgdevstate.change (site, entity_id, incarnation, from_seq, to_seq, chunk, chunks, at, told, payload)
			values (v_site, p_entity_id, p_incarnation, seq - 1, seq, 1, 1, v_now,
				(select not s.ticker from pgdevstate.site s where s.site = v_site), -- asked here, as in write_change()
				pg_catalog.concat_ws(e'\t', '1', 'C', v_site, p_entity_id, p_incarnation, seq - 1, seq, '1', '1',
					case when v_reporting then 'ar' else 'a' end, '-', '0', clock_us) || e'\nD\t' || p_states[1]
				|| case when p_device_held[1] then e'\th\t' else e'\t-\t' end
				|| greatest(p_device_ages_us[1], 0) || e'\t' || p_devices[1] || e'\n');
		else
			seq := seq - 1;
			update pgdevstate.entity e set seq = e.seq - 1 where e.site = v_site and e.entity_id = p_entity_id;
		end if;
		return;
	end if;
	v_tell := p_reporting is not null and p_reporting <> v_head.reporting;
	seq := v_head.seq;
	if v_tell or p_devices <> '{}' or p_states <> '{}' or p_mailboxes <> '{}' or p_contexts <> '{}' then
		changed := pgdevstate.write_rows(v_site, p_entity_id, p_incarnation, seq, seq + 1,
			case when coalesce(p_reporting, v_head.reporting) then 'ar' else 'a' end, v_now,
			p_devices, p_states, p_device_held, p_device_ages_us,
			p_mailboxes, p_contexts, p_urgent, p_new, p_old, p_mailbox_held, p_mailbox_ages_us,
			coalesce(p_force, false), v_tell);
	end if;
	if changed > 0 or v_tell then
		seq := seq + 1;
		update pgdevstate.entity
		set seq = v_head.seq + 1, moved_at = v_now, unconfirmed = 0,
			reporting = coalesce(p_reporting, reporting)
		where site = v_site and entity_id = p_entity_id;
	elsif v_head.unconfirmed > 0 then
		update pgdevstate.entity set unconfirmed = 0
		where site = v_site and entity_id = p_entity_id;
	end if;
end
$$;
comment on function pgdevstate.publish(macaddr, uuid, uuid, text[], int[], boolean[], bigint[], text[], text[], int[], int[], int[], boolean[], bigint[], boolean, boolean) is
	'a node says a batch of its devices and mailboxes (state or urgent -1 removes); empty arrays are a beat';
