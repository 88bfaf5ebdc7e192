-- Purpose: a node says one device: publish() of one device, in half the time, because that is what
--          lies between a phone and the others' lamps. The head is moved in the statement that
--          locks it, and moved back where nothing changed. What is not usual (a removal, what is
--          illegal, policy latest anywhere, a head that is not the caller's) is left to publish().
-- Reads:   site, policy.   Writes: entity, heartbeat, entity_device, change.
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
	v_site smallint;
	v_toggles boolean;
	v_reporting boolean;
	v_now timestamptz;
begin
	if pg_catalog.current_setting('synchronous_commit') not in ('off', 'local') then
		perform pgdevstate.commit_local();
	end if;
	select s.site, exists (select from pgdevstate.policy p where p.site = s.site and p.kind = 'device' and p.policy = 'latest')
	into v_site, v_toggles
	from pgdevstate.site s
	where s.is_here;
	if not v_toggles and p_state between 0 and 8 and p_held is not null and p_age_us is not null
		and pg_catalog.octet_length(p_device) between 1 and 255
		and p_device collate "C" !~ '[\u0001-\u001f\u007f-\u009f]' then
		update pgdevstate.entity e set seq = e.seq + 1, moved_at = pg_catalog.clock_timestamp(), unconfirmed = 0
		where e.site = v_site and e.entity_id = p_entity_id and e.incarnation = p_incarnation
			and e.session = p_session and e.owner = session_user
		returning e.seq, e.reporting, e.moved_at into seq, v_reporting, v_now;
	end if;
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
	insert into pgdevstate.entity_device as t (site, entity_id, device, state, held, stamp, seq)
	values (v_site, p_entity_id, p_device, p_state, p_held,
		v_now - least(greatest(p_age_us, 0), 3000000000000000) * interval '1 microsecond', seq)
	on conflict (site, entity_id, device) do update
	set state = excluded.state, held = excluded.held, stamp = excluded.stamp, seq = excluded.seq
	where t.state <> excluded.state or t.held <> excluded.held;
	if not found then
		changed := 0;
		seq := seq - 1;
		update pgdevstate.entity e set seq = e.seq - 1 where e.site = v_site and e.entity_id = p_entity_id;
		return;
	end if;
	changed := 1;
	insert into pgdevstate.change (site, entity_id, incarnation, from_seq, to_seq, chunk, chunks, at, told, payload)
	values (v_site, p_entity_id, p_incarnation, seq - 1, seq, 1, 1, v_now,
		(select not s.ticker from pgdevstate.site s where s.site = v_site), -- asked here, as in write_change()
		pg_catalog.concat_ws(e'\t', '1', 'C', v_site, p_entity_id, p_incarnation, seq - 1, seq, '1', '1',
			case when v_reporting then 'ar' else 'a' end, '-', '0', clock_us) || e'\nD\t' || p_state
		|| case when p_held then e'\th\t' else e'\t-\t' end || greatest(p_age_us, 0) || e'\t' || p_device || e'\n');
end
$$;
comment on function pgdevstate.publish_device(macaddr, uuid, uuid, text, int, boolean, bigint) is
	'a node says one of its devices: publish() of one, sooner';
