-- Purpose: the heads of all entities: H lines.
-- Reads:   entity, heartbeat.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.read_heads()
returns setof text
language sql stable
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	select pg_catalog.concat_ws(e'\t', 'H', e.entity_id, e.incarnation, e.seq,
		pgdevstate.head_flags(h.alive, e.reporting))
	from pgdevstate.entity e
	join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id
	order by e.site, e.entity_id
$$;
comment on function pgdevstate.read_heads() is 'the heads of all entities, as H lines of a payload';
