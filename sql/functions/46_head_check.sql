-- Purpose: check that the caller may speak for its entity, without locking anything.
-- Reads:   site, entity.   Writes: nothing.   Errors: PD001, PD003, PD006.
create or replace function pgdevstate.head_check(p_entity_id macaddr, p_incarnation uuid, p_session uuid)
returns void
language plpgsql
as $$
declare
	v_head pgdevstate.entity;
begin
	select e.* into v_head
	from pgdevstate.entity e
	where e.site = (select s.site from pgdevstate.site s where s.is_here) and e.entity_id = p_entity_id;
	perform pgdevstate.head_refuse(v_head, p_entity_id, p_incarnation, p_session);
end
$$;
comment on function pgdevstate.head_check(macaddr, uuid, uuid) is
	'refuses callers that may not speak for an entity; locks nothing';
