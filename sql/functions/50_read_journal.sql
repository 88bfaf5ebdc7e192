-- Purpose: what an entity told since p_after_seq, for a listener that missed some of it. First
--          the head, as an S payload with chunk 0 of 0; then the changes in order. All or
--          nothing: they come only when they lead without a gap, each with all its chunks, from
--          (p_incarnation, p_after_seq) to the head; else only the head comes, and the
--          listener reads the rows. The first change, or the one before it, must be of
--          p_incarnation: the same number of another run may have another history.
-- Reads:   entity, heartbeat, change.   Writes: nothing.   Errors: none; no row for an unknown
--          entity.
create or replace function pgdevstate.read_journal(p_entity_id macaddr, p_incarnation uuid, p_after_seq bigint)
returns setof text
language sql stable
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	with head as materialized (
		select e.site, e.entity_id, e.incarnation, e.seq, pgdevstate.head_flags(h.alive, e.reporting) as flags
		from pgdevstate.entity e
		join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id
		where e.entity_id = p_entity_id
	), news as materialized (
		select c.from_seq, c.to_seq, c.chunk, c.chunks, c.incarnation, c.payload
		from head e
		join pgdevstate.change c on c.site = e.site and c.entity_id = e.entity_id
			and c.to_seq > p_after_seq and c.to_seq <= e.seq
	), whole as (
		select n.from_seq, n.to_seq, pg_catalog.count(*) = pg_catalog.max(n.chunks) as complete,
			pg_catalog.lag(n.to_seq, 1, p_after_seq) over (order by n.to_seq) = n.from_seq as follows
		from news n
		group by n.from_seq, n.to_seq
	), verdict as materialized (
		select coalesce(pg_catalog.bool_and(w.complete and w.follows), false)
			and pg_catalog.max(w.to_seq) = (select e.seq from head e)
			and exists (
				select from head e
				join pgdevstate.change c on c.site = e.site and c.entity_id = e.entity_id
				where c.incarnation = p_incarnation
					and (c.to_seq = p_after_seq or (c.from_seq = p_after_seq and c.to_seq <= e.seq))
			) as good
		from whole w
	)
	select r.payload
	from (
		select 0 as kind, 0::bigint as to_seq, 0 as chunk,
			pg_catalog.concat_ws(e'\t', '1', 'S', e.site, e.entity_id, e.incarnation, 0, e.seq, 0, 0, e.flags, '-', 0,
				pgdevstate.clock_us(pg_catalog.clock_timestamp())) || e'\n' as payload
		from head e
		union all
		select 1, n.to_seq, n.chunk, n.payload
		from news n
		where (select v.good from verdict v)
	) r
	order by r.kind, r.to_seq, r.chunk
$$;
comment on function pgdevstate.read_journal(macaddr, uuid, bigint) is
	'the head of an entity, then its changes after a seq, where the journal has all of them';
