-- Purpose: SQL takes back what it said of a mailbox (set_mailbox).
-- Reads:   site.   Writes: entity, heartbeat, entity_mailbox, change.
-- Errors:  PD004 illegal name; PD005 a node has that entity's name; PD006 no such static entity.
create or replace function pgdevstate.clear_mailbox(mailbox text, context text, entity text default 'sql')
returns int
language sql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	select pgdevstate.static_write(entity, pgdevstate.static_ttl(entity), '{}', '{}', array[mailbox], array[context],
		array[-1], array[0], array[0])
$$;
comment on function pgdevstate.clear_mailbox(text, text, text) is
	'SQL takes back what a static entity ("sql" unless named) said of a mailbox; returns 1 if it changed, else 0';
