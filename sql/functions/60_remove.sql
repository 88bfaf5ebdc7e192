-- Purpose: forget an entity that is not alive, and all it said. For administrators.
-- Reads:   site.   Writes: entity, heartbeat, entity_device, entity_mailbox, change; notifies.
-- Errors:  PD005 it is a living node; PD006 there is no such entity.
create or replace function pgdevstate.remove(p_entity_id macaddr)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
declare
	v_head pgdevstate.entity;
	v_channel text;
begin
	perform pgdevstate.commit_local();
	select e.* into v_head
	from pgdevstate.entity e
	where e.site = (select s.site from pgdevstate.site s where s.is_here) and e.entity_id = p_entity_id
	for update;
	if not found then
		raise exception using errcode = 'PD006',
			message = pg_catalog.format('there is no entity %s', coalesce(p_entity_id::text, '(null)')),
			hint = 'select * from pgdevstate.member lists them.';
	end if;
	if v_head.kind = 'node' and exists (
		select from pgdevstate.heartbeat h
		where h.site = v_head.site and h.entity_id = p_entity_id and h.alive
			and h.beat_at + h.lease_ms * interval '1 millisecond' > pg_catalog.clock_timestamp()
	) then
		raise exception using errcode = 'PD005',
			message = pg_catalog.format('entity %s is a living node: "%s" on host "%s", process %s', p_entity_id,
				v_head.name, v_head.host, v_head.pid),
			hint = 'Stop the node first.';
	end if;
	delete from pgdevstate.entity_device d where d.site = v_head.site and d.entity_id = p_entity_id;
	delete from pgdevstate.entity_mailbox m where m.site = v_head.site and m.entity_id = p_entity_id;
	delete from pgdevstate.change c where c.site = v_head.site and c.entity_id = p_entity_id;
	delete from pgdevstate.entity e where e.site = v_head.site and e.entity_id = p_entity_id;
	select s.channel into v_channel from pgdevstate.site s where s.is_here;
	perform pg_catalog.pg_notify(v_channel, pg_catalog.concat_ws(e'\t', '1', 'X', v_head.site, p_entity_id,
		v_head.incarnation, v_head.seq, pgdevstate.clock_us(pg_catalog.clock_timestamp())) || e'\n');
	perform pgdevstate.backend_end(v_head.backend_pid, v_head.backend_start);
end
$$;
comment on function pgdevstate.remove(macaddr) is
	'administrators: forget an entity that is not alive, and all it said';
