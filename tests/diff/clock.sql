-- For the differential test: the schema's functions look at a clock that the test sets, and nodes
-- have a role of their own.
create schema diff;
create table diff.clock (at timestamptz not null);
insert into diff.clock values (clock_timestamp());
create function diff.now() returns timestamptz language sql volatile as 'select c.at from diff.clock c';
grant usage on schema diff to public;
grant select on diff.clock to public;
do $$
declare
	v_function record;
begin
	for v_function in
		select pg_get_functiondef(p.oid) as text
		from pg_proc p
		where p.pronamespace = 'pgdevstate'::regnamespace and p.prosrc like '%clock_timestamp()%'
	loop
		execute replace(v_function.text, 'pg_catalog.clock_timestamp()', 'diff.now()');
	end loop;
end
$$;
-- server processes really start at another time
create or replace function pgdevstate.connected_since() returns timestamptz
language sql volatile as $$ select current_setting('diff.connected')::timestamptz $$;
alter table pgdevstate.entity alter registered_at set default diff.now(), alter moved_at set default diff.now();
alter table pgdevstate.change alter at set default diff.now();
-- Nodes log in as no superuser, so that the functions may end their sessions.
create role diff_node login;
grant pgdevstate_node to diff_node;
