-- Purpose: this transaction commits without waiting for a standby. A commit that notifies
--          holds a lock of the whole server while it waits; one standby that is away would
--          stop the cluster. (A SET clause of the function is undone before the commit.)
-- Reads:   synchronous_commit.   Writes: it, for this transaction.   Errors: none.
create or replace function pgdevstate.commit_local()
returns void
language plpgsql
as $$
begin
	if pg_catalog.current_setting('synchronous_commit') not in ('off', 'local') then
		perform pg_catalog.set_config('synchronous_commit', 'local', true);
	end if;
end
$$;
comment on function pgdevstate.commit_local() is 'makes this transaction commit without waiting for a standby';
