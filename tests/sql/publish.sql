-- publish: what is written, what is told, and what is refused.
\ir lib/node.sql
select no_plan();
select pg_temp.begin_run('a'), pg_temp.begin_run('b') \g /dev/null

create temp view rows as
select entity_id, device, state, held, seq from pgdevstate.entity_device order by entity_id, device;

-- values
select is(pg_temp.say('a', '{PJSIP/1,PJSIP/2}', '{2,6}'), '2 2', 'two devices');
select is(pg_temp.told('a'), e'1 2 1/1 a\nD\t2\t-\tage\tPJSIP/1\nD\t6\t-\tage\tPJSIP/2\n', '... are told');
select is(pg_temp.rows('select * from rows'),
	e'(02:00:00:00:00:0a,PJSIP/1,2,f,2)\n(02:00:00:00:00:0a,PJSIP/2,6,f,2)', '... and written');
select is(pg_temp.say('a', '{PJSIP/1,PJSIP/2}', '{2,6}'), '2 0', 'the same again changes nothing');
select is(pg_temp.say('a', '{PJSIP/1,PJSIP/2}', '{2,1}'), '3 1', 'one of two changes');
select is(pg_temp.told('a'), e'2 3 1/1 a\nD\t1\t-\tage\tPJSIP/2\n', '... only that is told');
select is(pg_temp.say('a', '{PJSIP/1}', '{2}', p_held => true), '4 1', 'held is a change');
select is(pg_temp.told('a'), e'3 4 1/1 a\nD\t2\th\tage\tPJSIP/1\n', '... and is told');
select is(pg_temp.say('a', '{PJSIP/1,PJSIP/2,PJSIP/3}', '{2,1,0}', p_held => true), '5 2', 'three, one as it was');
select is(pg_temp.beat('a'), '5 0', 'a beat changes nothing');
select is(pg_temp.say('a', '{PJSIP/1}', '{1}'), '6 1', 'one alone');

-- who else
select is(pg_temp.say('b', '{PJSIP/1}', '{8}'), '2 1', 'another entity has its own seq and rows');
select is(count(*), 2::bigint, '... of the same device') from rows where device = 'PJSIP/1';

-- removal
select is(pg_temp.say('a', '{PJSIP/3}', '{-1}'), '7 1', 'a device is removed');
select is(pg_temp.told('a'), e'6 7 1/1 a\nd\tage\tPJSIP/3\n', '... is told');
select is(count(*), 0::bigint, '... is gone') from rows where device = 'PJSIP/3';
select is(pg_temp.say('a', '{PJSIP/3}', '{-1}'), '7 0', 'removing what is not there is no change');
select is(pg_temp.say('a', '{PJSIP/2,PJSIP/9,PJSIP/1}', '{-1,-1,5}'), '8 2', 'removals and values together');
select is(pg_temp.told('a'), e'7 8 1/1 a\nD\t5\t-\tage\tPJSIP/1\nd\tage\tPJSIP/2\n', '... are told together');
select is(count(*), 1::bigint, 'the other entity keeps its row') from rows where entity_id = pg_temp.id('b');

-- force
select is(pg_temp.say('a', '{PJSIP/1}', '{5}', true), '9 1', 'forced: written and told even if equal');
select is(pg_temp.told('a'), e'8 9 1/1 a\nD\t5\t-\tage\tPJSIP/1\n', '... is told');
select is(seq, 9::bigint, '... is written') from rows where device = 'PJSIP/1' and entity_id = pg_temp.id('a');
select is(pg_temp.say('a', '{PJSIP/8}', '{-1}', true), '10 1', 'forced: the removal of what is not there');
select is(pg_temp.told('a'), e'9 10 1/1 a\nd\tage\tPJSIP/8\n', '... is told');
select is(pg_temp.say('a', '{PJSIP/1,PJSIP/8}', '{5,-1}', true), '11 2', 'forced: both');
select is(pg_temp.say('a', '{}', '{}', true), '11 0', 'forced: nothing is still nothing');

-- a key that is twice in the batch: the last wins
select is(pg_temp.say('a', '{d,d,d}', '{1,2,3}'), '12 1', 'thrice the same device is one change');
select is(pg_temp.told('a'), e'11 12 1/1 a\nD\t3\t-\tage\td\n', '... the last');
select is(pg_temp.say('a', '{d,d}', '{-1,3}'), '12 0', 'removed and set as it was: no change');
select is(pg_temp.say('a', '{d,d}', '{4,-1}'), '13 1', 'set and removed');
select is(pg_temp.told('a'), e'12 13 1/1 a\nd\tage\td\n', '... is removed');

-- reporting
select is(pg_temp.say('a', '{}', '{}', false, true), '14 0', 'reporting moves seq');
select is(pg_temp.told('a'), e'13 14 1/1 ar\n', '... is told');
select is(pg_temp.say('a', '{}', '{}', false, true), '14 0', '... once');
select is(pg_temp.say('a', '{d}', '{1}', false, false), '15 1', 'no more, with a change');
select is(pg_temp.told('a'), e'14 15 1/1 a\nD\t1\t-\tage\td\n', '... both told');
select is(pg_temp.head('a'), '15 a', '... and in the head');

-- mailboxes
select is(pg_temp.mail('a', '{1000,1000}', '{default,other}', '{0,1}', '{2,3}', '{4,5}'), '16 2', 'two mailboxes');
select is(pg_temp.told('a'), e'15 16 1/1 a\nM\t0\t2\t4\t-\tage\t1000\tdefault\nM\t1\t3\t5\t-\tage\t1000\tother\n', '... are told');
select is(pg_temp.rows('select mailbox, context, urgent_messages, new_messages, old_messages, held, seq from pgdevstate.entity_mailbox order by context'),
	e'(1000,default,0,2,4,f,16)\n(1000,other,1,3,5,f,16)', '... and written');
select is(pg_temp.mail('a', '{1000}', '{default}', '{0}', '{2}', '{4}'), '16 0', 'the same counts change nothing');
select is(pg_temp.mail('a', '{1000}', '{default}', '{0}', '{2}', '{5}'), '17 1', 'old messages are a change');
select is(pg_temp.mail('a', '{1000}', '{default}', '{1}', '{2}', '{5}'), '18 1', 'urgent ones too');
select is(pg_temp.mail('a', '{1000}', '{default}', '{1}', '{1}', '{5}'), '19 1', 'and new ones');
select is(pg_temp.mail('a', '{1000}', '{default}', '{1}', '{1}', '{5}', p_held => true), '20 1', 'and held');
select is(pg_temp.mail('a', '{1000,none}', '{default,""}', '{-1,-1}', '{0,0}', '{0,0}'), '21 1', 'a mailbox is removed; another was not there');
select is(pg_temp.told('a'), e'20 21 1/1 a\nm\tage\t1000\tdefault\n', '... is told');
select is(pg_temp.mail('a', '{1000,none}', '{other,""}', '{1,-1}', '{3,0}', '{5,0}', true), '22 2', 'forced');
select is(pg_temp.told('a'), e'21 22 1/1 a\nM\t1\t3\t5\t-\tage\t1000\tother\nm\tage\tnone\t\n', '... are told');
select is(pg_temp.mail('a', '{m,m}', '{c,c}', '{-1,2}', '{0,2}', '{0,2}'), '23 1', 'twice the same mailbox: the last wins');

-- both kinds in one call are one change
select is(r.seq || ' ' || r.changed, '24 2', 'a device and a mailbox')
from node n, pgdevstate.publish(n.id, n.incarnation, n.session, '{both}', '{1}', '{t}', '{0}', '{both}', '{""}', '{0}', '{1}', '{0}', '{f}', '{0}') r
where n.name = 'a';
select is(pg_temp.told('a'), e'23 24 1/1 a\nD\t1\th\tage\tboth\nM\t0\t1\t0\t-\tage\tboth\t\n', '... in one change');

-- ages: the moment it was said, in the database's clock
select is(r.changed, 3, 'three with an age')
from node n, pgdevstate.publish(n.id, n.incarnation, n.session, '{age1,age2,age3}', '{1,1,1}', '{f,f,f}', '{5000000,-7,9000000000000000000}',
	'{}', '{}', '{}', '{}', '{}', '{}', '{}') r
where n.name = 'a';
select matches(payload, e'\nD\t1\t-\t5000000\tage1\nD\t1\t-\t0\tage2\nD\t1\t-\t3000000000000000\tage3\n$', '... is told; less than nothing is nothing; too much is cut')
from pgdevstate.change where to_seq = 25 and entity_id = pg_temp.id('a');
select is((select stamp from pgdevstate.entity_device where device = 'age2') - (select stamp from pgdevstate.entity_device where device = 'age1'),
	'5 seconds'::interval, '... and written');
select is(r.changed, 1, 'one alone with an age')
from node n, pgdevstate.publish(n.id, n.incarnation, n.session, '{age4}', '{1}', '{f}', '{-5}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') r
where n.name = 'a';
select cmp_ok(stamp, '<=', clock_timestamp(), '... is never in the future') from pgdevstate.entity_device where device = 'age4';

-- the answer's clock is the database's
select cmp_ok(abs(r.clock_us - (extract(epoch from clock_timestamp()) * 1000000)::bigint), '<', 60000000::bigint, 'clock_us is the clock')
from node n, pgdevstate.publish(n.id, n.incarnation, n.session, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') r
where n.name = 'a';
select is(pgdevstate.clock_us('2026-11-23 10:00:00.123457+00'), 1795428000123457, 'to the microsecond');
select is(count(*), 0::bigint, '... always')
from generate_series(1, 20000) g
cross join lateral (select 1795428000000000 + g * 7919::bigint as us) u
where pgdevstate.clock_us(timestamptz '2026-11-23 10:00:00+00' + g * 7919 * interval '1 microsecond') <> u.us;

-- a publish is a beat
select pg_temp.age_beat('a', '5 seconds') \g /dev/null
select is(pg_temp.say('a', '{d}', '{2}'), '27 1', 'a publish');
select cmp_ok(clock_timestamp() - beat_at, '<', interval '5 seconds', '... is a beat') from pgdevstate.heartbeat where entity_id = pg_temp.id('a');
select pg_temp.age_beat('a', '11 seconds') \g /dev/null
select is(pg_temp.beat('a'), '27 0', 'a beat after the lease, before anybody reaped, is still in time');

-- many rows in one call
select is(pg_temp.say('b', array_agg('PJSIP/' || repeat('n', g % 240) || g order by g), array_agg(g % 9 order by g)), '3 10000', 'ten thousand devices')
from generate_series(1, 10000) g;
select cmp_ok(max(octet_length(payload)), '<=', 7900, '... are told in chunks that fit') from pgdevstate.change where entity_id = pg_temp.id('b');
select cmp_ok(min(octet_length(payload)), '>', 6600, '... and are full')
from pgdevstate.change where entity_id = pg_temp.id('b') and to_seq = 3 and chunk < chunks;
select is(array_agg(chunk order by id), array(select generate_series(1, max(chunks)) from pgdevstate.change where to_seq = 3 and entity_id = pg_temp.id('b')),
	'... numbered from 1, in the order of sending')
from pgdevstate.change where entity_id = pg_temp.id('b') and to_seq = 3;
select is(count(distinct (from_seq, to_seq, chunks)), 1::bigint, '... all of one change') from pgdevstate.change where to_seq = 3 and entity_id = pg_temp.id('b');
create temp table told as
select split_part(l.line, e'\t', 2)::int as state, split_part(l.line, e'\t', 5) as device
from pgdevstate.change c
cross join lateral string_to_table(c.payload, e'\n') with ordinality l(line, n)
where c.entity_id = pg_temp.id('b') and c.to_seq = 3 and l.n > 1 and l.line <> '';
select is(pg_temp.rows('select device, state from told order by device collate "C"'),
	pg_temp.rows($$select device, state from pgdevstate.entity_device where entity_id = pg_temp.id('b') and seq = 3 order by device$$), '... and together they are the rows');
select is(count(*), 0::bigint, 'the header of each chunk says which it is')
from pgdevstate.change c
cross join lateral (select string_to_array(split_part(c.payload, e'\n', 1), e'\t') as f) h
where (h.f[1], h.f[2], h.f[3], h.f[4]::macaddr, h.f[5]::uuid, h.f[6]::bigint, h.f[7]::bigint, h.f[8]::int, h.f[9]::int)
	is distinct from ('1', 'C', '1', c.entity_id, c.incarnation, c.from_seq, c.to_seq, c.chunk, c.chunks)
	or array_length(h.f, 1) <> 13 or c.payload !~ e'\n$';
select is(pg_temp.say('b', array_agg(device), array_agg(-1)), '4 10000', 'all are removed in one call')
from pgdevstate.entity_device where entity_id = pg_temp.id('b') and seq = 3;
select is(count(*), 10000::bigint, '... and told')
from pgdevstate.change c, string_to_table(c.payload, e'\n') l where c.entity_id = pg_temp.id('b') and c.to_seq = 4 and l like e'd\t%';
select is(pg_temp.mail('b', array_agg(repeat('m', 240) || g), array_agg(repeat('c', 240) || g), array_agg(1000000), array_agg(1000000), array_agg(1000000)),
	'5 500', 'the longest lines there are') from generate_series(1, 500) g;
select cmp_ok(max(octet_length(payload)), '<=', 7900, '... fit too') from pgdevstate.change where to_seq = 5;

-- refused, by name
create function pg_temp.bad(p_args text) returns text
language plpgsql as $$
begin
	execute format('select pgdevstate.publish(n.id, n.incarnation, n.session, %s) from pg_temp.node n where n.name = ''a''', p_args);
	return 'accepted';
exception when others then
	return sqlstate || ' ' || sqlerrm;
end
$$;
\set none '{}'
select is(pg_temp.bad(args), said, said)
from (values
	($$'{a,b}', '{1}', '{f,f}', '{0,0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 arrays of different lengths: 2 devices, 1 states, 2 held, 2 ages'),
	($$'{a}', '{1}', null, '{0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 arrays of different lengths: 1 devices, 1 states, 0 held, 1 ages'),
	($$'{}', '{1}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 arrays of different lengths: 0 devices, 1 states, 0 held, 0 ages'),
	($$'{a}', '{9}', '{f}', '{0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device "a": state 9, held false, age 0'),
	($$'{a}', '{-2}', '{f}', '{0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device "a": state -2, held false, age 0'),
	($$'{a}', '{null}', '{f}', '{0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device "a": state null, held false, age 0'),
	($$'{a,b}', '{1,70000}', '{f,f}', '{0,0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device "b": state 70000, held false, age 0'),
	($$'{a,b}', '{1,1}', '{f,null}', '{0,0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device "b": state 1, held null, age 0'),
	($$'{a}', '{1}', '{f}', '{null}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device "a": state 1, held false, age null'),
	($$'{a,null}', '{1,1}', '{f,f}', '{0,0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device number 2 is null: null'),
	($$'{null}', '{1}', '{f}', '{0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device number 1 is null: null'),
	($$'{""}', '{1}', '{f}', '{0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device number 1 is empty: ""'),
	($$'{a,""}', '{1,-1}', '{f,f}', '{0,0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'$$, 'PD004 device number 2 is empty: ""'),
	($$'{}', '{}', '{}', '{}', '{m}', '{c}', '{0}', '{0}', '{0}', '{f}', '{}'$$,
		'PD004 arrays of different lengths: 1 mailboxes, 1 contexts, 1 urgent, 1 new, 1 old, 1 held, 0 ages'),
	($$'{}', '{}', '{}', '{}', '{}', '{c}', '{}', '{}', '{}', '{}', '{}'$$,
		'PD004 arrays of different lengths: 0 mailboxes, 1 contexts, 0 urgent, 0 new, 0 old, 0 held, 0 ages'),
	($$'{}', '{}', '{}', '{}', '{m}', '{c}', '{0}', '{-1}', '{0}', '{f}', '{0}'$$, 'PD004 mailbox "m@c": urgent 0, new -1, old 0, held false, age 0'),
	($$'{}', '{}', '{}', '{}', '{m}', '{c}', '{-2}', '{1}', '{0}', '{f}', '{0}'$$, 'PD004 mailbox "m@c": urgent -2, new 1, old 0, held false, age 0'),
	($$'{}', '{}', '{}', '{}', '{m}', '{c}', '{0}', '{1}', '{1000001}', '{f}', '{0}'$$, 'PD004 mailbox "m@c": urgent 0, new 1, old 1000001, held false, age 0'),
	($$'{}', '{}', '{}', '{}', '{m}', '{c}', '{0}', '{null}', '{0}', '{f}', '{0}'$$, 'PD004 mailbox "m@c": urgent 0, new null, old 0, held false, age 0'),
	($$'{}', '{}', '{}', '{}', '{m}', '{c}', '{null}', '{1}', '{0}', '{f}', '{0}'$$, 'PD004 mailbox "m@c": urgent null, new 1, old 0, held false, age 0'),
	($$'{}', '{}', '{}', '{}', '{m,n}', '{c,a@b}', '{0,0}', '{0,0}', '{0,0}', '{f,f}', '{0,0}'$$, 'PD004 context number 2 has an @: "a@b"'),
	($$'{}', '{}', '{}', '{}', '{m,""}', '{c,d}', '{0,0}', '{0,0}', '{0,0}', '{f,f}', '{0,0}'$$, 'PD004 mailbox number 2 is empty: ""')
) as v(args, said);
select is(pg_temp.head('a'), '27 a', 'a refused batch changes nothing');
select is(pg_temp.bad($$null, null, null, null, null, null, null, null, null, null, null$$), 'accepted', 'null arrays are empty ones: a beat');
select is(pg_temp.bad($$'{}', '{}', '{}', '{}', '{m@home}', '{""}', '{0}', '{0}', '{0}', '{f}', '{0}'$$), 'accepted', 'a mailbox may have an @');

-- whose
select throws_ok($$select pgdevstate.publish(n.id, gen_random_uuid(), n.session, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') from pg_temp.node n where name = 'a'$$,
	'PD001', null, 'another incarnation');
select throws_ok($$select pgdevstate.publish(n.id, n.incarnation, gen_random_uuid(), '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') from pg_temp.node n where name = 'a'$$,
	'PD001', null, 'another session');
select throws_ok($$select pgdevstate.publish(n.id, n.incarnation, null, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') from pg_temp.node n where name = 'a'$$,
	'PD001', null, 'no session');
select throws_ok($$select pgdevstate.publish('02:00:00:00:00:0e', gen_random_uuid(), gen_random_uuid(), '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')$$,
	'PD006', null, 'an entity that is not there');
select throws_ok($$select pgdevstate.publish(null, null, null, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')$$, 'PD006', null, 'nobody');

-- publish_device() is publish() of one device, another way. The same words on two entities, one way
-- each: all is the same. From the 200th word on there are policies. Each has devices of its own: under
-- policy latest the one would hear the other.
insert into node (name, id) values ('short', '02:00:00:00:00:0d'), ('long', '02:00:00:00:00:0e');
select pg_temp.begin_run('short'), pg_temp.begin_run('long') \g /dev/null
create function pg_temp.one(p_name text, p_device text, p_state int, p_held boolean, p_age bigint) returns text
language plpgsql as $$
declare
	n record;
	r record;
begin
	select * into n from pg_temp.node where name = p_name;
	if p_name = 'long' then
		select * into r from pgdevstate.publish(n.id, n.incarnation, n.session, array[p_device], array[p_state], array[p_held],
			array[p_age], '{}', '{}', '{}', '{}', '{}', '{}', '{}');
	else
		select * into r from pgdevstate.publish_device(n.id, n.incarnation, n.session, p_device, p_state, p_held, p_age);
	end if;
	return concat_ws(' ', r.seq, r.changed, r.clock_us is not null);
end
$$;
-- what is left of it: the head, the rows, the last change and its age as told
create function pg_temp.left_by(p_name text) returns text
language sql as $$
	select replace(concat_ws(e'\n', pg_temp.head(p_name), pg_temp.told(p_name),
		(select regexp_replace(c.payload, '^.*\n', '') || concat_ws(' ', c.from_seq, c.to_seq, c.chunk, c.chunks)
			from pgdevstate.change c where c.entity_id = e.entity_id order by c.to_seq desc limit 1),
		(select e.seq || ' ' || e.unconfirmed || ' ' || (e.moved_at > clock_timestamp() - interval '1 minute')),
		(select string_agg(concat_ws(' ', d.device, d.state, d.held, d.seq, round(extract(epoch from h.beat_at - d.stamp))), e'\n' order by d.device)
			from pgdevstate.entity_device d where d.entity_id = e.entity_id and d.seq = e.seq)), p_name || '/', '')
	from pgdevstate.entity e join pgdevstate.heartbeat h using (site, entity_id)
	where e.entity_id = pg_temp.id(p_name)
$$;
select setseed(0.17) \g /dev/null
create temp table word_said as
select n, 'dev' || trunc(random() * 5) as device, trunc(random() * 10)::int - 1 as state, random() < 0.2 as held,
	(array[0, 1, 5000000, -7, 9223372036854775807])[1 + trunc(random() * 5)::int] as age
from generate_series(1, 400) n
union all values (0, 'dev0', 1, false, 0);
create temp table said (n int, short text, long text, short_left text, long_left text);
do $$
declare
	v record;
begin
	for v in select * from word_said order by n loop
		if v.n = 200 then
			perform pgdevstate.set_policy('device', p.pattern, p.policy)
			from (values ('*', 'aggregate'), ('*/dev1', 'latest'), ('*/DEV?', 'aggregate'), ('*/dev2', 'local'), ('*/dev4', 'latest')) p(pattern, policy);
		end if;
		update pgdevstate.entity set moved_at = '2020-01-01' where entity_id in (pg_temp.id('short'), pg_temp.id('long'));
		insert into said (n, short, long)
		values (v.n, pg_temp.one('short', 'short/' || v.device, v.state, v.held, v.age), pg_temp.one('long', 'long/' || v.device, v.state, v.held, v.age));
		update said set short_left = pg_temp.left_by('short'), long_left = pg_temp.left_by('long') where n = v.n;
	end loop;
end
$$;
select cmp_ok(count(*) filter (where short like '% 1 t'), '>', 100::bigint, 'short and long way: words that change something') from said;
select cmp_ok(count(*) filter (where short like '% 0 t'), '>', 20::bigint, '... and words that change nothing') from said;
select is(s.short, s.long, '... the same answer to ' || w.device || ' ' || w.state) from said s join word_said w using (n)
where s.short is distinct from s.long union all select pass('... the same answers') limit 5;
select is(s.short_left, s.long_left, '... the same is left by ' || w.device || ' ' || w.state || ' ' || w.age) from said s join word_said w using (n)
where s.short_left is distinct from s.long_left union all select pass('... the same is left') limit 5;
select cmp_ok(count(*) filter (where s.short like '% 1 t' and w.n > 200 and pgdevstate.device_policy('short/' || w.device) = 'latest'), '>', 10::bigint,
	'... also of toggles') from said s join word_said w using (n);
select pgdevstate.clear_policy('device', pattern) from pgdevstate.policy \g /dev/null
select is(unconfirmed, 0, '... what is acknowledged is confirmed') from pgdevstate.entity where entity_id = pg_temp.id('short');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('short');
select throws_ok($$select pg_temp.one('short', 'dev1', 1, false, 0)$$, 'PD002', null, 'short way: reaped');
update pgdevstate.heartbeat set alive = true where entity_id = pg_temp.id('short');
select set_eq($$select seq from pgdevstate.entity where entity_id = pg_temp.id('short')$$,
	$$select max(to_seq) from pgdevstate.change where entity_id = pg_temp.id('short')$$, '... which moves nothing');
update pgdevstate.entity set session = gen_random_uuid() where entity_id = pg_temp.id('short');
select throws_ok($$select pg_temp.one('short', 'dev1', 1, false, 0)$$, 'PD001', null, 'short way: another session');
select throws_ok($$select pg_temp.one('short', 'dev1', 9, false, 0)$$, 'PD001', null, '... comes before a bad state');
update pgdevstate.entity set session = (select session from node where name = 'short') where entity_id = pg_temp.id('short');
select throws_ok(format('select pg_temp.one(%L, %s, %s, %s, %s)', 'short', d, s, h, a), 'PD004', null, format('short way: refused is %s %s %s %s', d, s, h, a))
from (values ('''dev1''', '9', 'false', '0'), ('''dev1''', '-2', 'false', '0'), ('''''', '1', 'false', '0'), ('null', '1', 'false', '0'),
	('''dev1''', 'null', 'false', '0'), ('''dev1''', '1', 'null', '0'), ('''dev1''', '1', 'false', 'null'), ('e''a\tb''', '1', 'false', '0'),
	('repeat(''x'', 256)', '1', 'false', '0')) v(d, s, h, a);

-- does not wait for a standby
begin;
set local synchronous_commit = remote_apply;
select is(pg_temp.say('a', '{d}', '{6}'), '29 1', 'with synchronous_commit = remote_apply');
select is(current_setting('synchronous_commit'), 'local', '... a publish commits locally');
rollback;
begin;
set local synchronous_commit = off;
select is(pg_temp.say('a', '{d}', '{6}'), '29 1', 'with synchronous_commit = off');
select is(current_setting('synchronous_commit'), 'off', '... it stays so');
rollback;

-- Updates stay on their page, when devices change here and there. A long transaction anywhere on
-- the server, as other tests have, keeps old rows for so long: so the best of many rounds.
select pg_temp.begin_run('c') \g /dev/null
select pg_temp.say('c', array_agg('hot' || g order by g), array_agg(1)) from generate_series(1, 1000) g \g /dev/null
create procedure pg_temp.hot(out best numeric)
language plpgsql as $$
declare
	v_was record;
	v_is record;
begin
	best := 0;
	for v_round in 1..200 loop
		select n_tup_upd, n_tup_hot_upd into v_was from pg_stat_xact_user_tables where relid = 'pgdevstate.entity_device'::regclass;
		for i in 1..30 loop
			perform pg_temp.say('c', array_agg('hot' || 1 + (i * 7 + g * 97) % 1000), array_agg((v_round + i) % 9)) from generate_series(1, 20) g;
			commit;
		end loop;
		select n_tup_upd, n_tup_hot_upd into v_is from pg_stat_xact_user_tables where relid = 'pgdevstate.entity_device'::regclass;
		best := greatest(best, (v_is.n_tup_hot_upd - v_was.n_tup_hot_upd)::numeric / greatest(v_is.n_tup_upd - v_was.n_tup_upd, 1));
		exit when best > 0.95;
		perform pg_sleep(0.05);
	end loop;
end
$$;
call pg_temp.hot(null) \gset
select cmp_ok(:best::numeric, '>', 0.95, format('%s of the updates were HOT', round(:best::numeric, 3)));


-- A batch goes several ways: what is there and changes is updated, the rest is inserted, removed or no change.
-- Whatever is in it, what is written, told and answered is what the words say.
insert into node (name, id) values ('mixed', '02:00:00:00:01:0a');
select pg_temp.begin_run('mixed') \g /dev/null
create temp table batch as
select b, (b % 7 = 0) as force, array_agg('dev' || trunc(random() * (b % 9 + 1)) order by n) as devices,
	array_agg(greatest(trunc(random() * (b % 5 + 3))::int - (b % 3), -1) order by n) as states
from generate_series(1, 300) b cross join lateral generate_series(1, 1 + trunc(random() * 12)::int + b * 0) n
group by b;
-- what a batch has to do to the rows that are there, as "told" lines
create function pg_temp.due(p_force boolean, p_devices text[], p_states int[]) returns setof text
language sql as $$
	select case when w.state >= 0 then e'D\t' || w.state || e'\t-\tage\t' || w.device else e'd\tage\t' || w.device end
	from (
		select distinct on (u.device) u.device, u.state
		from unnest(p_devices, p_states) with ordinality u(device, state, n) order by u.device, u.n desc
	) w
	left join pgdevstate.entity_device d on d.entity_id = pg_temp.id('mixed') and d.device = w.device
	where p_force or coalesce(d.state::int, -1) <> w.state
	order by 1
$$;
create function pg_temp.told_sorted(p_name text) returns text
language sql as $$
	select string_agg(l, e'\n' order by l) from string_to_table(pg_temp.told(p_name), e'\n') l where l ~ '^[dD]'
$$;
create temp table done (b int, seq bigint, answer text, changed bigint, told text, due text, left_over int);
do $$
declare
	v record;
	v_seq bigint;
	v_due text;
	v_changed bigint;
	v_answer text;
begin
	for v in select * from batch order by b loop
		select count(*), string_agg(l, e'\n' order by l) into v_changed, v_due from pg_temp.due(v.force, v.devices, v.states) l;
		v_answer := pg_temp.say('mixed', v.devices, v.states, v.force);
		select e.seq into v_seq from pgdevstate.entity e where e.entity_id = pg_temp.id('mixed');
		insert into done select v.b, v_seq, v_answer, v_changed, case when v_changed > 0 then pg_temp.told_sorted('mixed') end, v_due,
			(select count(*) from pg_temp.due(false, v.devices, v.states));
	end loop;
end
$$;
select cmp_ok(count(*) filter (where changed > 2), '>', 100::bigint, 'mixed batches: many that change something') from done;
select is(d.answer, d.seq || ' ' || d.changed, '... the answer to batch ' || d.b) from done d
where d.answer is distinct from d.seq || ' ' || d.changed union all select pass('... the answers') limit 5;
select is(d.told, d.due, '... what is told of batch ' || d.b) from done d where d.told is distinct from d.due union all select pass('... what is told') limit 5;
select is(sum(left_over), 0::bigint, '... all rows are what was said') from done;

-- devices that are there: the same words, and nothing of a batch that is refused
select is(pg_temp.say('b', '{p1,p2,p3}', '{1,1,1}'), '6 3', 'three');
select is(pg_temp.say('b', '{p3,p1,p2}', '{3,1,2}', p_held => true), '7 3', '... are held now');
select is(pg_temp.rows('select device, state, held, seq from rows where device like ''p_'''), e'(p1,1,t,7)\n(p2,2,t,7)\n(p3,3,t,7)', '... all of them');
select is(pg_temp.told_sorted('b'), e'D\t1\th\tage\tp1\nD\t2\th\tage\tp2\nD\t3\th\tage\tp3', '... and told');
select is(r.changed, 2, 'two with an age')
from node n, pgdevstate.publish(n.id, n.incarnation, n.session, '{p1,p2}', '{5,5}', '{t,t}', '{5000000,-7}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') r
where n.name = 'b';
select is((select stamp from pgdevstate.entity_device where device = 'p2') - (select stamp from pgdevstate.entity_device where device = 'p1'),
	'5 seconds'::interval, '... which is written');
select matches(payload, e'\nD\t5\th\t5000000\tp1\nD\t5\th\t0\tp2\n$', '... and told') from pgdevstate.change where to_seq = 8 and entity_id = pg_temp.id('b');
create function pg_temp.bad_b(p_args text) returns text
language plpgsql as $$
begin
	execute format('select pgdevstate.publish(n.id, n.incarnation, n.session, %s, ''{}'', ''{}'', ''{}'', ''{}'', ''{}'', ''{}'', ''{}'') from pg_temp.node n where n.name = ''b''', p_args);
	return 'accepted';
exception when others then
	return sqlstate || ' ' || sqlerrm;
end
$$;
select is(pg_temp.bad_b(args), said, said)
from (values
	($$'{p1,p2}', '{6,9}', '{f,f}', '{0,0}'$$, 'PD004 device "p2": state 9, held false, age 0'),
	($$'{p1,p2}', '{6,null}', '{f,f}', '{0,0}'$$, 'PD004 device "p2": state null, held false, age 0'),
	($$'{p1,p2}', '{6,6}', '{null,f}', '{0,0}'$$, 'PD004 device "p1": state 6, held null, age 0'),
	($$'{p1,p2}', '{6,6}', '{f,f}', '{0,null}'$$, 'PD004 device "p2": state 6, held false, age null'),
	($$'{p1,p2}', '{6,6,6}', '{f,f}', '{0,0}'$$, 'PD004 arrays of different lengths: 2 devices, 3 states, 2 held, 2 ages'),
	($$'{p1,p2,p3}', '{6,6}', '{f,f,f}', '{0,0,0}'$$, 'PD004 arrays of different lengths: 3 devices, 2 states, 3 held, 3 ages'),
	($$'{p1,p2}', '{6,6}', '{f,f}', '{0,0,0}'$$, 'PD004 arrays of different lengths: 2 devices, 2 states, 2 held, 3 ages'),
	($$'{p1,p2}', '{6,6}', null, '{0,0}'$$, 'PD004 arrays of different lengths: 2 devices, 2 states, 0 held, 2 ages'),
	($$'{p1,null}', '{6,6}', '{f,f}', '{0,0}'$$, 'PD004 device number 2 is null: null')
) as v(args, said);
select is(pg_temp.head('b'), '8 a', '... changes nothing');
select is(pg_temp.rows('select device, state from rows where device like ''p_'''), e'(p1,5)\n(p2,5)\n(p3,3)', '... of no row');

-- Each row is looked up by its key, also where the planner takes the table for an empty one.
create temp table big as select array_agg('big' || g order by g) as devices from generate_series(1, 5000) g;
begin;
delete from pgdevstate.entity_device where entity_id <> pg_temp.id('b');
update pg_catalog.pg_class set reltuples = 0, relpages = 0 where oid = 'pgdevstate.entity_device'::regclass;
delete from pg_catalog.pg_statistic where starelid = 'pgdevstate.entity_device'::regclass;
select pg_temp.say('b', devices, array_fill(1, array[5000])) from big \g /dev/null
create temp table reads as select seq_tup_read + idx_tup_fetch as n from pg_catalog.pg_stat_xact_user_tables where relid = 'pgdevstate.entity_device'::regclass;
select is(pg_temp.say('b', '{big7,big8,big9}', '{2,2,2}'), '10 3', 'three of many');
select cmp_ok(t.seq_tup_read + t.idx_tup_fetch - r.n, '<', 20::bigint, '... read no others')
from pg_catalog.pg_stat_xact_user_tables t, reads r where t.relid = 'pgdevstate.entity_device'::regclass;
rollback;

-- chunks are cut at lines' ends, in bytes: names of characters that have several
select is(pg_temp.say('b', array_agg(repeat('ü', 1 + g % 60) || '電話' || g order by g), array_agg(1 + g % 3 order by g)), '9 2000', 'names of many bytes')
from generate_series(1, 2000) g;
select cmp_ok(max(octet_length(payload)), '<=', 7900, '... fit') from pgdevstate.change where entity_id = pg_temp.id('b') and to_seq = 9;
select cmp_ok(min(octet_length(payload)), '>', 6600, '... fill their chunks') from pgdevstate.change
where entity_id = pg_temp.id('b') and to_seq = 9 and chunk < chunks;
select is(md5(string_agg(split_part(l.line, e'\t', 5), ',' order by split_part(l.line, e'\t', 5) collate "C")),
	(select md5(string_agg(device, ',' order by device collate "C")) from pgdevstate.entity_device where entity_id = pg_temp.id('b') and seq = 9), '... and all are told')
from pgdevstate.change c cross join lateral string_to_table(c.payload, e'\n') with ordinality l(line, n)
where c.entity_id = pg_temp.id('b') and c.to_seq = 9 and l.n > 1 and l.line <> '';
select * from finish();
