-- Purpose: the number of the site that this database is.
-- Reads:   site.      Writes: nothing.
-- Errors:  none; null where no site is marked as here.
create or replace function pgdevstate.here()
returns smallint
language sql stable parallel safe
set search_path = pg_catalog, pgdevstate, pg_temp
security definer
as $$
	select s.site from pgdevstate.site s where s.is_here
$$;
comment on function pgdevstate.here() is 'number of the site that this database is';
