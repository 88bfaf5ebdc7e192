-- Purpose: the server process behind an entity's session: is it gone, and end it. A process
--          is known by number and start, because numbers repeat. The start can be seen only
--          with pg_read_all_stats; without that the number alone decides.
-- Reads:   pg_stat_activity.   Writes: nothing; may end another session of this database.
-- Errors:  none; a backend that must not be ended (a superuser's) is left, with a warning.
create or replace function pgdevstate.backend_is_there(p_pid int, p_start timestamptz)
returns boolean
language sql volatile
as $$
	select exists (
		select from pg_catalog.pg_stat_activity a
		where a.pid = p_pid and a.datname = pg_catalog.current_database()
			and (a.backend_start = p_start) is not false
	)
$$;
comment on function pgdevstate.backend_is_there(int, timestamptz) is
	'does the server process that an entity registered with still exist?';

create or replace function pgdevstate.backend_end(p_pid int, p_start timestamptz)
returns void
language plpgsql
as $$
begin
	if p_pid is null or p_pid = pg_catalog.pg_backend_pid() or not pgdevstate.backend_is_there(p_pid, p_start) then
		return;
	end if;
	perform pg_catalog.pg_terminate_backend(p_pid);
exception when insufficient_privilege then
	raise warning 'backend % of a node that is gone could not be ended: %', p_pid, sqlerrm
		using hint = 'grant pg_signal_backend to pgdevstate_owner; and let nodes log in with roles that are no superusers';
end
$$;
comment on function pgdevstate.backend_end(int, timestamptz) is
	'ends the server process that an entity registered with, if it is still there';

create or replace function pgdevstate.backend_start()
returns timestamptz
language sql volatile
as $$
	select a.backend_start from pg_catalog.pg_stat_activity a where a.pid = pg_catalog.pg_backend_pid()
$$;
comment on function pgdevstate.backend_start() is 'when this session''s server process started, if that can be seen';

create or replace function pgdevstate.connected_since()
returns timestamptz
language sql volatile
as $$
	select pgdevstate.backend_start()
$$;
comment on function pgdevstate.connected_since() is 'since when this session knows that the database is there';
