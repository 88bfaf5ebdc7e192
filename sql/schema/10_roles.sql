-- Roles: three that cannot log in. They belong to the whole server, so another database may
-- have made them already, or be making them at this moment.
do $$
declare
	v_role record;
begin
	if current_setting('server_encoding') <> 'UTF8' then
		raise exception using errcode = '22021',
			message = format('database %I has encoding %s, pgdevstate needs UTF8',
				current_database(), current_setting('server_encoding')),
			hint = 'Create it with: create database ... encoding ''UTF8'' template template0';
	end if;
	for v_role in
		select * from (values
			('pgdevstate_owner', 'owns everything in schema pgdevstate; its members administer'),
			('pgdevstate_node', 'may call what a node calls; each node''s login role is a member'),
			('pgdevstate_reader', 'may read the views of schema pgdevstate, nothing else')
		) as r(name, comment)
	loop
		continue when exists (select from pg_catalog.pg_roles where rolname = v_role.name);
		begin
			execute format('create role %I nologin', v_role.name);
			execute format('comment on role %I is %L', v_role.name, 'pgdevstate: ' || v_role.comment);
		exception
			when duplicate_object or unique_violation then
				null; -- another database's migration was first
			when insufficient_privilege then
				raise exception using errcode = '42501',
					message = format('role %I may not create role %I', current_user, v_role.name),
					hint = format('Migrate as a superuser or as a role with CREATEROLE (alter role %I createrole).',
						current_user);
		end;
	end loop;
	-- whoever is no superuser must be a member to give things to the owner
	if not pg_catalog.pg_has_role(current_user, 'pgdevstate_owner', 'usage') then
		begin
			execute format('grant pgdevstate_owner to %I', current_user);
		exception
			when unique_violation then
				null; -- as above
			when insufficient_privilege then
				raise exception using errcode = '42501',
					message = format('role %I is no member of pgdevstate_owner, which is to own the schema', current_user),
					hint = format('As a superuser: grant pgdevstate_owner to %I', current_user);
		end;
	end if;
end
$$;

create schema pgdevstate authorization pgdevstate_owner;
comment on schema pgdevstate is
	'States of devices and mailboxes that several telephone servers share. Read the views device, mailbox, member; write through functions only.';
