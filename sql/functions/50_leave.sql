-- Purpose: a node says goodbye: what it said counts no more, at once. Its rows stay.
--          Where it is the ticker, it tells what is left, and changes are told directly until the
--          next coordinator: who stops a node does not make all lamps wait for that.
-- Reads:   site, coordinator.   Writes: entity, heartbeat, change, and site, ticker.
-- Errors:  PD001 not this incarnation or session; PD003; PD006.
create or replace function pgdevstate.leave(p_entity_id macaddr, p_incarnation uuid, p_session uuid, out seq bigint)
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	v_head pgdevstate.entity;
	v_now timestamptz;
begin
	perform pgdevstate.commit_local();
	v_head := pgdevstate.head_lock(p_entity_id, p_incarnation, p_session);
	v_now := pg_catalog.clock_timestamp();
	update pgdevstate.heartbeat set alive = false, beat_at = v_now
	where site = v_head.site and entity_id = p_entity_id;
	perform pgdevstate.ticker_end(s.site, s.channel)
	from pgdevstate.site s
	join pgdevstate.coordinator c on c.site = s.site
	where s.site = v_head.site and s.ticker and c.entity_id = p_entity_id and c.incarnation = p_incarnation;
	seq := v_head.seq + 1;
	update pgdevstate.entity
	set seq = v_head.seq + 1, session = null, reporting = false, unconfirmed = 0, moved_at = v_now
	where site = v_head.site and entity_id = p_entity_id;
	perform pgdevstate.write_change(v_head.site, p_entity_id, p_incarnation, v_head.seq, v_head.seq + 1, '-', v_now, '');
end
$$;
comment on function pgdevstate.leave(macaddr, uuid, uuid) is 'a node says goodbye: what it said counts no more';
