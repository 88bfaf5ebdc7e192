-- Random and hostile arguments to every function, as every role: each call ends, with an answer
-- or with an error that is told on purpose (PD0xx) or by the types (22, 23, 42501, 54000).
\ir lib/node.sql
select no_plan();
select setseed(0.2008) \g /dev/null
set statement_timeout = '60s';
set extra_float_digits = 0;
select pg_temp.begin_run('a') \g /dev/null
select pg_temp.begin_run('b') \g /dev/null
select pg_temp.say('a', '{Custom:x,SIP/1}', '{2,3}', p_held => true) \g /dev/null
select pgdevstate.set_device_state('Custom:s', 'INUSE') \g /dev/null
select pgdevstate.set_policy('device', 'Custom:*', 'latest'), pgdevstate.set_policy('mailbox', '*@default', 'sum') \g /dev/null
select format('t%s_node', pg_backend_pid()) as node, format('t%s_reader', pg_backend_pid()) as reader,
	format('t%s_admin', pg_backend_pid()) as admin, format('t%s_nobody', pg_backend_pid()) as nobody \gset
create role :"node" login in role pgdevstate_node;
create role :"reader" login in role pgdevstate_reader;
create role :"admin" login in role pgdevstate_owner;
create role :"nobody" login;
-- so that the node's role gets past the head of a, the administrator past that of b
update pgdevstate.entity set owner = case entity_id when pg_temp.id('a') then :'node' else :'admin' end
where entity_id in (pg_temp.id('a'), pg_temp.id('b'));

-- words of each type, as they are written in a call; array types are made of them
create temp table word (type text, word text);
insert into word
select 'text', quote_literal(w) || '::text'
from unnest(array['', ' ', 'sql', 'Custom:x', 'SIP/1', '1000', 'default', '1000@default', 'INUSE', 'not_inuse', 'server_a', '-',
	'''; drop schema pgdevstate; --', '%s%n$1\1', E'a\tb', E'a\nb', E'\u0001', E'\u007f', E'\u0085', E'\u202e', E'\U0010ffff', E'e\u0301',
	repeat('x', 255), repeat('x', 256), repeat(E'\u00e9', 127) || 'x', repeat(E'\u00e9', 128), 'NULL', '{}', '{a,b}', 'pg_temp.x', 'heads',
	'audit_max_rows', 'lease_ms']) w
union all values ('text', $$repeat('y', 100000)$$), ('text', $$repeat(E'\u20ac', 3000)$$)
union all select 'integer', format('(%s)::int', w) from unnest(array[-2147483648, -1000, -2, -1, 0, 1, 2, 3, 7, 8, 9, 31, 32, 512, 1000, 10000, 1000000, 1000001, 3600000, 2147483647]) w
union all select 'bigint', format('(%s)::bigint', w) from unnest(array['-9223372036854775808', '-1', '0', '1', '2', '1000000', '9007199254740993', '9223372036854775807']) w
union all select 'smallint', format('(%s)::smallint', w) from unnest(array[-32768, -1, 0, 1, 2, 32767]) w
union all values ('boolean', 'true'), ('boolean', 'false')
union all select 'macaddr', quote_literal(w) || '::macaddr' from unnest(array['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '02:00:00:00:00:99', '01:23:45:67:89:ab']) w
union all select 'macaddr', quote_literal(entity_id) || '::macaddr' from pgdevstate.entity
union all select 'uuid', quote_literal(w) || '::uuid' from unnest(array['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '11111111-0000-0000-0000-000000000001']) w
union all select 'uuid', quote_literal(u) || '::uuid' from node n, unnest(array[n.incarnation, n.incarnation, n.session, n.session]) u where u is not null
union all select 'interval', quote_literal(w) || '::interval' from unnest(array['0', '1 microsecond', '-1 day', '1 hour', '170000000 years', '-170000000 years', '1 mon -30 days']) w
union all select 'timestamp with time zone', quote_literal(w) || '::timestamptz' from unnest(array['-infinity', 'infinity', '4713-01-01 00:00:00 BC', '294276-12-31', 'epoch', '2008-11-23']) w
union all values ('real', $$'NaN'::real$$), ('double precision', $$'infinity'::float8$$), ('numeric', $$'NaN'::numeric$$), ('name', $$'postgres'::name$$), ('name', $$''::name$$);

-- one argument of this type; p_hint: what the function calls it, so that some calls get far
create function pg_temp.argument(p_type text, p_hint text) returns text
language plpgsql as $$
declare
	v_of text := replace(p_type, '[]', '');
	v_length int;
begin
	if random() < 0.08 or not exists (select from pg_temp.word w where w.type = v_of) then
		return 'null::' || p_type;
	end if;
	if p_type = v_of then
		return case
			when p_hint = 'p_entity_id' and random() < 0.6 then quote_literal(pg_temp.id('a')) || '::macaddr'
			when p_hint = 'p_incarnation' and random() < 0.7 then quote_literal(pg_temp.incarnation('a')) || '::uuid'
			when p_hint = 'p_session' and random() < 0.7 then quote_literal((select n.session from pg_temp.node n where name = 'a')) || '::uuid'
			when p_hint = 'state' and random() < 0.6 then quote_literal('BUSY')
			when p_hint in ('kind', 'p_kind') and random() < 0.8 then quote_literal(case when random() < 0.7 then 'device' else 'mailbox' end)
			when p_hint in ('pattern', 'p_pattern') and random() < 0.7 then quote_literal('Custom:*')
			when p_hint in ('policy', 'p_policy') and random() < 0.7 then quote_literal('latest')
			when p_hint = 'entity' and random() < 0.6 then quote_literal('sql')
			else (select w.word from pg_temp.word w where w.type = v_of order by random() limit 1)
		end;
	end if;
	v_length := case when random() < 0.7 then 1 else floor(random() * 4) end;
	if random() < 0.05 then -- two dimensions, or bounds of its own
		return format(case when random() < 0.5 then 'array[[%s],[null]]::%s' else '(''[0:0]={'' || quote_ident((%s)::text) || ''}'')::%s' end,
			pg_temp.argument(v_of, p_hint), p_type);
	end if;
	return coalesce((select format('array[%s]::%s', string_agg(pg_temp.argument(v_of, p_hint), ', '), p_type) from generate_series(1, v_length)),
		format('''{}''::%s', p_type));
end
$$;

-- Arguments with which a call is answered, by what the functions call them: whose, for whoever calls.
create function pg_temp.mine() returns pg_temp.node language sql as
	$$ select n from pg_temp.node n where n.name = case when session_user::text like '%_node' then 'a' else 'b' end $$;
create temp table good (type text, name text, word text);
insert into good
select 'macaddr', unnest(array['p_entity_id', 'p_ids']), '(pg_temp.mine()).id'
union all values ('uuid', 'p_incarnation', '(pg_temp.mine()).incarnation'), ('uuid', 'p_session', '(pg_temp.mine()).session'),
	('pgdevstate.entity', '', $$(select e from pgdevstate.entity e where e.entity_id = (pg_temp.mine()).id)$$),
	('smallint', 'p_site', '1'), ('name', 'p_owner', 'session_user'), ('timestamp with time zone', '', 'clock_timestamp()'),
	('macaddr', 'p_after', $$'00:00:00:00:00:00'$$), ('interval', '', $$'1 hour'$$), ('boolean', 'p_force', 'false'), ('boolean', '', 'true'),
	('integer', 'p_states', '2'), ('integer', 'p_pid', '42'), ('integer', 'p_lease_ms', '10000'), ('integer', '', '1'), ('bigint', '', '2'),
	('text', 'p_devices', $$'Custom:h'$$), ('text', 'p_flags', $$'ar'$$), ('text', 'p_lines', $$''$$), ('text', 'p_kind', $$'node'$$),
	('text', 'entity', $$'sql'$$), ('text', 'state', $$'BUSY'$$), ('text', 'states', $$'BUSY'$$), ('text', '', $$'1000'$$),
	('text', 'static_lock.p_name', $$'sql'$$), ('text', 'static_ttl.p_name', $$'sql'$$), ('text', 'static_write.p_name', $$'sql'$$),
	('text', 'setting_value.p_name', $$'audit_max_rows'$$), ('text', 'set_notify_mode.mode', $$'ticker'$$),
	('text', 'device_state_number.p_name', $$'BUSY'$$), ('text', 'device_state_sum.p_name', $$'BUSY'$$), ('text', 'device_state_sum_word.p_name', $$'BUSY'$$);

create function pg_temp.good_argument(p_type text, p_function text, p_name text) returns text
language sql as $$
	select format(case when p_type like '%[]' then 'array[%s]::%s' else '(%s)::%s' end, coalesce((
			select g.word from pg_temp.good g
			where g.type = replace(p_type, '[]', '') and g.name in (p_function || '.' || p_name, p_name, '')
			order by length(g.name) desc limit 1), 'null'), p_type)
$$;

-- Half of the calls have arguments of any kind, in the others one of them has, or none.
-- Every function and aggregate of the schema, so that a new one is here without being named
create temp table call (n int generated always as identity, oid oid, name text, call text);
insert into call (oid, name, call)
select p.oid, p.proname, format('select * from (select %s(%s)) x', p.oid::regproc, (
	select string_agg(case when odd.one is null or odd.one = t.i then pg_temp.argument(format_type(t.type, null), p.proargnames[t.i])
			else pg_temp.good_argument(format_type(t.type, null), p.proname, p.proargnames[t.i]) end, ', ' order by t.i)
	from unnest(p.proargtypes) with ordinality t(type, i)))
from pg_proc p, generate_series(1, 80) round,
	lateral (select case when round % 2 = 0 then floor(random() * (p.pronargs + 1)) end as one) odd
where p.pronamespace = 'pgdevstate'::regnamespace and (p.pronargs > 0 or round = 1);
select cmp_ok(count(*), '>', 1500::bigint, 'there are many calls') from call;
select cmp_ok(count(distinct call), '>', 1200::bigint, '... and they differ') from call;

-- Each call alone, taken back; what it said: '' or a SQLSTATE with its message.
create function pg_temp.try(p_call text) returns text
language plpgsql as $$
begin
	begin
		execute p_call;
		raise exception using errcode = 'ZZ000';
	exception
		when others or assert_failure or query_canceled then
			return case when sqlstate = 'ZZ000' then '' else sqlstate || ' ' || sqlerrm end;
	end;
end
$$;
create temp table said (role text, n int, said text);
grant all on all tables in schema pg_temp to public;

set session authorization :"node";
insert into said select 'node', n, pg_temp.try(call) from call order by n;
set session authorization :"reader";
insert into said select 'reader', n, pg_temp.try(call) from call order by n;
set session authorization :"nobody";
insert into said select 'nobody', n, pg_temp.try(call) from call order by n;
set session authorization :"admin";
insert into said select 'admin', n, pg_temp.try(call) from call order by n;
reset session authorization;

-- What nodes, readers and administrators are given says on purpose what is wrong. What only the owner
-- calls from inside checks nothing a second time, and may use any class but "internal".
create temp table public_call as
select distinct p.proname from pg_proc p
where p.pronamespace = 'pgdevstate'::regnamespace
	and (has_function_privilege('pgdevstate_node', p.oid, 'execute') or has_function_privilege('pgdevstate_reader', p.oid, 'execute')
		or p.proname ~ '^(set|clear)_(device_state|mailbox)$|^remove$');
select is_empty($$
	select s.role, left(s.said, 200), left(c.call, 300) from said s join call c using (n)
	where s.said <> '' and s.said !~ '^(PD0|22|23|42501)' and c.name in (select proname from public_call) limit 20
$$, 'what may be called says PD0xx, 22, 23 or 42501');
select is_empty($$
	select s.role, left(s.said, 200), left(c.call, 300) from said s join call c using (n)
	where s.said ~ '^(XX|57|53|40|58|F0|0A|42883|42P)' and s.said <> '0A000 trigger functions can only be called as triggers' limit 20
$$, 'nothing says that something inside went wrong');

-- Every function, every role: those that may call it are answered at least once, so that the arguments
-- came to what it does; the others are refused each time.
create temp table privilege as
select r.role, p.oid, has_function_privilege(r.name, p.oid, 'execute') as may
from pg_proc p, (values ('node', :'node'), ('reader', :'reader'), ('nobody', :'nobody'), ('admin', :'admin')) r(role, name)
where p.pronamespace = 'pgdevstate'::regnamespace;
select is(array_agg(distinct role order by role), '{admin,nobody,node,reader}', 'every role calls') from said;
select is_empty($$
	select v.role, v.oid::regprocedure from privilege v
	where not exists (select from said s join call c using (n) where c.oid = v.oid and s.role = v.role)
$$, 'every role calls every function and aggregate of the schema');
select is_empty($$
	select v.role, v.oid::regprocedure,
		(select min(s.said) from said s join call c using (n) where c.oid = v.oid and s.role = v.role) as said
	from privilege v
	where v.may
		and not exists (select from said s join call c using (n) where c.oid = v.oid and s.role = v.role and s.said = '')
		and v.oid::regproc::text not in (
			'pgdevstate.change_notify', -- a trigger
			'pgdevstate.head_refuse') -- does nothing but refuse
$$, 'who may call a function is answered at least once');
select is_empty($$
	select v.role, v.oid::regprocedure, s.said
	from privilege v join pg_proc p using (oid) join call c using (oid) join said s on s.n = c.n and s.role = v.role
	where not v.may and s.said !~ '^42501'
		-- a strict function of a null is null before anybody asks who may call it
		and not (s.said = '' and p.proisstrict and c.call ~ 'null::') limit 5
$$, 'who may not is refused each time');
select is_empty($$
	select s.role, c.name, s.said from said s join call c using (n)
	where s.role = 'nobody' and s.said !~ '^42501' limit 5
$$, 'nobody may nothing');
select cmp_ok(count(*), '>', 50::bigint, role || ': some calls are answered') from said where said = '' and role <> 'nobody' group by role order by role;
select cmp_ok(count(distinct left(said, 5)), '>=', 4::bigint, 'a node hears several kinds of errors') from said where role = 'node';
select ok(octet_length(max(said)) < 2000, 'no message is as long as what was refused')
from (select said from said join call using (n) where name in (select proname from public_call) order by octet_length(said) desc limit 1) longest;
select is(count(*), 0::bigint, 'no message of PD0xx has control characters')
from said join call using (n) where said.said ~ '[\u0001-\u0008\u000b-\u001f]' and name in (select proname from public_call);

-- all is as it was, and works
select is((select array_agg(device || ' ' || state order by device) from pgdevstate.device), '{"Custom:s INUSE","Custom:x INUSE","SIP/1 BUSY"}', 'what was said before is there');
select is(pg_temp.beat('a'), '2 0', 'the node goes on');

update pgdevstate.entity set owner = session_user where owner = :'node';
drop role :"node", :"reader", :"admin", :"nobody";
select * from finish();
