-- register, resume, leave: who may write for an entity, and how a run goes on.
\ir lib/node.sql
select no_plan();

-- a first run
select is(pg_temp.begin_run('a'), 'registered', 'a new entity is registered');
select is(pg_temp.head('a'), '1 a', '... alive, not reporting, at seq 1');
select is(pg_temp.told('a'), e'0 1 1/1 a\nE\tnode\tserver_a\thost_a\t42\t1.0\tsince\n', '... and the journal says who it is');
select is(pg_temp.rows('select kind, name, host, pid, boot_id, version, owner, backend_pid from pgdevstate.entity'),
	format('(node,server_a,host_a,42,boot,1.0,%s,%s)', session_user, pg_backend_pid()), '... so does the head');
select is(lease_ms::int, 10000, '... with its lease') from pgdevstate.heartbeat;
select isnt(session, null, '... and a session') from node where name = 'a';

-- a twin
select session from node where name = 'a' \gset was_
select is(pg_temp.rows($$
	select r.outcome, r.session, r.site, r.seq, r.holder_name, r.holder_host, r.holder_pid, r.holder_since = e.registered_at,
		r.holder_beat_age_ms between 0 and 9999, r.channel = s.channel
	from pgdevstate.register(pg_temp.id('a'), gen_random_uuid(), 'twin', 'elsewhere', 7, 'other', '1.0', 10000) r,
		pgdevstate.entity e, pgdevstate.site s$$),
	'(refused,,1,1,server_a,host_a,42,t,t,t)',
	'another run is refused while the first lives, and hears of whom, and the channel');
select is(pg_temp.beat('a'), '1 0', '... and the first goes on');
select is(pg_temp.begin_run('a', 'host_a', 'other boot'), 'refused', 'the same host after another boot is refused');
select is(pg_temp.begin_run('a', 'host_b', 'boot'), 'refused', 'another host is refused');
select is(pg_temp.begin_run('a', 'host_a', 'boot'), 'refused', 'the same host and boot is refused while the server process is there');

-- a node that crashed: its server process is gone
update pgdevstate.entity set backend_pid = 1;
select is(pg_temp.begin_run('a', 'host_b', 'boot'), 'refused', 'the server process is gone: another host is refused');
select is(pg_temp.begin_run('a', 'host_a', 'other boot'), 'refused', '... so is another boot');
select is(pg_temp.begin_run('a', 'host_a', ''), 'refused', '... and one that does not know its boot');
select incarnation from node where name = 'a' \gset old_
select is(pg_temp.begin_run('a', 'host_a', 'boot'), 'registered', '... the same host and boot takes over at once');
select is(pg_temp.head('a'), '2 a', 'seq goes on with the new run');
select isnt(incarnation, :'old_incarnation'::uuid, '... which is another incarnation') from pgdevstate.entity;
select throws_ok(format($$select pgdevstate.publish(pg_temp.id('a'), %L, %L, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')$$,
	:'old_incarnation', :'was_session'), 'PD001', null, 'the old run is fenced');

-- a lease that ended, not reaped yet
select pg_temp.age_beat('a', '10.1 seconds');
select is(pg_temp.begin_run('a', 'elsewhere', 'other'), 'registered', 'a lease that ended is free');
select pg_temp.age_beat('a', '5 seconds');
select is(pg_temp.begin_run('a', 'third', 'other'), 'refused', 'a lease that did not is not');
update pgdevstate.heartbeat set alive = false;
select is(pg_temp.begin_run('a'), 'registered', 'a run that was reaped is free');
select is(pg_temp.head('a'), '4 a', 'seq went on');

-- reporting ends with the run
select is(pg_temp.say('a', '{d}', '{2}', false, true), '5 1', 'a run reports');
update pgdevstate.heartbeat set alive = false;
select is(pg_temp.begin_run('a'), 'registered', 'a new run');
select is(pg_temp.head('a'), '6 a', '... does not report yet');
select is(count(*), 1::bigint, '... but its rows are still there') from pgdevstate.entity_device;

-- ... but for a restart on the same host and boot, within the lease: the PBX may be well
insert into node (name, id) values ('r', '02:00:00:00:00:1a');
select is(pg_temp.begin_run('r'), 'registered', 'a run');
select is(pg_temp.say('r', '{d}', '{2}', false, true), '2 1', '... reports');
update pgdevstate.entity set backend_pid = 1 where entity_id = pg_temp.id('r');
select is(pg_temp.begin_run('r'), 'registered', '... and its host starts it again, within the lease');
select is(pg_temp.head('r'), '3 ar', '... it is reporting');
select is(pg_temp.told('r'), e'2 3 1/1 ar\nE\tnode\tserver_r\thost_r\t42\t1.0\tsince\n', '... and told so');
select is(r.outcome || ' ' || r.seq, 'registered 4', 'the same incarnation again')
from node n, pgdevstate.register(n.id, n.incarnation, 'server_r', 'host_r', 42, 'boot', '1.0', 10000) r where n.name = 'r';
select is(pg_temp.head('r'), '4 ar', '... too');
select is(r.outcome || ' ' || r.seq, 'registered 5', 'a run that goes on after a rewind, however old its beat')
from pgdevstate.entity e
cross join lateral (select pg_temp.age_beat('r', '11 seconds')) a
cross join lateral pgdevstate.register(e.entity_id, '12345678-0000-0000-0000-00000000000a', 'server_r', 'host_r', 42, 'boot', '1.0', 10000,
	e.incarnation, e.seq, e.session) r
where e.entity_id = pg_temp.id('r');
select is(pg_temp.head('r'), '5 ar', '... too');
update pgdevstate.entity set backend_pid = 1 where entity_id = pg_temp.id('r');
select pg_temp.age_beat('r', '11 seconds');
select is(pg_temp.begin_run('r'), 'registered', 'the lease ended, nobody buried it yet');
select is(pg_temp.head('r'), '6 a', '... not reporting: what was off does not come on');
select is(pg_temp.say('r', '{}', '{}', false, true), '7 0', 'it reports');
select pg_temp.age_beat('r', '11 seconds');
select is(pg_temp.begin_run('r', 'host_r', 'other boot'), 'registered', 'another boot');
select is(pg_temp.head('r'), '8 a', '... is not reporting');
select is(pg_temp.say('r', '{}', '{}', false, true), '9 0', 'it reports');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('r');
select is(pg_temp.begin_run('r', 'elsewhere', 'other boot'), 'registered', 'another host');
select is(pg_temp.head('r'), '10 a', '... is not reporting');
select is(pg_temp.begin_run('r', 'elsewhere', ''), 'refused', 'its own server process is there');
delete from pgdevstate.entity where entity_id = pg_temp.id('r');
delete from node where name = 'r';

-- the same incarnation again: its answer was lost
select session from node where name = 'a' \gset lost_
select is(r.outcome || ' ' || r.seq, 'registered 7', 'the same incarnation registers again')
from node n, pgdevstate.register(n.id, n.incarnation, 'server_a', 'host_a', 42, 'boot', '1.0', 10000) r where n.name = 'a';
select isnt(session, :'lost_session'::uuid, '... with a new session') from pgdevstate.entity;
select throws_ok($$select pg_temp.beat('a')$$, 'PD001', null, '... and the old one is fenced');
update node n set session = e.session from pgdevstate.entity e where e.entity_id = n.id;

-- resume
select is(pg_temp.resume('a', 7), 'resumed 7', 'resume at the acknowledged seq');
select is(pg_temp.resume('a', 6), 'resumed 7', 'resume one behind: the publish whose answer was lost');
select is(pg_temp.head('a'), '7 a', '... moves nothing');
select session from node where name = 'a' \gset before_
select is(pg_temp.resume('a', 7), 'resumed 7', 'resume again');
select isnt(session, :'before_session'::uuid, '... always gives a new session') from pgdevstate.entity;
select throws_ok(format($$select pgdevstate.publish(n.id, n.incarnation, %L, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
	from pg_temp.node n where n.name = 'a'$$, :'before_session'), 'PD001', null, '... and fences the old one, so a late publish of the node''s own past cannot come in');

-- reaped meanwhile
update pgdevstate.heartbeat set alive = false;
select throws_ok($$select pg_temp.beat('a')$$, 'PD002', null, 'a reaped run''s beat fails: lease lost');
select is(pg_temp.resume('a', 7), 'resumed 8', 'it resumes: alive again, which moves seq');
select is(pg_temp.told('a'), e'7 8 1/1 a\n', '... and is told');
select is(unconfirmed, 1, '... not confirmed by the node') from pgdevstate.entity;
update pgdevstate.heartbeat set alive = false;
select is(pg_temp.resume('a', 7), 'resumed 9', 'again, the answer was lost twice');
update pgdevstate.heartbeat set alive = false;
select is(pg_temp.resume('a', 6), 'resumed 10', 'and the publish in flight besides');
select is(pg_temp.resume('a', 10), 'resumed 10', 'the node got the last answer');
select is(pg_temp.resume('a', 9), 'resumed 10', 'the node got the answer before');
select is(unconfirmed, 3, 'three are unconfirmed') from pgdevstate.entity;
select is(pg_temp.beat('a'), '10 0', 'a beat');
select is(unconfirmed, 0, '... confirms them') from pgdevstate.entity;
select is(pg_temp.say('a', '{d}', '{3}'), '11 1', 'the run goes on');

-- rewound: the database lost what it acknowledged
select is(pg_temp.resume('a', 12), 'rewound 11', 'the database is one behind the node');
select is(pg_temp.resume('a', 20), 'rewound 11', 'the database is far behind the node');
select incarnation, session from node where name = 'a' \gset rewound_
select gen_random_uuid() as incarnation \gset new_
select throws_ok(format($$select pgdevstate.register(pg_temp.id('a'), %L, 'server_a', 'host_a', 42, 'boot', '1.0', 10000, %L, 11, %L)$$,
	:'new_incarnation', :'rewound_incarnation', gen_random_uuid()), 'PD001', null, 'going on with another session is refused');
select throws_ok(format($$select pgdevstate.register(pg_temp.id('a'), %L, 'server_a', 'host_a', 42, 'boot', '1.0', 10000, %L, 10, %L)$$,
	:'new_incarnation', :'rewound_incarnation', :'rewound_session'), 'PD001', null, '... so is another seq');
select throws_ok(format($$select pgdevstate.register(pg_temp.id('a'), %L, 'server_a', 'host_a', 42, 'boot', '1.0', 10000, %L, 11, %L)$$,
	:'new_incarnation', gen_random_uuid(), :'rewound_session'), 'PD001', null, '... and another incarnation');
select throws_ok(format($$select pgdevstate.register('02:00:00:00:00:77', %L, 'server_a', 'host_a', 42, 'boot', '1.0', 10000, %L, 11, %L)$$,
	:'new_incarnation', :'rewound_incarnation', :'rewound_session'), 'PD001', null, '... and an entity that is not there');
select is(r.outcome || ' ' || r.seq, 'registered 12', 'the live holder itself goes on with a new incarnation')
from pgdevstate.register(pg_temp.id('a'), :'new_incarnation', 'server_a', 'host_a', 42, 'boot', '1.0', 10000,
	:'rewound_incarnation', 11, :'rewound_session') r;
select is(pg_temp.told('a'), format(e'11 12 1/1 a %s 11\nE\tnode\tserver_a\thost_a\t42\t1.0\tsince\n', :'rewound_incarnation'),
	'... and the journal says what it continues');
update node n set incarnation = e.incarnation, session = e.session from pgdevstate.entity e where e.entity_id = n.id;
update pgdevstate.heartbeat set alive = false;
select is(pg_temp.resume('a', 13), 'rewound 12', 'rewound and reaped');
select is(pg_temp.head('a'), '12 -', '... moves nothing: seq must not grow over what was lost');
select is(pg_temp.resume('a', 13), 'rewound 12', '... however often it is asked');

-- anything else
select is(pg_temp.begin_run('a'), 'registered', 'a new run');
select is(pg_temp.say('a', '{d}', '{4}'), '14 1', '... says something');
select is(r.outcome || ' ' || coalesce(r.session::text, 'none') || ' ' || r.holder_name || (r.channel is not null), 'refused none server_atrue',
	'resume of another incarnation is refused while the holder lives')
from pgdevstate.resume(pg_temp.id('a'), gen_random_uuid(), 14, 'x', 'y', 1, 'z') r;
select is(r.outcome || ' ' || coalesce(r.session::text, 'none') || (r.channel is not null), 'lost nonetrue', 'of an entity that is not there it is lost')
from pgdevstate.resume(pg_temp.id('b'), gen_random_uuid(), 14, 'x', 'y', 1, 'z') r;
select pg_temp.age_beat('a', '11 seconds');
select is(r.outcome, 'lost', 'and when the holder is dead too')
from pgdevstate.resume(pg_temp.id('a'), gen_random_uuid(), 14, 'x', 'y', 1, 'z') r;
select is(pg_temp.beat('a'), '14 0', 'the holder still lives');
select is(pg_temp.resume('a', 12), 'lost 14 no session', 'the database is two ahead: the node''s memory is not of this');
select is(pg_temp.head('a'), '14 -', '... the head is given up');
select is(pg_temp.begin_run('a', 'elsewhere', 'x'), 'registered', '... so the next run is not refused by its own ghost');

-- leave
select is(seq, 16::bigint, 'leave moves seq') from node n, pgdevstate.leave(n.id, n.incarnation, n.session) where n.name = 'a';
select is(pg_temp.head('a'), '16 -', '... neither alive nor reporting');
select is(pg_temp.told('a'), e'15 16 1/1 -\n', '... is told');
select throws_ok($$select pg_temp.beat('a')$$, 'PD001', null, '... and ends the session');
select throws_ok($$select pgdevstate.leave(n.id, n.incarnation, n.session) from pg_temp.node n where n.name = 'a'$$, 'PD001', null, 'leaving twice is refused');
select is(pg_temp.resume('a', 16), 'lost 16 no session', 'who left does not resume');
select is(pg_temp.begin_run('a', 'new host', 'x'), 'registered', '... but may register, from anywhere');
select throws_ok($$select pgdevstate.leave('02:00:00:00:00:0b', gen_random_uuid(), gen_random_uuid())$$, 'PD006', null, 'nobody cannot leave');

-- a heartbeat that somebody deleted: else the node would be fenced for ever
delete from pgdevstate.heartbeat where entity_id = pg_temp.id('a');
select throws_ok($$select pg_temp.beat('a')$$, 'PD002', null, 'without a heartbeat it is dead');
select matches(pg_temp.resume('a', 17), '^lost 17 no session$', '... its lease is not known: it is lost');
select is(pg_temp.begin_run('a', 'new host', 'x', 4000), 'registered', '... and begins anew');
select is(array[h.alive::text, h.lease_ms::text], '{true,4000}', '... with a heartbeat') from pgdevstate.heartbeat h where h.entity_id = pg_temp.id('a');
select is(pg_temp.beat('a'), '18 0', '... that beats');

-- illegal words
select throws_matching(format($$select pgdevstate.register(%s)$$, args), message, message)
from (values
	($$null, gen_random_uuid(), 'n', 'h', 1, 'b', 'v', 10000$$, 'entity id null is not usable'),
	($$'00:00:00:00:00:00', gen_random_uuid(), 'n', 'h', 1, 'b', 'v', 10000$$, 'entity id 00:00:00:00:00:00 is not usable'),
	($$'ff:ff:ff:ff:ff:ff', gen_random_uuid(), 'n', 'h', 1, 'b', 'v', 10000$$, 'entity id ff:ff:ff:ff:ff:ff is not usable'),
	($$'02:00:00:00:00:0d', null, 'n', 'h', 1, 'b', 'v', 10000$$, 'incarnation null is not usable'),
	($$'02:00:00:00:00:0d', '00000000-0000-0000-0000-000000000000', 'n', 'h', 1, 'b', 'v', 10000$$, 'incarnation 0.* is not usable'),
	($$'02:00:00:00:00:0d', gen_random_uuid(), '', 'h', 1, 'b', 'v', 10000$$, 'entity name number 1 is empty'),
	($$'02:00:00:00:00:0d', gen_random_uuid(), e'a\tb', 'h', 1, 'b', 'v', 10000$$, 'entity name number 1 has a control character: "a\\tb"'),
	($$'02:00:00:00:00:0d', gen_random_uuid(), repeat('x', 256), 'h', 1, 'b', 'v', 10000$$, 'entity name number 1 has 256 bytes'),
	($$'02:00:00:00:00:0d', gen_random_uuid(), 'n', e'h\n', 1, 'b', 'v', 10000$$, 'host number 1 has a control character'),
	($$'02:00:00:00:00:0d', gen_random_uuid(), 'n', 'h', null, 'b', 'v', 10000$$, 'pid or boot_id is null'),
	($$'02:00:00:00:00:0d', gen_random_uuid(), 'n', 'h', 1, 'b', repeat('v', 64), 10000$$, 'version is'),
	($$'02:00:00:00:00:0d', gen_random_uuid(), 'n', 'h', 1, 'b', 'v', 999$$, 'lease of 999 ms'),
	($$'02:00:00:00:00:0d', gen_random_uuid(), 'n', 'h', 1, 'b', 'v', null$$, 'lease of null ms')
) as v(args, message);
select is(count(*), 0::bigint, 'none of them left a trace') from pgdevstate.entity where entity_id = '02:00:00:00:00:0d';

-- a static entity's id is not for nodes
select pgdevstate.set_device_state('Custom:x', 'INUSE');
select throws_ok($$select pgdevstate.register(e.entity_id, gen_random_uuid(), 'n', 'h', 1, 'b', 'v', 10000) from pgdevstate.entity e where kind = 'static'$$,
	'PD005', null, 'a static entity''s id is refused');
select throws_ok($$select pgdevstate.resume(e.entity_id, gen_random_uuid(), 1, 'n', 'h', 1, 'b') from pgdevstate.entity e where kind = 'static'$$,
	'PD005', null, '... for resume too');

-- the holder hears of the twin; another session that asks is seen by psql
\setenv ASK 'select outcome from pgdevstate.register(''02:00:00:00:00:0a'', ''12345678-0000-0000-0000-000000000001'', ''twin'', ''far'', 7, ''o'', ''2.0'', 10000)'
\set heard `ch=$(psql -XAtc "select channel from pgdevstate.site"); psql -XAtq -c "listen $ch" -c "$ASK"`
select matches(:'heard'::text, e'^refused\nAsynchronous notification "pgdevstate_\\w+" with payload "1\tT\t1\t02:00:00:00:00:0a\t12345678-0000-0000-0000-000000000001\t\\d{16}\nE\tnode\ttwin\tfar\t7\t2.0\t\\d{16}\n"',
	'the channel says who was refused');

select * from finish();
