-- Purpose: the audit line of an entity: its head, the number of its rows and the digest of
--          them (docs/protocol.md), all of one snapshot. Newline at the end.
-- Reads:   entity, heartbeat, entity_device, entity_mailbox.   Writes: nothing.
-- Errors:  none; null for an unknown entity.
create or replace function pgdevstate.audit_line(p_site smallint, p_entity_id macaddr)
returns text
language sql stable
as $$
	with line as (
		select e'D\t' || d.state || case when d.held then e'\th\t' else e'\t-\t' end || d.device as line
		from pgdevstate.entity_device d
		where d.site = p_site and d.entity_id = p_entity_id
		union all
		select pg_catalog.concat_ws(e'\t', 'M', m.urgent_messages, m.new_messages, m.old_messages,
			case when m.held then 'h' else '-' end, m.mailbox, m.context)
		from pgdevstate.entity_mailbox m
		where m.site = p_site and m.entity_id = p_entity_id
	), digest as (
		select pg_catalog.count(*) as rows,
			pg_catalog.bit_xor(('x' || pg_catalog.left(pg_catalog.md5(l.line), 16))::bit(64)::bigint) as digest
		from line l
	)
	select pg_catalog.concat_ws(e'\t', 'A', e.entity_id, e.incarnation, e.seq,
		pgdevstate.head_flags(h.alive, e.reporting), g.rows,
		pg_catalog.lpad(pg_catalog.to_hex(coalesce(g.digest, 0)), 16, '0')) || e'\n'
	from pgdevstate.entity e
	join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id
	cross join digest g
	where e.site = p_site and e.entity_id = p_entity_id
$$;
comment on function pgdevstate.audit_line(smallint, macaddr) is
	'audit line of an entity: head, number of rows, digest of the rows';
