-- Purpose: is this session's login role the owner of an entity, or a member of it?
-- Reads:   pg_roles.   Writes: nothing.   Errors: none; an owner that was dropped is nobody.
create or replace function pgdevstate.may_act_for(p_owner name)
returns boolean
language plpgsql stable
as $$
begin
	if p_owner = session_user then
		return true;
	end if;
	return exists (
		select from pg_catalog.pg_roles r
		where r.rolname = p_owner and pg_catalog.pg_has_role(session_user, r.oid, 'member')
	);
end
$$;
comment on function pgdevstate.may_act_for(name) is 'is this login role the owner, or a member of it?';
