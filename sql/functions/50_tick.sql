-- Purpose: what one node at a time does for all, about once a second: renew the coordinator's
--          lease, reap, trim the journal, and send the pulse: heads that moved, those just
--          reaped, a rotating slice of all, the version of the policies, and one entity's audit; and choose
--          whether the ticker tells changes (48_ticker.sql). Whoever shows the token is
--          the coordinator; anyone may take the lease coordinator_lease_ms after the last tick.
--          Never waits: who is not the coordinator reads only; a row that somebody holds is
--          somebody's who ticks now.
--
--          Heads in the pulse prove gaps. They are read by a statement of this transaction, so
--          its snapshot is older than our place in the notification queue, which we get at our
--          commit. A publish that the snapshot shows had put its notification into the queue
--          before it became visible, so before ours: every listener got it before this
--          pulse, or lost it. A publish in between is not shown: the head is older than what
--          the listener knows, and says nothing. What this transaction changes itself (alive)
--          moves no seq. What is left to the ticker is told by tick_ticker(), in this
--          transaction, by a newer statement than that which read the heads, so before the pulse.
--
--          Audits take as long as the entity is large, and what the coordinator's node says waits
--          for them, and then behind what waited: of a node that is busy half the time, what it says
--          for 2 t after an audit that took t. After that there is none for 1000 t, so that it is one
--          change in 500; and ten minutes at most, a time further ahead is one of another clock.
-- Reads:   site, setting.   Writes: coordinator, entity, heartbeat, change, ticker; notifies.
-- Errors:  PD001, PD003, PD006 as publish; PD002 the caller is not alive.
create or replace function pgdevstate.tick(
	p_entity_id macaddr, p_incarnation uuid, p_session uuid, p_token uuid,
	out token uuid, out coordinator macaddr, out pulse bigint, out reaped int, out trimmed int,
	out queue_usage float8)
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	v_now timestamptz := pg_catalog.clock_timestamp();
	v_lease interval;
	v_site record;
	v_was pgdevstate.coordinator;
	v_dead macaddr[];
	v_trim record;
	v_heads record;
	v_audit record;
	v_audit_at timestamptz;
	v_ticker record;
	v_begins boolean := false;
begin
	perform pgdevstate.commit_local();
	reaped := 0;
	trimmed := 0;
	queue_usage := pg_catalog.pg_notification_queue_usage();
	perform pgdevstate.head_check(p_entity_id, p_incarnation, p_session);
	select s.site, s.channel, s.policy_version into v_site from pgdevstate.site s where s.is_here;
	v_lease := pgdevstate.setting_value('coordinator_lease_ms') * interval '1 millisecond';
	select c.* into v_was from pgdevstate.coordinator c where c.site = v_site.site;
	if not found then -- deleted by somebody
		insert into pgdevstate.coordinator as c (site) values (v_site.site)
		on conflict (site) do update set site = c.site
		returning c.* into v_was;
	end if;
	coordinator := v_was.entity_id;
	pulse := v_was.pulse;
	if (v_was.token = p_token or v_now not between v_was.renewed_at - v_lease and v_was.renewed_at + v_lease) is not true then
		return;
	end if;
	select c.* into v_was
	from pgdevstate.coordinator c
	where c.site = v_site.site
		and (c.token = p_token or v_now not between c.renewed_at - v_lease and c.renewed_at + v_lease)
	for no key update skip locked;
	if not found then
		return;
	end if;
	if (v_was.token = p_token) is not true then
		perform from pgdevstate.heartbeat h
		where h.site = v_site.site and h.entity_id = p_entity_id and h.alive;
		if not found then
			raise exception using errcode = 'PD002',
				message = pg_catalog.format('lease lost: entity %s was declared dead', p_entity_id),
				hint = 'Resume.';
		end if;
		v_was.token := pg_catalog.gen_random_uuid();
		v_begins := true;
		v_was.trimmed_id := 0;
	end if;

	v_dead := pgdevstate.tick_reap(v_site.site, v_now, v_was.reaped_at);
	v_trim := pgdevstate.tick_trim(v_site.site, v_now, v_was.trimmed_id);
	-- least: the clock may have gone back since
	v_heads := pgdevstate.tick_heads(v_site.site, v_dead, least(v_was.renewed_at, v_now) - interval '2 seconds', v_was.slice_after);
	v_audit_at := v_was.audit_at;
	if v_now >= v_was.audit_at or v_was.renewed_at > v_now or v_was.audit_at > v_now + interval '10 minutes' then
		v_audit := pgdevstate.tick_audit(v_site.site, v_was.audit_after);
		v_audit_at := v_now + least(1000 * (pg_catalog.clock_timestamp() - v_now), interval '10 minutes');
		v_was.audit_after := v_audit.last;
		if v_audit.line is not null then
			v_heads.lines := v_heads.lines || v_audit.line;
		end if;
	end if;

	-- behind the statements that read heads, before the pulse that tells them
	v_ticker := pgdevstate.tick_ticker(v_site.site, v_site.channel, v_was.token, v_begins, v_now);
	if not v_ticker.told then
		v_heads.lines := null;
	end if;
	if v_ticker.line is not null then
		v_heads.lines := array[v_ticker.line] || v_heads.lines;
	end if;
	if v_site.policy_version > 0 then
		v_heads.lines := array[e'V\t' || v_site.policy_version || e'\n'] || v_heads.lines;
	end if;

	token := v_was.token;
	coordinator := p_entity_id;
	pulse := v_was.pulse + 1;
	reaped := pg_catalog.cardinality(v_dead);
	trimmed := v_trim.trimmed;
	update pgdevstate.coordinator c
	set token = v_was.token, entity_id = p_entity_id, incarnation = p_incarnation, renewed_at = v_now,
		pulse = v_was.pulse + 1, reaped_at = v_now,
		slice_after = coalesce(v_heads.last, '00:00:00:00:00:00'), audit_after = v_was.audit_after,
		audit_at = v_audit_at,
		-- now and then from the start, for rows that committed late, behind the cursor
		trimmed_id = case when v_was.pulse % 600 = 0 then 0 else v_trim.last_id end
	where c.site = v_site.site;
	-- a line is below 130 bytes: 55 lines and the header fit one notification; with nothing to
	-- tell it is a pulse all the same
	perform pg_catalog.pg_notify(v_site.channel, pg_catalog.concat_ws(e'\t', '1', 'P', v_site.site, p_entity_id,
			p_incarnation, v_was.pulse + 1, pgdevstate.clock_us(v_now)) || e'\n' || p.lines)
	from (
		select (l.n - 1) / 55 as part, pg_catalog.string_agg(l.line, '' order by l.n) as lines
		from unnest(coalesce(v_heads.lines, array[''])) with ordinality as l(line, n)
		group by 1
		order by 1
	) p;
end
$$;
comment on function pgdevstate.tick(macaddr, uuid, uuid, uuid) is
	'the coordinator''s work, about once a second: renew its lease, reap, trim the journal, send the pulse';
