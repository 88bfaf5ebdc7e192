-- Purpose: SQL says message counts of a mailbox, as a static entity ("sql" unless named).
--              select pgdevstate.set_mailbox('1000', 'default', 2);
-- Reads:   site.   Writes: entity, heartbeat, entity_mailbox, change.
-- Errors:  PD004 illegal name, count or ttl; PD005 a node has that entity's name.
create or replace function pgdevstate.set_mailbox(
	mailbox text, context text, new_messages int, old_messages int default 0, urgent_messages int default 0,
	entity text default 'sql', ttl interval default null)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
begin
	if urgent_messages = -1 then -- which would remove
		urgent_messages := -2;
	end if;
	return pgdevstate.static_write(entity, ttl, '{}', '{}', array[mailbox], array[context],
		array[urgent_messages], array[new_messages], array[old_messages]);
end
$$;
comment on function pgdevstate.set_mailbox(text, text, int, int, int, text, interval) is
	'SQL says the message counts of a mailbox, as a static entity ("sql" unless named); returns 1 if they changed, else 0';
