-- Purpose: heads and rows, of one entity or of all, in one snapshot: S payloads, each entity's
--          in order. 200 devices or 100 mailboxes a chunk keep it below 64 KiB whatever the
--          names. An entity without rows has one chunk. The first chunk says who it is. An age
--          is below 0 after the clock went back: else two such rows would seem equally old.
--          Before those of all come all policies, if ever one was set.
--          Called in a select list it sends each chunk as soon as it is made: the order is that
--          of the loop over entities, and of the steps along the key; a sort would wait for the last.
-- Reads:   site, policy, entity, heartbeat, entity_device, entity_mailbox.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.read_rows(p_entity_id macaddr default null)
returns setof text
language sql stable
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	select pgdevstate.policies_payload()
	from pgdevstate.site s
	where s.is_here and s.policy_version > 0 and p_entity_id is null
	union all
	select pg_catalog.concat_ws(e'\t', '1', 'S', e.site, e.entity_id, e.incarnation, 0, e.seq, r.chunk,
			greatest(e.device_chunks + e.mailbox_chunks, 1), pgdevstate.head_flags(e.alive, e.reporting), '-', 0,
			pgdevstate.clock_us(e.at))
		|| e'\n'
		|| case when r.chunk = 1 then pgdevstate.entity_line(e.kind, e.name, e.host, e.pid, e.version, e.registered_at)
			else '' end
		|| r.lines
	from (
		select e.*, h.alive, c.at,
			(select pg_catalog.count(*) + 199 from pgdevstate.entity_device d
				where d.site = e.site and d.entity_id = e.entity_id) / 200 as device_chunks,
			(select pg_catalog.count(*) + 99 from pgdevstate.entity_mailbox m
				where m.site = e.site and m.entity_id = e.entity_id) / 100 as mailbox_chunks
		from (select pg_catalog.clock_timestamp() as at offset 0) c
		cross join pgdevstate.entity e
		join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id
		where p_entity_id is null or e.entity_id = p_entity_id
		order by e.site, e.entity_id
		offset 0
	) e
	cross join lateral (
		with recursive devices as (
			select 1::bigint as chunk, p.lines, p.last
			from pgdevstate.device_part(e.site, e.entity_id, '', e.at) p
			where p.lines is not null
			union all
			select b.chunk + 1, p.lines, p.last
			from devices b
			cross join lateral pgdevstate.device_part(e.site, e.entity_id, b.last, e.at) p
			where p.lines is not null
		), mailboxes as (
			select e.device_chunks + 1 as chunk, p.lines, p.last
			from pgdevstate.mailbox_part(e.site, e.entity_id, '{"", ""}', e.at) p
			where p.lines is not null
			union all
			select b.chunk + 1, p.lines, p.last
			from mailboxes b
			cross join lateral pgdevstate.mailbox_part(e.site, e.entity_id, b.last, e.at) p
			where p.lines is not null
		)
		select d.chunk, d.lines from devices d
		union all
		select m.chunk, m.lines from mailboxes m
		union all
		select 1, '' where e.device_chunks + e.mailbox_chunks = 0
	) r
$$;
comment on function pgdevstate.read_rows(macaddr) is
	'heads and rows of one entity, or the policies and those of all, in one snapshot, as V and S payloads';
