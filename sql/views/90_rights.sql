-- Who owns what and who may do what, said once for all; the last file of every migrate. What
-- is not granted here is granted to nobody.
do $$
declare
	v_object record;
begin
	for v_object in
		select case p.prokind when 'a' then 'aggregate' else 'function' end as kind, 'function' as granted,
			p.oid::regprocedure::text as name, p.proowner as owner
		from pg_catalog.pg_proc p
		where p.pronamespace = 'pgdevstate'::regnamespace
		union all
		select case c.relkind when 'v' then 'view' else 'table' end, 'table', c.oid::regclass::text, c.relowner
		from pg_catalog.pg_class c
		where c.relnamespace = 'pgdevstate'::regnamespace and c.relkind in ('r', 'v')
		union all
		select 'domain', 'domain', t.oid::regtype::text, t.typowner
		from pg_catalog.pg_type t
		where t.typnamespace = 'pgdevstate'::regnamespace and t.typtype = 'd'
	loop
		if v_object.owner <> 'pgdevstate_owner'::regrole then
			execute format('alter %s %s owner to pgdevstate_owner', v_object.kind, v_object.name);
		end if;
		execute format('revoke all on %s %s from public, pgdevstate_node, pgdevstate_reader', v_object.granted, v_object.name);
	end loop;
end
$$;

revoke all on schema pgdevstate from public;
grant usage on schema pgdevstate to pgdevstate_node, pgdevstate_reader;

-- what a node calls
grant execute on function
	pgdevstate.schema_version(),
	pgdevstate.register(macaddr, uuid, text, text, int, text, text, int, uuid, bigint, uuid, int),
	pgdevstate.resume(macaddr, uuid, bigint, text, text, int, text),
	pgdevstate.publish_device(macaddr, uuid, uuid, text, int, boolean, bigint),
	pgdevstate.publish(macaddr, uuid, uuid, text[], int[], boolean[], bigint[], text[], text[], int[], int[], int[],
		boolean[], bigint[], boolean, boolean),
	pgdevstate.tick(macaddr, uuid, uuid, uuid),
	pgdevstate.relay(macaddr, uuid, uuid, uuid),
	pgdevstate.leave(macaddr, uuid, uuid),
	pgdevstate.ping(macaddr, uuid, uuid, bigint, macaddr),
	pgdevstate.read_rows(macaddr),
	pgdevstate.read_heads(),
	pgdevstate.read_journal(macaddr, uuid, bigint),
	pgdevstate.read_policies()
to pgdevstate_node;

-- what people read; the functions are those that the views use, and their like
grant select on
	pgdevstate.device, pgdevstate.device_entity, pgdevstate.mailbox, pgdevstate.mailbox_entity, pgdevstate.member,
	pgdevstate.policy, pgdevstate.notify_mode
to pgdevstate_reader;
grant execute on function
	pgdevstate.device_state_name(int),
	pgdevstate.device_state_number(text),
	pgdevstate.device_state_of_set(int),
	pgdevstate.device_state_sum(int),
	pgdevstate.device_state_sum(text),
	pgdevstate.device_state_sum_final(int),
	pgdevstate.device_state_sum_word(int, text),
	pgdevstate.notify_mode_name(bigint),
	pgdevstate.policy_of(text, text),
	pgdevstate.policy_matchers(text, text[]),
	pgdevstate.device_policy(text),
	pgdevstate.mailbox_policy(text, text)
to pgdevstate_reader;

-- To end the sessions of dead nodes, and to see when sessions began, the owner needs two
-- predefined roles. Who migrates may not have the right to give them.
do $$
declare
	v_role text;
begin
	foreach v_role in array array['pg_signal_backend', 'pg_read_all_stats'] loop
		continue when pg_catalog.pg_has_role('pgdevstate_owner', v_role, 'member');
		begin
			execute format('grant %I to pgdevstate_owner', v_role);
		exception
			when insufficient_privilege then
				raise warning 'role % may not grant % to pgdevstate_owner', current_user, v_role
					using hint = format('As superuser: grant %I to pgdevstate_owner; until then stopped nodes'' sessions are not ended.', v_role);
			when unique_violation then
				null; -- another database's migration was first
		end;
	end loop;
end
$$;
