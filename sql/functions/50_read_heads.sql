-- Purpose: the heads of all entities: H lines; before them all policies, if ever one was set.
-- Reads:   entity, heartbeat, site, policy.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.read_heads()
returns setof text
language sql stable
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	select pgdevstate.policies_payload() from pgdevstate.site s where s.is_here and s.policy_version > 0
	union all
	(select pg_catalog.concat_ws(e'\t', 'H', e.entity_id, e.incarnation, e.seq,
		pgdevstate.head_flags(h.alive, e.reporting))
	from pgdevstate.entity e
	join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id
	order by e.site, e.entity_id)
$$;
comment on function pgdevstate.read_heads() is 'all policies, if there ever were any; then the heads of all entities, as H lines of a payload';
