-- Purpose: all policies, for a node that heard of another version of them: one V payload.
-- Reads:   site, policy.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.read_policies()
returns setof text
language sql stable
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	select pgdevstate.policies_payload()
$$;
comment on function pgdevstate.read_policies() is 'all policies, as a V payload';
