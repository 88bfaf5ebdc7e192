-- Purpose: lock the head of the caller's entity and check that the caller may write for it.
-- Reads:   site.   Writes: nothing; locks the entity's row.
-- Errors:  PD001 not this incarnation or session, PD003 another role's, PD006 unknown.
create or replace function pgdevstate.head_lock(p_entity_id macaddr, p_incarnation uuid, p_session uuid)
returns pgdevstate.entity
language plpgsql
as $$
declare
	v_head pgdevstate.entity;
begin
	select e.* into v_head
	from pgdevstate.entity e
	where e.site = (select s.site from pgdevstate.site s where s.is_here) and e.entity_id = p_entity_id
	for no key update;
	if v_head.incarnation = p_incarnation and v_head.session = p_session and v_head.owner = session_user then
		return v_head;
	end if;
	perform pgdevstate.head_refuse(v_head, p_entity_id, p_incarnation, p_session);
	return v_head;
end
$$;
comment on function pgdevstate.head_lock(macaddr, uuid, uuid) is
	'locks the head row of the caller''s entity; refuses callers that may not write for it';

create or replace function pgdevstate.head_refuse(
	p_head pgdevstate.entity, p_entity_id macaddr, p_incarnation uuid, p_session uuid)
returns void
language plpgsql stable
as $$
begin
	if p_head.entity_id is null or p_head.kind <> 'node' then
		raise exception using errcode = 'PD006',
			message = pg_catalog.format('there is no node %s here', coalesce(p_entity_id::text, '(null)')),
			hint = 'Register first.';
	end if;
	if not pgdevstate.may_act_for(p_head.owner) then
		raise exception using errcode = 'PD003',
			message = pg_catalog.format('entity %s belongs to role "%s", this session is "%s"', p_entity_id,
				p_head.owner, session_user),
			hint = 'Log in as the role that registered it, or let an administrator remove() the entity.';
	end if;
	if (p_head.incarnation = p_incarnation and p_head.session = p_session) is not true then
		raise exception using errcode = 'PD001',
			message = pg_catalog.format('session of entity %s is not the current one', p_entity_id),
			detail = case when p_head.session is null then 'Nobody is registered.'
				else pg_catalog.format('Registered is "%s" on host "%s", process %s, since %s.', p_head.name, p_head.host,
					p_head.pid, p_head.registered_at) end,
			hint = 'Resume, or register anew.';
	end if;
end
$$;
comment on function pgdevstate.head_refuse(pgdevstate.entity, macaddr, uuid, uuid) is
	'says why a caller may not write for an entity; returns if it may';
