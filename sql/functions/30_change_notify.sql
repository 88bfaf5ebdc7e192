-- Purpose: each row of the journal is sent as a notification when it commits, but for those that
--          the ticker tells. A row trigger, because logical replication fires no other kind.
-- Reads:   site.      Writes: nothing; notifies.   Errors: none.
create or replace function pgdevstate.change_notify()
returns trigger
language plpgsql
as $$
begin
	perform pg_catalog.pg_notify(s.channel, new.payload) from pgdevstate.site s where s.is_here;
	return null;
end
$$;
comment on function pgdevstate.change_notify() is 'trigger of the journal: sends the new row''s payload as a notification';

create or replace trigger change_notify after insert on pgdevstate.change
	for each row when (new.told) execute function pgdevstate.change_notify();
comment on trigger change_notify on pgdevstate.change is 'a notification for each row of the journal that the ticker does not tell';
