-- Purpose: the coordinator as the ticker: what is new in the journal and was not told by its own
--          transaction is told, in order. Called after each tick(), and every period_ms while there is
--          anything to tell; 0: not before the next tick. Who calls it can be the ticker.
--          Never waits: where somebody else tells just now, or the token is not the
--          coordinator's any more, there is nothing to do. Where there is nothing new it
--          only reads.
-- Reads:   site, coordinator, change.   Writes: ticker; notifies.   Errors: PD001, PD003, PD006 as publish.
create or replace function pgdevstate.relay(
	p_entity_id macaddr, p_incarnation uuid, p_session uuid, p_token uuid, out period_ms int, out sent int)
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	v_site record;
	v_was pgdevstate.ticker;
begin
	perform pgdevstate.commit_local();
	period_ms := 0;
	sent := 0;
	perform pgdevstate.head_check(p_entity_id, p_incarnation, p_session);
	select s.site, s.channel, s.ticker into v_site from pgdevstate.site s where s.is_here;
	select t.* into v_was
	from pgdevstate.ticker t
	join pgdevstate.coordinator c on c.site = t.site
	where t.site = v_site.site and c.token = p_token;
	if not found then
		return;
	elsif v_was.relayer is not distinct from p_token and (v_was.relayed is null
		or v_site.ticker and not pgdevstate.relay_waits(v_was.site, v_was.relayed)) then
		period_ms := case when v_was.relayed is null then 0 else v_was.period_ms end;
		return;
	end if;
	select t.* into v_was from pgdevstate.ticker t where t.site = v_site.site for no key update skip locked;
	if not found then
		return;
	end if;
	select s.site, s.channel, s.ticker into v_site from pgdevstate.site s where s.is_here; -- behind the lock
	select s.relayed, s.until, s.sent into v_was.relayed, v_was.until, sent
	from pgdevstate.ticker_step(v_site.site, v_site.channel, v_site.ticker, v_was.relayed, v_was.until) s;
	update pgdevstate.ticker t
	set relayer = p_token, relayed = v_was.relayed, until = v_was.until
	where t.site = v_site.site;
	period_ms := case when v_was.relayed is null then 0 else v_was.period_ms end;
end
$$;
comment on function pgdevstate.relay(macaddr, uuid, uuid, uuid) is
	'the coordinator as the ticker: tells what is new in the journal; returns when it is to be called again';
