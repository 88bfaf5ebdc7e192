-- Who may do what: each role logs in and tries each call.
\ir lib/node.sql
select no_plan();
select pg_temp.begin_run('a') \g /dev/null
-- roles belong to the whole server, which other tests use at the same time
select format('t%s_node1', pg_backend_pid()) as node1, format('t%s_node2', pg_backend_pid()) as node2, format('t%s_reader', pg_backend_pid()) as reader,
	format('t%s_admin', pg_backend_pid()) as admin, format('t%s_nobody', pg_backend_pid()) as nobody \gset
create role :"node1" login in role pgdevstate_node;
create role :"node2" login in role pgdevstate_node;
create role :"reader" login in role pgdevstate_reader;
create role :"admin" login in role pgdevstate_owner;
create role :"nobody" login;

select session_user as super \gset
create temp table call (n int generated always as identity, kind text, call text);
insert into call (kind, call) values
	('node', 'pgdevstate.schema_version()'),
	('node', $$pgdevstate.register('02:00:00:00:00:f1', '11111111-0000-0000-0000-000000000001', 'n', 'h', 1, 'b', 'v', 10000)$$),
	('node', $$pgdevstate.resume('02:00:00:00:00:f1', '11111111-0000-0000-0000-000000000001', 1, 'n', 'h', 1, 'b')$$),
	('node', $$pgdevstate.publish_device('02:00:00:00:00:0a', '11111111-0000-0000-0000-000000000001', '11111111-0000-0000-0000-000000000001', 'x', 1, false, 0)$$),
	('node', $$pgdevstate.publish('02:00:00:00:00:0a', '11111111-0000-0000-0000-000000000001', null, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')$$),
	('node', $$pgdevstate.tick('02:00:00:00:00:0a', '11111111-0000-0000-0000-000000000001', null, null)$$),
	('node', $$pgdevstate.relay('02:00:00:00:00:0a', '11111111-0000-0000-0000-000000000001', null, null)$$),
	('node', $$pgdevstate.leave('02:00:00:00:00:0a', '11111111-0000-0000-0000-000000000001', null)$$),
	('node', $$pgdevstate.ping('02:00:00:00:00:0a', '11111111-0000-0000-0000-000000000001', null, 1)$$),
	('node', 'pgdevstate.read_rows()'),
	('node', 'pgdevstate.read_heads()'),
	('node', $$pgdevstate.read_journal('02:00:00:00:00:0a', '11111111-0000-0000-0000-000000000001', 0)$$),
	('node', 'pgdevstate.read_policies()'),
	('reader', 'pgdevstate.device'),
	('reader', 'pgdevstate.device_entity'),
	('reader', 'pgdevstate.mailbox'),
	('reader', 'pgdevstate.mailbox_entity'),
	('reader', 'pgdevstate.member'),
	('reader', 'pgdevstate.policy'),
	('reader', 'pgdevstate.notify_mode'),
	('reader', 'pgdevstate.notify_mode_name(1)'),
	('reader', $$pgdevstate.policy_of('device', 'x')$$),
	('reader', $$pgdevstate.policy_matchers('device', '{latest}')$$),
	('reader', $$pgdevstate.device_policy('x')$$),
	('reader', $$pgdevstate.mailbox_policy('x')$$),
	('reader', 'pgdevstate.device_state_name(1)'),
	('reader', $$pgdevstate.device_state_number('INUSE')$$),
	('reader', 'pgdevstate.device_state_of_set(1)'),
	('reader', '(select pgdevstate.device_state_sum(1)) x'),
	('reader', $$(select pgdevstate.device_state_sum('INUSE'::text)) x$$),
	('admin', $$pgdevstate.set_device_state('Custom:x', 'INUSE')$$),
	('admin', $$pgdevstate.set_device_state(array['Custom:x'], array['BUSY'])$$),
	('admin', $$pgdevstate.clear_device_state('Custom:x')$$),
	('admin', $$pgdevstate.clear_device_state(array['Custom:x'])$$),
	('admin', $$pgdevstate.set_mailbox('1', 'x', 1)$$),
	('admin', $$pgdevstate.clear_mailbox('1', 'x')$$),
	('admin', $$pgdevstate.set_policy('device', 'x', 'latest')$$),
	('admin', $$pgdevstate.set_notify_mode('auto')$$),
	('admin', $$pgdevstate.clear_policy('device', 'x')$$),
	('admin', $$pgdevstate.remove('02:00:00:00:00:e1')$$);
-- all other functions and tables, which are nobody's but the owner's
insert into call (kind, call)
select 'owner', format('pgdevstate.%I(%s)', p.proname, (select string_agg('null::' || format_type(t, null), ', ') from unnest(p.proargtypes) t))
from pg_proc p
where p.pronamespace = 'pgdevstate'::regnamespace and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
	and not exists (select from call c where c.call like '%pgdevstate.' || p.proname || '(%')
	and p.proname not in ('device_state_sum_final', 'device_state_sum_word')
union all
select 'owner', c.oid::regclass::text
from pg_class c
where c.relnamespace = 'pgdevstate'::regnamespace and c.relkind in ('r', 'v')
	and not exists (select from call k where k.call = c.oid::regclass::text);
select cmp_ok(count(*), '>', 25::bigint, 'there are calls that nobody may make') from call where kind = 'owner';

-- "may" or "may not", whatever else the call says
create function pg_temp.try(p_call text) returns text
language plpgsql as $$
begin
	begin
		execute 'select * from ' || p_call;
		raise exception using errcode = 'ZZ000';
	exception
		when insufficient_privilege then
			return 'may not';
		when others then
			return case when sqlstate = 'PD003' then 'PD003' else 'may' end;
	end;
end
$$;
create function pg_temp.try_all(p_kinds text[]) returns setof text
language plpgsql as $$
declare
	v_call record;
begin
	for v_call in select * from call order by n loop
		return next is(pg_temp.try(v_call.call), case when v_call.kind = any (p_kinds) then 'may' else 'may not' end,
			current_user || ': ' || v_call.call);
	end loop;
end
$$;
grant all on all tables in schema pg_temp to public;

update call set call = replace(call, '02:00:00:00:00:0a', '02:00:00:00:00:0f'); -- an entity that is not there
set session authorization :"node1";
select pg_temp.try_all('{node}');
set session authorization :"reader";
select pg_temp.try_all('{reader}');
set session authorization :"nobody";
select pg_temp.try_all('{}');
set session authorization :"admin";
select pg_temp.try_all('{node,reader,admin,owner}');
reset session authorization;

-- tables: nobody writes but the owner
select is_empty(format($$
	select r.rolname, c.relname, p.privilege
	from pg_roles r, pg_class c, unnest(array['insert', 'update', 'delete', 'truncate']) p(privilege)
	where r.rolname in (%L, %L, %L) and c.relnamespace = 'pgdevstate'::regnamespace and c.relkind in ('r', 'v') and has_table_privilege(r.oid, c.oid, p.privilege)
$$, :'node1', :'reader', :'nobody'), 'nobody writes tables or views');

-- an entity is its role's
set session authorization :"node1";
select is(pg_temp.begin_run('b'), 'registered', 'node1 registers b');
select is(pg_temp.say('b', '{d}', '{2}'), '2 1', '... and says something');
select is(pg_temp.tick('b'), '1 0', '... and ticks, which does what the owner may');
select throws_ok($$select pg_temp.begin_run('a')$$, 'PD003', format('entity 02:00:00:00:00:0a belongs to role "%s", this session is "%s"', :'super', :'node1'), 'node1 does not get a, though its lease is its own affair');
set session authorization :"node2";
select throws_ok($$select pg_temp.say('b', '{d}', '{3}')$$, 'PD003', format('entity 02:00:00:00:00:0b belongs to role "%s", this session is "%s"', :'node1', :'node2'),
	'another node''s role does not publish for it, even with its tokens');
select throws_ok($$select pg_temp.begin_run('b')$$, 'PD003', null, '... nor register it');
select throws_ok($$select pg_temp.resume('b', 2)$$, 'PD003', null, '... nor resume it');
select throws_ok($$select pgdevstate.leave(n.id, n.incarnation, n.session) from pg_temp.node n where name = 'b'$$, 'PD003', null, '... nor leave for it');
select throws_ok($$select pg_temp.tick('b')$$, 'PD003', null, '... nor tick for it');
select throws_ok($$select pgdevstate.ping(n.id, n.incarnation, n.session, 1) from pg_temp.node n where name = 'b'$$, 'PD003', null, '... nor ping for it');
reset session authorization;
grant :"node1" to :"node2";
set session authorization :"node2";
select is(pg_temp.beat('b'), '2 0', 'a member of the owner''s role may');
reset session authorization;
revoke :"node1" from :"node2";
select is(pg_temp.beat('b'), '2 0', 'a superuser may');
select pgdevstate.leave(n.id, n.incarnation, n.session) from node n where name = 'b' \g /dev/null
set session authorization :"node2";
select throws_ok($$select pg_temp.begin_run('b')$$, 'PD003', null, 'also when it left it remains that role''s');
reset session authorization;
update pgdevstate.entity set owner = 'a role that was dropped' where entity_id = pg_temp.id('b');
set session authorization :"node2";
select throws_ok($$select pg_temp.begin_run('b')$$, 'PD003', null, 'an owner that was dropped is nobody');
reset session authorization;
select lives_ok($$select pgdevstate.remove(pg_temp.id('b'))$$, '... an administrator removes it');
set session authorization :"node2";
select is(pg_temp.begin_run('b'), 'registered', '... then another role may have it');
reset session authorization;

-- the owner may end sessions, and sees when they began
select ok(pg_has_role('pgdevstate_owner', r, 'member'), 'pgdevstate_owner is a member of ' || r) from unnest(array['pg_signal_backend', 'pg_read_all_stats']) r;
select isnt(backend_start, null, 'the start of a node''s session is known') from pgdevstate.entity where entity_id = pg_temp.id('b');
select is(rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls, false, rolname || ' cannot log in and has no attributes')
from pg_roles where rolname in ('pgdevstate_owner', 'pgdevstate_node', 'pgdevstate_reader');

-- a search_path of the caller's does not matter
create schema evil;
create function evil.pg_notify(text, text) returns void language plpgsql as $$ begin raise exception 'evil'; end $$;
create function evil.clock_timestamp() returns timestamptz language plpgsql as $$ begin raise exception 'evil'; end $$;
create table evil.entity (x int);
create temp table entity (x int);
create temp table site (x int);
grant usage on schema evil to public;
set search_path = evil, pg_temp, pg_catalog, public;
select public.is(pg_temp.say('a', '{d}', '{5}'), '2 1', 'a search_path of the caller''s does not matter');
reset search_path;

drop role :"node1", :"node2", :"reader", :"admin", :"nobody";
select * from finish();
