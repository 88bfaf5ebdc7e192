-- Purpose: which schema is this, and which nodes may use it?
-- Reads:   installed.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.schema_version(out version int, out oldest_node int)
language sql stable
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	select i.version, i.oldest_node from pgdevstate.installed i
$$;
comment on function pgdevstate.schema_version() is
	'version of this schema, and the oldest version that a node may have been built for';
