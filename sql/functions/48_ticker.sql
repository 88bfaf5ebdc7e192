-- Purpose: the ticker: what the journal has and nobody told yet is told by one transaction, once a
--          period, for all. These are the parts of relay() and tick(); the lock on the row of
--          pgdevstate.ticker lets one of them at a time.

-- notify_mode_name: what setting notify_mode means; anything else is auto.
-- Reads: -. Writes: -. Errors: none.
create or replace function pgdevstate.notify_mode_name(p_setting bigint)
returns text
language sql immutable
as $$
	select case p_setting when 1 then 'direct' when 2 then 'ticker' else 'auto' end
$$;
comment on function pgdevstate.notify_mode_name(bigint) is 'what setting notify_mode means';

-- relay_waits: is there anything to tell that p_relayed does not see, or is that of another server?
-- Of what was running then, each transaction is looked up by itself (offset 0): as one join it may be
-- planned as a visit to all that was ever left to the ticker. In plpgsql, which keeps the plan.
-- Reads: change. Writes: nothing. Errors: none.
create or replace function pgdevstate.relay_waits(p_site smallint, p_relayed pg_snapshot)
returns boolean
language plpgsql stable
set enable_seqscan = off
as $$
begin
	return exists (
		select from pgdevstate.change c
		where c.site = p_site and not c.told and c.xid >= pg_catalog.pg_snapshot_xmax(p_relayed)
	) or exists (
		select
		from pg_catalog.pg_snapshot_xip(p_relayed) as x(xid)
		cross join lateral (
			select from pgdevstate.change c where c.site = p_site and not c.told and c.xid = x.xid offset 0
		) c
	) or pg_catalog.pg_snapshot_xmax(p_relayed) > pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot());
end
$$;
comment on function pgdevstate.relay_waits(smallint, pg_snapshot) is
	'part of relay: is there anything to tell?';

-- relay_notify: tell these changes, in this order: as many in one notification as fit behind the
-- header of a pack (K), where all who were alive at the last tick read that; one alone as it is.
-- Reads: ticker. Writes: nothing; notifies. Errors: none.
create or replace function pgdevstate.relay_notify(p_site smallint, p_channel text, p_payloads text[])
returns void
language plpgsql
as $$
declare
	v_header text := pg_catalog.concat_ws(e'\t', '1', 'K', p_site) || e'\n';
	v_most int := 0;
	v_pack text := '';
	v_bytes int := 0;
	v_changes int := 0;
	v_payload text;
begin
	if (select t.packs from pgdevstate.ticker t where t.site = p_site) then
		v_most := 7900 - pg_catalog.octet_length(v_header);
	end if;
	foreach v_payload in array p_payloads loop
		v_bytes := v_bytes + pg_catalog.octet_length(v_payload);
		if v_changes > 0 and v_bytes > v_most then
			perform pg_catalog.pg_notify(p_channel, case when v_changes > 1 then v_header || v_pack else v_pack end);
			v_pack := '';
			v_bytes := pg_catalog.octet_length(v_payload);
			v_changes := 0;
		end if;
		v_pack := v_pack || v_payload;
		v_changes := v_changes + 1;
	end loop;
	perform pg_catalog.pg_notify(p_channel, case when v_changes > 1 then v_header || v_pack else v_pack end);
end
$$;
comment on function pgdevstate.relay_notify(smallint, text, text[]) is
	'part of relay: tells changes, several in one notification where all nodes read that';

-- relay_rows: tell what this statement sees of the journal, p_relayed did not, and nobody told, in
-- the order of writing: an entity's rows are written and committed in one order, that of its head's
-- lock. Not by a number of the last row told: numbers are given out when rows are written, and a
-- transaction with a lower one may commit later. What p_relayed does not see is what was running
-- then, or began later, so a transaction that runs for long costs nothing.
-- A database that was restored elsewhere counts transactions anew: nothing before now is told,
-- heads in the pulse prove the gaps.
-- Reads: change. Writes: nothing; notifies. Errors: none.
create or replace function pgdevstate.relay_rows(
	p_site smallint, p_channel text, p_relayed pg_snapshot, out relayed pg_snapshot, out sent int)
language plpgsql
set enable_seqscan = off
as $$
declare
	v_payloads text[];
begin
	select pg_catalog.array_agg(n.payload::text order by n.id), pg_catalog.pg_current_snapshot()
	into v_payloads, relayed
	from (
		select c.id, c.payload
		from pgdevstate.change c
		where c.site = p_site and not c.told and c.xid >= pg_catalog.pg_snapshot_xmax(p_relayed)
			and c.xid < pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
		union all
		select c.id, c.payload
		from pg_catalog.pg_snapshot_xip(p_relayed) as x(xid)
		cross join lateral ( -- as in relay_waits()
			select c.id, c.payload from pgdevstate.change c where c.site = p_site and not c.told and c.xid = x.xid offset 0
		) c
	) n;
	sent := coalesce(pg_catalog.cardinality(v_payloads), 0);
	if sent > 0 then
		perform pgdevstate.relay_notify(p_site, p_channel, v_payloads);
	end if;
end
$$;
comment on function pgdevstate.relay_rows(smallint, text, pg_snapshot) is
	'part of relay: tells what is new in the journal';

-- ticker_step: tell what is new; when the ticker was given up, until nobody is left who may have
-- counted on it. Who asked whether there is one had its number as a transaction by then. So
-- who asked before it was given up has a lower one than any that begins when that can be seen.
-- The caller holds the lock of the ticker's row, and asked p_ticker after that.
-- Reads: change. Writes: -; notifies. Errors: none.
create or replace function pgdevstate.ticker_step(
	p_site smallint, p_channel text, p_ticker boolean, inout relayed pg_snapshot, inout until xid8, out sent int)
language plpgsql
as $$
begin
	sent := 0;
	if relayed is null then
		return;
	end if;
	select r.relayed, r.sent into relayed, sent from pgdevstate.relay_rows(p_site, p_channel, relayed) r;
	if p_ticker then
		until := null;
	elsif until is null then
		until := pg_catalog.pg_snapshot_xmax(relayed);
	elsif pg_catalog.pg_snapshot_xmin(relayed) >= until then
		relayed := null;
		until := null;
	end if;
end
$$;
comment on function pgdevstate.ticker_step(smallint, text, boolean, pg_snapshot, xid8) is
	'part of relay and tick: one step of the ticker, or of its end';

-- ticker_count: members, whether all of them read packs, how fast the journal grows, the mean of this
-- and what it was, and how late tick() comes. A node calls it half a second after it had the answer to the
-- last one, so it comes as much later as a call waits, which is long where the database does not keep up: there
-- the rate says nothing, for it is what was done, not what was to do. One that was late means nothing, an audit or
-- a checkpoint: late_ms grows by at most 20 a tick.
-- Reads: change, entity, heartbeat, setting. Writes: nothing. Errors: PD006 a setting is missing.
create or replace function pgdevstate.ticker_count(
	p_was pgdevstate.ticker, p_now timestamptz, out now pgdevstate.ticker)
language plpgsql stable
as $$
declare
	v_ms bigint := case when p_was.counted_at = '-infinity' then 0
		else (pgdevstate.clock_us(p_now) - pgdevstate.clock_us(p_was.counted_at)) / 1000 end;
	v_id bigint;
begin
	now := p_was;
	select pg_catalog.count(*), coalesce(pg_catalog.min(e.built_for) >= 5, false) into now.members, now.packs
	from pgdevstate.heartbeat h
	join pgdevstate.entity e on e.site = h.site and e.entity_id = h.entity_id
	where h.site = p_was.site and h.alive and h.lease_ms is not null;
	now.period_ms := least(20, greatest(2, now.members * 1000::bigint
		/ greatest(1, pgdevstate.setting_value('ticker_deliveries'))));
	if v_ms between 0 and 99 and p_was.counted_at <> '-infinity' then
		return;
	end if;
	select coalesce(pg_catalog.max(c.id), p_was.counted_id) into v_id from pgdevstate.change c where c.site = p_was.site;
	if v_ms between 100 and 10000 then
		now.changes_per_s := (p_was.changes_per_s + greatest(v_id - p_was.counted_id, 0) * 1000 / v_ms) / 2;
		now.late_ms := greatest(0, least(v_ms - 500, p_was.late_ms + 20));
	else
		now.late_ms := 0;
	end if;
	now.counted_id := v_id;
	now.counted_at := p_now;
	if now.members * now.changes_per_s > pgdevstate.setting_value('direct_deliveries') / 3 then
		now.busy_at := p_now;
	end if;
end
$$;
comment on function pgdevstate.ticker_count(pgdevstate.ticker, timestamptz) is
	'part of tick: members, rate and late ticks, which the choice between direct and ticker goes by';

-- ticker_wanted: is the ticker to be used from now on? Who coordinates without calling relay() is
-- older than the ticker, or just begins (p_begins): then it stays as it is. Ticks that are 50 ms late
-- bring it from a third of the rate on: what a machine can do is not known beforehand. Back to direct only
-- after 10 s below that third, for by the ticker nothing is late, or it would go to and fro.
-- Reads: setting. Writes: nothing. Errors: PD006 a setting is missing.
create or replace function pgdevstate.ticker_wanted(
	p_ticker boolean, p_state pgdevstate.ticker, p_token uuid, p_begins boolean, p_now timestamptz)
returns boolean
language sql stable
as $$
	select case
		when pgdevstate.notify_mode_name(pgdevstate.setting_value('notify_mode')) = 'direct' then false
		when p_begins then p_ticker
		when p_state.relayer is distinct from p_token then false
		when pgdevstate.notify_mode_name(pgdevstate.setting_value('notify_mode')) = 'ticker' then true
		when p_state.members * p_state.changes_per_s > pgdevstate.setting_value('direct_deliveries') then true
		when p_state.members * p_state.changes_per_s > pgdevstate.setting_value('direct_deliveries') / 3
			and p_state.late_ms > 50 then true
		else p_ticker and p_state.busy_at between p_now - interval '10 seconds' and p_now
	end
$$;
comment on function pgdevstate.ticker_wanted(boolean, pgdevstate.ticker, uuid, boolean, timestamptz) is
	'part of tick: direct, or the ticker?';

-- tick_ticker: the ticker's share of tick(): tells what is new, so that the pulse's heads come
-- behind it; counts; chooses; the line for the pulse. Nobody waits for locks here: where somebody
-- else holds the ticker's row (an old coordinator whose server process hangs in the
-- middle of relay()), changes are told directly from now on, and heads prove nothing (told: false).
-- Reads: change, entity, heartbeat, setting. Writes: site, ticker; notifies. Errors: PD006 a setting is missing.
create or replace function pgdevstate.tick_ticker(
	p_site smallint, p_channel text, p_token uuid, p_begins boolean, p_now timestamptz, out told boolean, out line text)
language plpgsql
as $$
declare
	v_state pgdevstate.ticker;
	v_ticker boolean;
	v_wanted boolean := false;
	v_setting text := pgdevstate.notify_mode_name(pgdevstate.setting_value('notify_mode'));
begin
	select t.* into v_state from pgdevstate.ticker t where t.site = p_site for no key update skip locked;
	told := found;
	if not found and not exists (select from pgdevstate.ticker t where t.site = p_site) then -- deleted by somebody
		insert into pgdevstate.ticker as t (site, relayed) values (p_site, pg_catalog.pg_current_snapshot())
		on conflict (site) do update set site = t.site
		returning t.* into v_state;
		told := true;
	end if;
	select s.ticker into v_ticker from pgdevstate.site s where s.site = p_site;
	if told then
		select s.relayed, s.until into v_state.relayed, v_state.until
		from pgdevstate.ticker_step(p_site, p_channel, v_ticker, v_state.relayed, v_state.until) s;
		v_state := pgdevstate.ticker_count(v_state, p_now);
		v_wanted := pgdevstate.ticker_wanted(v_ticker, v_state, p_token, p_begins, p_now);
	end if;
	if v_wanted <> v_ticker then
		perform from pgdevstate.site s where s.site = p_site for no key update skip locked;
		if found then
			update pgdevstate.site s set ticker = v_wanted where s.site = p_site;
			v_ticker := v_wanted;
			v_state.switched_at := p_now;
			v_state.until := null;
			if v_wanted and v_state.relayed is null then
				v_state.relayed := pg_catalog.pg_current_snapshot();
			end if;
		end if;
	end if;
	if told then
		update pgdevstate.ticker t
		set relayed = v_state.relayed, until = v_state.until, period_ms = v_state.period_ms, members = v_state.members,
			changes_per_s = v_state.changes_per_s, packs = v_state.packs, late_ms = v_state.late_ms, counted_id = v_state.counted_id,
			counted_at = v_state.counted_at, busy_at = v_state.busy_at, switched_at = v_state.switched_at
		where t.site = p_site;
	end if;
	-- where nothing is said, it is direct, and auto: an older node does not know the line
	if v_ticker or v_setting <> 'auto' then
		line := pg_catalog.concat_ws(e'\t', 'N', case when v_ticker then 'ticker' else 'direct' end, v_setting,
			coalesce(v_state.members, 0), coalesce(v_state.changes_per_s, 0), coalesce(v_state.period_ms, 0)) || e'\n';
	end if;
end
$$;
comment on function pgdevstate.tick_ticker(smallint, text, uuid, boolean, timestamptz) is
	'part of tick: the ticker''s share';

-- ticker_end: no ticker any more, from this transaction on, unless somebody is at it just now.
-- Reads: change. Writes: site, ticker; notifies. Errors: none.
create or replace function pgdevstate.ticker_end(p_site smallint, p_channel text)
returns void
language plpgsql
as $$
declare
	v_was pgdevstate.ticker;
begin
	select t.* into v_was from pgdevstate.ticker t where t.site = p_site for no key update skip locked;
	if not found then
		return;
	end if;
	perform from pgdevstate.site s where s.site = p_site and s.ticker for no key update skip locked;
	if not found then
		return;
	end if;
	update pgdevstate.site s set ticker = false where s.site = p_site;
	update pgdevstate.ticker t
	set (relayed, until) = (
			select s.relayed, s.until from pgdevstate.ticker_step(p_site, p_channel, true, v_was.relayed, v_was.until) s),
		switched_at = pg_catalog.clock_timestamp()
	where t.site = p_site;
end
$$;
comment on function pgdevstate.ticker_end(smallint, text) is
	'part of leave: gives the ticker up, having told what is left';
