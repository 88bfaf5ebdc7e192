-- Purpose: a row of the journal that comes by logical replication is sent as a notification when it
--          commits. Who writes the journal here (write_change(), publish_device()) does that itself,
--          which is sooner, or leaves it to the ticker. A row trigger, because logical replication fires
--          no other kind, and one that is fired by nothing else.
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
comment on function pgdevstate.change_notify() is 'trigger of the journal: sends a replicated row''s payload as a notification';

create or replace trigger change_notify after insert on pgdevstate.change
	for each row execute function pgdevstate.change_notify();
alter table pgdevstate.change enable replica trigger change_notify;
comment on trigger change_notify on pgdevstate.change is 'a notification for each row of the journal that comes by logical replication';
