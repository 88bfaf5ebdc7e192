-- Purpose: heads and rows, of one entity or of all, in one snapshot: S payloads, each entity's
--          in order. 200 devices or 100 mailboxes a chunk keep it below 64 KiB whatever the
--          names. An entity without rows has one chunk. The first chunk says who it is. An age
--          is below 0 after the clock went back: else two such rows would seem equally old.
--          Before those of all come all policies, if ever one was set.
-- Reads:   site, policy, entity, heartbeat, entity_device, entity_mailbox.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.read_rows(p_entity_id macaddr default null)
returns setof text
language sql stable
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	with clock as materialized (
		select pg_catalog.clock_timestamp() as at
	)
	select pgdevstate.policies_payload()
	from pgdevstate.site s
	where s.is_here and s.policy_version > 0 and p_entity_id is null
	union all
	(select pg_catalog.concat_ws(e'\t', '1', 'S', e.site, e.entity_id, e.incarnation, 0, e.seq, r.chunk,
			greatest(r.chunks, 1), pgdevstate.head_flags(h.alive, e.reporting), '-', 0, pgdevstate.clock_us(c.at))
		|| e'\n'
		|| case when r.chunk = 1 then pgdevstate.entity_line(e.kind, e.name, e.host, e.pid, e.version, e.registered_at)
			else '' end
		|| r.lines
	from clock c
	cross join pgdevstate.entity e
	join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id
	cross join lateral (
		select pg_catalog.row_number() over (order by q.kind, q.part) as chunk, pg_catalog.count(*) over () as chunks, q.lines
		from (
			select 0 as kind, x.part, pg_catalog.string_agg(x.line, '') as lines
			from (
				select (pg_catalog.row_number() over () - 1) / 200 as part,
					e'D\t' || d.state || case when d.held then e'\th\t' else e'\t-\t' end
					|| (date_part('epoch', c.at - d.stamp) * 1000000)::bigint || e'\t' || d.device || e'\n' as line
				from pgdevstate.entity_device d
				where d.site = e.site and d.entity_id = e.entity_id
			) x
			group by x.part
			union all
			select 1, x.part, pg_catalog.string_agg(x.line, '')
			from (
				select (pg_catalog.row_number() over () - 1) / 100 as part,
					pg_catalog.concat_ws(e'\t', 'M', m.urgent_messages, m.new_messages, m.old_messages,
					case when m.held then 'h' else '-' end,
					(date_part('epoch', c.at - m.stamp) * 1000000)::bigint, m.mailbox, m.context) || e'\n' as line
				from pgdevstate.entity_mailbox m
				where m.site = e.site and m.entity_id = e.entity_id
			) x
			group by x.part
			union all
			select 2, 0, ''
			where not exists (select from pgdevstate.entity_device d where d.site = e.site and d.entity_id = e.entity_id)
				and not exists (select from pgdevstate.entity_mailbox m where m.site = e.site and m.entity_id = e.entity_id)
		) q
	) r
	where p_entity_id is null or e.entity_id = p_entity_id
	order by e.site, e.entity_id, r.chunk)
$$;
comment on function pgdevstate.read_rows(macaddr) is
	'heads and rows of one entity, or the policies and those of all, in one snapshot, as V and S payloads';
