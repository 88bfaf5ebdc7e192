-- Purpose: the parts of tick(). All run in its transaction, with the coordinator's row locked,
--          so never two at once. None of them waits for a lock.

-- beat_gap: how long a node may give no sign of life while nothing is wrong: half a lease, and not
-- longer than it takes any node (2 s) and some time more, or long leases would say that the database
-- was there while short ones ran out.
-- Reads: -. Writes: -. Errors: none.
create or replace function pgdevstate.beat_gap(p_lease_ms int)
returns interval
language sql immutable
as $$
	select least(p_lease_ms * interval '0.5 milliseconds', interval '3 seconds')
$$;
comment on function pgdevstate.beat_gap(int) is 'the longest time between two signs of life while nothing is wrong';

-- awake_since: since when the database was there without a gap of a second, as far as anybody knows
-- who was there; null: since p_seen, when somebody reaped, and longer. A node knows it from
-- steady_since to its last beat, and a beat_gap() longer while its connection lives. So a coordinator
-- that dies gives nobody a second lease, and nodes that all come back at once begin when they were back.
-- A tick by a session that was there at p_seen is itself such a sign: over a slow network ticks and
-- beats are further apart than a second, and the dead would get one lease after the other.
-- If the clock went back behind p_seen, '-infinity': whose beat is a lease before now was dead then,
-- or has not beaten for a lease since; only beats of the future must end.
-- Reads: entity, heartbeat, pg_stat_activity. Writes: nothing. Errors: none.
create or replace function pgdevstate.awake_since(p_site smallint, p_now timestamptz, p_seen timestamptz)
returns timestamptz
language plpgsql volatile
as $$
declare
	v_gap constant interval := interval '1 second';
	v_since timestamptz;
begin
	if p_seen between p_now - v_gap and p_now then
		return null;
	elsif p_seen > p_now then
		return timestamptz '-infinity';
	elsif pgdevstate.connected_since() <= p_seen and p_now <= p_seen + (
		select min(pgdevstate.beat_gap(h.lease_ms)) from pgdevstate.heartbeat h
		where h.site = p_site and h.alive and h.lease_ms is not null)
	then
		return null;
	end if;
	with node as (
		select h.steady_since, least(p_now, case when pgdevstate.backend_is_there(e.backend_pid, e.backend_start)
			then h.beat_at + pgdevstate.beat_gap(h.lease_ms) else h.beat_at end) as until
		from pgdevstate.heartbeat h
		join pgdevstate.entity e on e.site = h.site and e.entity_id = h.entity_id
		where h.site = p_site and h.lease_ms is not null and h.steady_since < p_now and h.beat_at <= p_now
		union all
		select p_now, p_now
	), known as (
		select n.steady_since, greatest(p_seen, max(n.until) over (
			order by n.steady_since rows between unbounded preceding and 1 preceding)) as before
		from node n
	)
	select max(k.steady_since) into v_since
	from known k
	where k.steady_since > k.before + v_gap;
	return v_since;
end
$$;
comment on function pgdevstate.awake_since(smallint, timestamptz, timestamptz) is
	'since when the database was there without a gap; null: at least since it was seen';

-- tick_reap: declare dead who gave no sign of life within the lease, and static entities whose
-- time is over. One head at a time, skip locked (who is locked is being written for, so lives),
-- then its heartbeat, and the beat is tested again on the row that is locked now. seq does not
-- move; the pulse tells. Ends a dead node's server process: a listener that was stopped pins
-- the notification queue, and with it vacuum.
-- Before that, if the database was away since the last time (awake_since), all leases begin anew
-- when it was back: else the first node that is back would bury the others.
-- Reads: -. Writes: entity, heartbeat. Returns who died. Errors: none.
create or replace function pgdevstate.tick_reap(p_site smallint, p_now timestamptz, p_reaped_at timestamptz)
returns macaddr[]
language plpgsql
as $$
declare
	v_since timestamptz;
	v_dead macaddr[] := '{}'::macaddr[];
	v_id macaddr;
	v_head pgdevstate.entity;
begin
	v_since := pgdevstate.awake_since(p_site, p_now, p_reaped_at);
	if v_since is not null then
		update pgdevstate.heartbeat h
		set beat_at = least(greatest(h.beat_at, v_since), p_now), steady_since = least(h.steady_since, p_now)
		from (
			select l.site, l.entity_id
			from pgdevstate.heartbeat l
			where l.site = p_site and l.alive and l.lease_ms is not null
				and (l.beat_at not between v_since and p_now or l.steady_since > p_now)
			for no key update skip locked
		) l
		where h.site = l.site and h.entity_id = l.entity_id;
	end if;
	for v_id in
		select e.entity_id
		from pgdevstate.entity e
		join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id
		where e.site = p_site and h.alive
			and (h.beat_at + h.lease_ms * interval '1 millisecond' < p_now or e.expires_at < p_now)
		order by e.entity_id
		limit 100
	loop
		select e.* into v_head
		from pgdevstate.entity e
		where e.site = p_site and e.entity_id = v_id
		for no key update skip locked;
		continue when not found;
		perform from pgdevstate.heartbeat h
		where h.site = p_site and h.entity_id = v_id and h.alive
			and (h.beat_at + h.lease_ms * interval '1 millisecond' < p_now or v_head.expires_at < p_now)
		for no key update skip locked;
		continue when not found;
		update pgdevstate.heartbeat h set alive = false where h.site = p_site and h.entity_id = v_id;
		perform pgdevstate.backend_end(v_head.backend_pid, v_head.backend_start);
		v_dead := v_dead || v_id;
	end loop;
	return v_dead;
end
$$;
comment on function pgdevstate.tick_reap(smallint, timestamptz, timestamptz) is
	'part of tick: declares dead whose lease or time is over';

-- tick_heads: lines for the pulse: heads of p_ids, those that moved since p_since (at most 40),
-- and a slice of the others behind p_after, 40 in all but at least 10 of the slice.
-- In plpgsql, which keeps the plan: in SQL it is made at each call, which took ten times as long as
-- to run it.
-- Reads: entity, heartbeat. Writes: nothing. Errors: none.
create or replace function pgdevstate.tick_heads(
	p_site smallint, p_ids macaddr[], p_since timestamptz, p_after macaddr, out lines text[], out last macaddr)
language plpgsql stable
as $$
begin
	with moved as materialized (
		select e.entity_id
		from pgdevstate.entity e
		where e.site = p_site and e.moved_at >= p_since
		order by e.moved_at desc
		limit 40
	), slice as materialized (
		select e.entity_id
		from pgdevstate.entity e
		where e.site = p_site and e.entity_id > p_after
		order by e.entity_id
		limit (select greatest(10, 40 - pg_catalog.count(*)) from moved)
	), chosen as (
		select unnest(p_ids) as entity_id
		union
		select m.entity_id from moved m
		union
		select s.entity_id from slice s
	)
	select pg_catalog.array_agg(pg_catalog.concat_ws(e'\t', 'H', e.entity_id, e.incarnation, e.seq,
			pgdevstate.head_flags(h.alive, e.reporting)) || e'\n' order by e.entity_id),
		(select s.entity_id from slice s order by s.entity_id desc limit 1)
	into lines, last
	from chosen c
	join pgdevstate.entity e on e.site = p_site and e.entity_id = c.entity_id
	join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id;
end
$$;
comment on function pgdevstate.tick_heads(smallint, macaddr[], timestamptz, macaddr) is
	'part of tick: the lines of heads for the pulse, and where the slice ended';

-- tick_audit: the audit line of the next entity behind p_after: head, number of rows and
-- digest of one snapshot. No line for one with more rows than audit_max_rows.
-- Reads: entity, heartbeat, entity_device, entity_mailbox, setting. Writes: nothing. Errors: none.
create or replace function pgdevstate.tick_audit(p_site smallint, p_after macaddr, out line text, out last macaddr)
language plpgsql stable
as $$
declare
	v_max bigint := pgdevstate.setting_value('audit_max_rows');
	v_rows bigint;
begin
	select e.entity_id into last
	from pgdevstate.entity e
	where e.site = p_site and e.entity_id > p_after
	order by e.entity_id
	limit 1;
	if not found then
		last := '00:00:00:00:00:00';
		return;
	end if;
	select pg_catalog.count(*) into v_rows
	from (
		select from pgdevstate.entity_device d where d.site = p_site and d.entity_id = last
		union all
		select from pgdevstate.entity_mailbox m where m.site = p_site and m.entity_id = last
		limit v_max + 1
	) r;
	if v_rows > v_max then
		return;
	end if;
	line := pgdevstate.audit_line(p_site, last);
end
$$;
comment on function pgdevstate.tick_audit(smallint, macaddr) is
	'part of tick: the audit line of the next entity';

-- tick_trim: delete what is too old or too much from the journal, a batch, the oldest first.
-- Reads: setting. Writes: change. Errors: none.
create or replace function pgdevstate.tick_trim(
	p_site smallint, p_now timestamptz, p_after_id bigint, out trimmed int, out last_id bigint)
language plpgsql
as $$
declare
	v_before timestamptz := p_now - pgdevstate.setting_value('journal_keep_s') * interval '1 second';
	v_batch bigint := pgdevstate.setting_value('journal_trim_rows');
	v_max_id bigint;
	v_oldest record;
begin
	trimmed := 0;
	last_id := p_after_id;
	select pg_catalog.max(c.id) - pgdevstate.setting_value('journal_keep_rows') into v_max_id
	from pgdevstate.change c
	where c.site = p_site;
	select c.id, c.at into v_oldest from pgdevstate.change c where c.site = p_site and c.id > p_after_id order by c.id limit 1;
	if not found or (v_oldest.at >= v_before and v_oldest.id > v_max_id) then
		return;
	end if;
	with old as materialized (
		select c.id, c.at from pgdevstate.change c where c.site = p_site and c.id > p_after_id order by c.id limit v_batch
	), gone as (
		delete from pgdevstate.change c
		using old o
		where c.site = p_site and c.id = o.id and (o.at < v_before or o.id <= v_max_id)
		returning c.id
	)
	select pg_catalog.count(*), coalesce(pg_catalog.max(g.id), p_after_id) into trimmed, last_id from gone g;
end
$$;
comment on function pgdevstate.tick_trim(smallint, timestamptz, bigint) is
	'part of tick: trims the journal by age and number';
