-- What people see: who counts, how it adds up, and that a look at one device is quick.
\ir lib/node.sql
select no_plan();
select pg_temp.begin_run('a'), pg_temp.begin_run('b'), pg_temp.begin_run('c') \g /dev/null

create temp view devices as select device, state, entities from pgdevstate.device order by device;
create temp view who as select device, entity, state, counts, held, alive, reporting from pgdevstate.device_entity order by device, entity;
create temp view boxes as
select mailbox, context, new_messages, old_messages, urgent_messages, entities, entity from pgdevstate.mailbox order by mailbox, context;

-- who counts
select pg_temp.say('a', '{d}', '{2}'), pg_temp.say('b', '{d}', '{6}', p_held => true) \g /dev/null
select is(pg_temp.rows('table devices'), '(d,RINGING,1)', 'what is held counts; what is not, of an entity that does not report, does not');
select pg_temp.say('a', '{}', '{}', p_reporting => true) \g /dev/null
select is(pg_temp.rows('table devices'), '(d,RINGINUSE,2)', 'of one that reports it counts');
select is(pg_temp.rows('table who'), e'(d,server_a,INUSE,t,f,t,t)\n(d,server_b,RINGING,t,t,t,f)', 'who says what');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('a');
select is(pg_temp.rows('table devices'), '(d,RINGING,1)', 'who is dead does not count');
select is(pg_temp.rows('table who'), e'(d,server_a,INUSE,f,f,f,t)\n(d,server_b,RINGING,t,t,t,f)', '... and it shows');
update pgdevstate.heartbeat set alive = true;
select pg_temp.age_beat('b', '11 seconds') \g /dev/null
select is(pg_temp.rows('table devices'), '(d,INUSE,1)', 'who is dead and was not reaped does not count either');
select is(pg_temp.rows('table who'), e'(d,server_a,INUSE,t,f,t,t)\n(d,server_b,RINGING,f,t,f,f)', '... and it shows');
select pg_temp.age_beat('a', '11 seconds') \g /dev/null
select is(pg_temp.rows('table devices'), null, 'nobody is left: no entry');
select pg_temp.age_beat('a', '1 second'), pg_temp.age_beat('b', '0 seconds') \g /dev/null

-- there is no foreign key: rows of nobody
insert into pgdevstate.entity_device select 1, '02:00:00:00:00:ff', 'd', 3, true, now(), 1;
select is(pg_temp.rows('table devices'), '(d,RINGINUSE,2)', 'a row without an entity does not count');
select is(count(*), 2::bigint, '... nor is it shown') from who;
delete from pgdevstate.entity_device where entity_id = '02:00:00:00:00:ff';

-- another site: the same entity id may live in both, and says something else there
insert into pgdevstate.site (site, name, channel) values (2, 'there', 'there');
insert into pgdevstate.entity (site, entity_id, kind, name, incarnation) values (2, pg_temp.id('a'), 'node', 'far', gen_random_uuid());
insert into pgdevstate.heartbeat (site, entity_id, alive, beat_at, lease_ms) values (2, pg_temp.id('a'), true, clock_timestamp(), 10000);
insert into pgdevstate.entity_device values (2, pg_temp.id('a'), 'far', 2, false, now(), 1), (2, pg_temp.id('b'), 'far', 3, true, now(), 1);
select is(pg_temp.rows('table devices'), '(d,RINGINUSE,2)', 'another site: who does not report there, or is not there, does not count');
update pgdevstate.entity_device set held = true where site = 2;
select is(pg_temp.rows('table devices'), e'(d,RINGINUSE,2)\n(far,INUSE,1)', '... what is held there counts');
update pgdevstate.heartbeat set alive = false where site = 2;
select is(pg_temp.rows('table devices'), '(d,RINGINUSE,2)', '... but not of who is dead there, and lives here');
update pgdevstate.heartbeat set alive = true where site = 2;
insert into pgdevstate.entity (site, entity_id, kind, name, incarnation) values (2, pg_temp.id('x'), 'node', 'further', gen_random_uuid());
insert into pgdevstate.heartbeat (site, entity_id, alive, beat_at, lease_ms) values (2, pg_temp.id('x'), true, clock_timestamp(), 10000);
insert into pgdevstate.entity_device values (1, pg_temp.id('x'), 'near', 2, true, now(), 1);
select is(pg_temp.rows('table devices'), e'(d,RINGINUSE,2)\n(far,INUSE,1)', '... nor who lives there in a row of this site');
delete from pgdevstate.entity_device where device = 'near';
delete from pgdevstate.entity where name = 'further';
update pgdevstate.heartbeat set alive = false where site = 2;

-- few and many entities, the dead among them: the sum is of the rows that device_entity says count
create function pg_temp.add_entities(p_from int, p_to int) returns void
language sql as $$
	insert into pgdevstate.entity (site, entity_id, kind, name, incarnation, reporting)
	select 1, ('0200000001' || lpad(to_hex(g), 2, '0'))::macaddr, 'node', 'many' || g, gen_random_uuid(), g % 2 = 0 from generate_series(p_from, p_to) g;
	insert into pgdevstate.heartbeat (site, entity_id, alive, beat_at, lease_ms)
	select 1, ('0200000001' || lpad(to_hex(g), 2, '0'))::macaddr, g % 5 > 0, clock_timestamp(), 3600000 from generate_series(p_from, p_to) g;
	insert into pgdevstate.entity_device
	select 1, ('0200000001' || lpad(to_hex(g), 2, '0'))::macaddr, 'many' || (g + d) % 7, (g + d) % 9, d = 0, now(), 1
	from generate_series(p_from, p_to) g, generate_series(0, 2) d;
$$;
create temp view expected as
select w.device, pgdevstate.device_state_sum(d.state) as state, count(*) as entities
from pgdevstate.device_entity w
cross join lateral (select 1 << pgdevstate.device_state_number(w.state) as state) d
where w.counts
group by w.device order by w.device;
select pg_temp.add_entities(1, 20) \g /dev/null
select is(count(*), 23::bigint - 4, 'few entities live') from pgdevstate.living;
select is(pg_temp.rows('table devices'), pg_temp.rows('table expected'), '... and add up');
select pg_temp.add_entities(21, 60) \g /dev/null
select is(count(*), 63::bigint - 12, 'many entities live') from pgdevstate.living;
select is(pg_temp.rows('table devices'), pg_temp.rows('table expected'), '... and add up');
update pgdevstate.entity_device set held = true where site = 2;
update pgdevstate.heartbeat set alive = true where site = 2;
select is(pg_temp.rows('table devices'), pg_temp.rows('table expected'), '... with one of another site, too');
delete from pgdevstate.entity_device where site = 2 or device like 'many%';
delete from pgdevstate.entity where site = 2 or name like 'many%';
delete from pgdevstate.site where site = 2;
select is(pg_temp.rows('table devices'), '(d,RINGINUSE,2)', '... and are gone');

-- all 81 pairs, as two entities say them
select pg_temp.say('a', array_agg(x || '+' || y order by x, y), array_agg(x order by x, y)),
	pg_temp.say('b', array_agg(x || '+' || y order by x, y), array_agg(y order by x, y), p_reporting => true)
from generate_series(0, 8) x, generate_series(0, 8) y \g /dev/null
select is(count(*), 81::bigint, '81 pairs of states add up')
from pgdevstate.device d
cross join lateral (select split_part(d.device, '+', 1)::int as x, split_part(d.device, '+', 2)::int as y) s
where d.device ~ '\+' and d.entities = 2 and d.state = pgdevstate.device_state_name(pgdevstate.device_state_of_set((1 << s.x) | (1 << s.y)));

-- since: the newest of what counts
select pgdevstate.publish(n.id, n.incarnation, n.session, '{s}', '{1}', '{f}', array[case n.name when 'a' then 60000000 else 30000000 end], '{}', '{}', '{}', '{}', '{}', '{}', '{}')
from node n where n.name in ('a', 'b') \g /dev/null
select is(floor(extract(epoch from clock_timestamp() - since) / 30), 1::numeric, 'since: the newest') from pgdevstate.device where device = 's';
select pg_temp.age_beat('b', '11 seconds') \g /dev/null
select is(floor(extract(epoch from clock_timestamp() - since) / 30), 2::numeric, '... of what counts') from pgdevstate.device where device = 's';
select pg_temp.age_beat('b', '0 seconds') \g /dev/null

-- mailboxes: the last word of who lives
create function pg_temp.box(p_name text, p_new int, p_age interval) returns void
language sql as $$
	select pgdevstate.publish(n.id, n.incarnation, n.session, '{}', '{}', '{}', '{}', '{1000}', '{default}', '{0}', array[p_new], '{0}', '{t}',
		array[(extract(epoch from p_age) * 1000000)::bigint])
	from pg_temp.node n where n.name = p_name
$$;
select pg_temp.box('a', 1, '1 minute'), pg_temp.box('b', 2, '2 minutes'), pg_temp.box('c', 3, '3 minutes') \g /dev/null
select is(pg_temp.rows('table boxes'), '(1000,default,1,0,0,3,server_a)', 'the last word');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('a');
select is(pg_temp.rows('table boxes'), '(1000,default,2,0,0,2,server_b)', 'a dead entity''s counts leave');
update pgdevstate.heartbeat set alive = true;
select is(pg_temp.rows('table boxes'), '(1000,default,1,0,0,3,server_a)', '... and come back with it');
update pgdevstate.entity_mailbox set stamp = '2026-01-01';
select is(pg_temp.rows('table boxes'), '(1000,default,3,0,0,3,server_c)', 'at the same moment: the higher entity id');
select is(pg_temp.rows('select mailbox, context, entity, new_messages, counts, held, alive from pgdevstate.mailbox_entity order by entity'),
	e'(1000,default,server_a,1,t,t,t)\n(1000,default,server_b,2,t,t,t)\n(1000,default,server_c,3,t,t,t)', 'who says what of a mailbox');
select pg_temp.mail('c', '{2000}', '{""}', '{1}', '{2}', '{3}') \g /dev/null
select is(count(*), 0::bigint, 'a mailbox that is not held, of one that does not report, does not count') from boxes where mailbox = '2000';
select pg_temp.say('c', '{}', '{}', p_reporting => true) \g /dev/null
select is(pg_temp.rows($$select * from boxes where mailbox = '2000'$$), '(2000,"",2,3,1,1,server_c)', '... of one that does it counts');

-- members
select pgdevstate.set_device_state('Custom:x', 'BUSY', 'sql', '1 hour') \g /dev/null
select is(pg_temp.tick('b'), '1 0', 'a tick');
select is(pg_temp.rows('select entity_id, name, kind, host, pid, alive, version, reporting, devices, mailboxes, lease, coordinator, owner, site, site_name from pgdevstate.member where kind = ''node'' order by name'),
	format(e'(02:00:00:00:00:0a,server_a,node,host_a,42,t,1.0,t,83,1,00:00:10,f,%1$s,1,here)\n(02:00:00:00:00:0b,server_b,node,host_b,42,t,1.0,t,83,1,00:00:10,t,%1$s,1,here)\n'
	|| '(02:00:00:00:00:0c,server_c,node,host_c,42,t,1.0,t,0,2,00:00:10,f,%1$s,1,here)', session_user), 'members');
select is(pg_temp.rows('select name, kind, alive, devices, lease, expires_at > now(), coordinator from pgdevstate.member where kind = ''static'''), '(sql,static,t,1,,t,f)', 'a static one');
select pg_temp.age_beat('b', '11 seconds') \g /dev/null
select is(pg_temp.rows('select alive, coordinator, beat_age > interval ''10 seconds'' from pgdevstate.member where name = ''server_b'''), '(f,f,t)', 'a dead one');

update pgdevstate.heartbeat set beat_at = clock_timestamp(), lease_ms = 3600000 where lease_ms is not null;

-- many rows: a look at one device or mailbox uses an index
insert into pgdevstate.entity_device
select 1, ('0200000000' || lpad(to_hex(10 + g % 3), 2, '0'))::macaddr, 'PJSIP/' || g / 3, g % 9, true, now(), 1 from generate_series(1, 200000) g
on conflict do nothing;
insert into pgdevstate.entity_mailbox
select 1, ('0200000000' || lpad(to_hex(10 + g % 3), 2, '0'))::macaddr, 'box' || g / 3, 'default', 0, 1, 2, true, now(), 1 from generate_series(1, 20000) g;
analyze pgdevstate.entity_device;
analyze pgdevstate.entity_mailbox;
create function pg_temp.plan_text(p_query text) returns text
language sql as $$ select string_agg(p, e'\n') from pg_temp.plan(p_query) p $$;
select matches(pg_temp.plan_text(q), 'entity_(device_by_device|mailbox_by_mailbox)', 'by index: ' || q)
from unnest(array['select * from pgdevstate.device where device = ''PJSIP/4711''', 'select * from pgdevstate.device_entity where device = ''PJSIP/4711''',
	'select * from pgdevstate.device where device in (''PJSIP/1'', ''PJSIP/2'')', 'select * from pgdevstate.mailbox where mailbox = ''box7'' and context = ''default''',
	'select * from pgdevstate.mailbox_entity where mailbox = ''box7''']) q;
select unalike(pg_temp.plan_text(q), '%Seq Scan on entity_device%', 'no scan of all: ' || q)
from unnest(array['select * from pgdevstate.device where device = ''PJSIP/4711''', 'select * from pgdevstate.device_entity where device = ''PJSIP/4711''']) q;
select is(pg_temp.rows($$select device, entities from pgdevstate.device where device = 'PJSIP/4711'$$), '(PJSIP/4711,3)', '... and finds it');
select is(count(*), 200000::bigint + 167, 'read_rows reads them all')
from pgdevstate.read_rows() r
cross join lateral (select count(*) - 1 as n from string_to_table(r, e'\n') l where l like e'D\t%') x
cross join lateral generate_series(0, x.n) g;

select * from finish();
