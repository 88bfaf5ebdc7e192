-- tick: one coordinator, reaping, the pulse, the audit, trimming.
\ir lib/node.sql
create extension dblink;
select no_plan();
select pg_temp.begin_run('a'), pg_temp.begin_run('b'), pg_temp.begin_run('c') \g /dev/null

create function pg_temp.coordinator_age(p_age interval) returns void
language sql as $$ update pgdevstate.coordinator set renewed_at = clock_timestamp() - p_age $$;
create function pg_temp.alive() returns text
language sql as $$
	select string_agg(n.name, '' order by n.name)
	from pgdevstate.heartbeat h
	join pg_temp.node n on n.id = h.entity_id
	where h.alive
$$;

-- the coordinator
select is(pg_temp.tick('a'), '1 0', 'the first who ticks is the coordinator');
select is(pg_temp.tick('b'), 'no', 'the second is not');
select is(pg_temp.rows($$select t.token, t.coordinator, t.pulse, t.reaped, t.trimmed, t.queue_usage >= 0
	from pg_temp.node n, pgdevstate.tick(n.id, n.incarnation, n.session, null) t where n.name = 'b'$$), '(,02:00:00:00:00:0a,1,0,0,t)', '... and hears who is');
select is(pg_temp.tick('a'), '2 0', 'the coordinator goes on');
select is(pg_temp.rows('select entity_id, pulse from pgdevstate.coordinator'), '(02:00:00:00:00:0a,2)', '... by its row');
select is(pg_temp.rows($$select t.token from pg_temp.node n, pgdevstate.tick(n.id, n.incarnation, n.session, gen_random_uuid()) t where n.name = 'b'$$), '()',
	'another token is none');
select pg_temp.coordinator_age('0.5 seconds') \g /dev/null
select is(pg_temp.tick('b'), 'no', 'after half a second it is still the coordinator');
select pg_temp.coordinator_age('2.1 seconds') \g /dev/null
select is(pg_temp.tick('b'), '3 0', 'after 2.1 s another takes over');
select is(pg_temp.tick('a'), 'no', '... and the first is no more');
select pg_temp.coordinator_age('-10 seconds') \g /dev/null
select is(pg_temp.tick('a'), '4 0', 'the clock went back: anyone may take over');
select is(pg_temp.tick('b'), 'no', '... and the second is no more');
select throws_ok($$select pgdevstate.tick(n.id, n.incarnation, gen_random_uuid(), n.token) from pg_temp.node n where name = 'a'$$, 'PD001', null, 'another session');
select throws_ok($$select pgdevstate.tick('02:00:00:00:00:99', gen_random_uuid(), gen_random_uuid(), null)$$, 'PD006', null, 'nobody');

-- it never waits
select dblink_connect('other', pg_temp.conninfo()) \g /dev/null
select dblink_exec('other', 'begin'), dblink_exec('other', 'update pgdevstate.coordinator set pulse = pulse') \g /dev/null
set lock_timeout = '2s';
select is(pg_temp.tick('a'), 'no', 'somebody holds the coordinator''s row: no wait, not now');
select dblink_exec('other', 'rollback') \g /dev/null
select pg_temp.coordinator_age('3 seconds') \g /dev/null
select is(pg_temp.tick('a'), '5 0', 'next time again');

-- its row was deleted: else there would be no pulse and no reaper any more
delete from pgdevstate.coordinator;
select is(pg_temp.tick('a'), '1 0', 'a row that is gone is made anew');
select is(pg_temp.rows('select entity_id, pulse from pgdevstate.coordinator'), '(02:00:00:00:00:0a,1)', '... for whoever ticks first');
update pgdevstate.coordinator set pulse = 5;

-- reaping
select pg_temp.age_beat('b', '9 seconds'), pg_temp.tick('a') \g /dev/null
select is(pg_temp.alive(), 'abc', 'a beat of 9 s ago lives');
select pg_temp.age_beat('b', '10.1 seconds') \g /dev/null
select is(pg_temp.tick('a'), '7 1', 'one of 10.1 s ago is dead');
select is(pg_temp.alive(), 'ac', '... that one');
select is(pg_temp.head('b'), '1 -', '... without a move of seq');
select is(pg_temp.tick('a'), '8 0', '... once');
select is(pg_temp.resume('b', 1), 'resumed 2', 'it resumes');
select pg_temp.age_beat('b', '11 seconds'), pg_temp.age_beat('c', '11 seconds') \g /dev/null
select dblink_exec('other', 'begin'), dblink_exec('other', 'update pgdevstate.entity set seq = seq where entity_id = ''02:00:00:00:00:0b''') \g /dev/null
select is(pg_temp.tick('a'), '9 1', 'who is being written for is left alone, without a wait');
select is(pg_temp.alive(), 'ab', '... the other is dead');
select dblink_exec('other', 'rollback') \g /dev/null
select dblink_exec('other', 'begin'), dblink_exec('other', 'update pgdevstate.heartbeat set beat_at = clock_timestamp() where entity_id = ''02:00:00:00:00:0b''') \g /dev/null
select is(pg_temp.tick('a'), '10 0', 'who is beating at this moment is left alone too');
select dblink_exec('other', 'commit') \g /dev/null
select is(pg_temp.tick('a'), '11 0', '... and lives');
select pg_temp.resume('c', 1) \g /dev/null

-- was the database away, or only the coordinator?
create function pg_temp.last_look(p_age interval) returns void
language sql as $$ update pgdevstate.coordinator set reaped_at = clock_timestamp() - p_age $$;
create function pg_temp.steady(p_name text, p_since interval, p_beat interval) returns void
language sql as $$
	update pgdevstate.heartbeat set steady_since = clock_timestamp() - p_since, beat_at = clock_timestamp() - p_beat
	where entity_id = pg_temp.id(p_name)
$$;
-- In steps of 3 s, of which the lower is told: this may take its time.
create function pg_temp.beat_age(p_name text) returns int
language sql as $$
	select floor(extract(epoch from clock_timestamp() - beat_at) / 3) * 3 from pgdevstate.heartbeat where entity_id = pg_temp.id(p_name)
$$;
create function pg_temp.disconnected(p_name text) returns void
language sql as $$ update pgdevstate.entity set backend_pid = 0 where entity_id = pg_temp.id(p_name) $$;
create function pg_temp.short(p_name text, p_lease_ms int default 2000) returns void
language sql as $$ update pgdevstate.heartbeat set lease_ms = p_lease_ms where entity_id = pg_temp.id(p_name) $$;
select pg_temp.disconnected('b'), pg_temp.disconnected('c') \g /dev/null

select pg_temp.steady('a', '100 s', '1 s'), pg_temp.steady('b', '100 s', '60 s'), pg_temp.steady('c', '100 s', '6 s'), pg_temp.last_look('20 s') \g /dev/null
select is(pg_temp.tick('a'), '12 1', 'nobody looked for 20 s, but the one who looks was there all the while: the dead are dead');
select is(pg_temp.alive(), 'ac', '... and only they');
select is(pg_temp.beat_age('c'), 6, '... with no new lease for the others');
select pg_temp.resume('b', 2), pg_temp.disconnected('b') \g /dev/null

select pg_temp.steady('a', '3 s', '0 s'), pg_temp.steady('b', '100 s', '60 s'), pg_temp.steady('c', '100 s', '2 s'), pg_temp.last_look('20 s') \g /dev/null
select is(pg_temp.tick('a'), '13 1', 'the one who looks came 3 s ago, but another was there until 2 s ago: the dead are dead');
select pg_temp.resume('b', 3), pg_temp.disconnected('b') \g /dev/null

select pg_temp.steady('a', '3 s', '0 s'), pg_temp.steady('b', '100 s', '60 s'), pg_temp.steady('c', '100 s', '30 s'), pg_temp.last_look('20 s') \g /dev/null
select is(pg_temp.tick('a'), '14 0', 'nobody was there from 20 s ago to 3 s ago: nobody is dead');
select is(array[pg_temp.beat_age('a'), pg_temp.beat_age('b'), pg_temp.beat_age('c')], array[0, 3, 3], '... all leases begin anew, 3 s ago');
select pg_temp.steady('b', '3 s', '60 s'), pg_temp.last_look('0.5 s') \g /dev/null
select is(pg_temp.tick('a'), '15 1', '... once');
select pg_temp.resume('b', 4), pg_temp.disconnected('b') \g /dev/null

select pg_temp.steady('a', '3 s', '0 s'), pg_temp.steady('b', '100 s', '60 s'), pg_temp.steady('c', '100 s', '3.5 s'), pg_temp.last_look('20 s') \g /dev/null
select is(pg_temp.tick('a'), '16 1', 'a gap of half a second is none');
select pg_temp.resume('b', 5), pg_temp.disconnected('b') \g /dev/null

select pg_temp.steady('a', '100 s', '1 s'), pg_temp.steady('b', '100 s', '60 s'), pg_temp.steady('c', '100 s', '30 s'), pg_temp.last_look('5 s') \g /dev/null
select is(pg_temp.tick('a'), '17 2', 'who beat less than 3 s ago, and is still connected, was there');
select pg_temp.resume('b', 6), pg_temp.disconnected('b'), pg_temp.resume('c', 1), pg_temp.disconnected('c') \g /dev/null
select pg_temp.steady('a', '100 s', '7 s'), pg_temp.steady('b', '100 s', '60 s'), pg_temp.steady('c', '100 s', '30 s'), pg_temp.last_look('8 s') \g /dev/null
select is(pg_temp.tick('a'), '18 0', 'who beat longer ago does not know');
select is(array[pg_temp.beat_age('a'), pg_temp.beat_age('b')], array[0, 0], '... all leases begin anew, now');

-- a server that was stopped for 4.5 s; b's lease is 2 s, a's is 10 s
select pg_temp.short('b'), pg_temp.steady('a', '100 s', '4.6 s'), pg_temp.steady('b', '100 s', '4.7 s'), pg_temp.steady('c', '100 s', '4.6 s'), pg_temp.last_look('4.7 s') \g /dev/null
select is(pg_temp.tick('a'), '19 0', 'a long lease does not say that the database was there for the shorter one');
select pg_temp.steady('a', '100 s', '4.6 s'), pg_temp.steady('b', '100 s', '4.7 s'), pg_temp.steady('c', '100 s', '4.6 s'), pg_temp.last_look('4.7 s'),
	pg_temp.beat('a') \g /dev/null
select is(pg_temp.tick('a'), '20 0', '... nor when it beats first');
select pg_temp.short('b', 10000) \g /dev/null

-- a slow network: ticks are 2 s apart, and the only one who beats began anew with its last beat
create function pg_temp.connected(p_age interval) returns void
language plpgsql as $f$ begin
	execute format('create or replace function pgdevstate.connected_since() returns timestamptz language sql as $c$ select %L::timestamptz $c$',
		clock_timestamp() - p_age);
end $f$;
create function pg_temp.slow_tick(p_last interval, p_connected interval) returns text
language plpgsql as $f$ begin
	update pgdevstate.coordinator set pulse = 20;
	perform pg_temp.steady('a', '0.1 s', '0 s'), pg_temp.steady('b', '100 s', '60 s'), pg_temp.steady('c', '100 s', '8 s');
	perform pg_temp.connected(p_connected), pg_temp.last_look(p_last);
	return pg_temp.tick('a');
end $f$;
select is(pg_temp.slow_tick('2 s', '1 s'), '21 0', 'whose session began after the last look does not know');
select is(pg_temp.slow_tick('4 s', '100 s'), '21 0', 'more than 3 s after it nobody knows');
select is(pg_temp.slow_tick('2 s', '100 s'), '21 1', 'less, and the session was there: a look is a sign of life itself');
select is(pg_temp.beat_age('c'), 6, '... with no new lease for the others');
select pg_temp.resume('b', 7), pg_temp.disconnected('b'), pg_temp.short('c', 3000) \g /dev/null
select is(pg_temp.slow_tick('2 s', '100 s'), '21 0', '... by the shortest lease of the living');
create or replace function pgdevstate.connected_since() returns timestamptz language sql as $$ select pgdevstate.backend_start() $$;
select pg_temp.short('c', 10000) \g /dev/null
update pgdevstate.coordinator set pulse = 20;

select pg_temp.steady('a', '3 s', '0 s'), pg_temp.steady('b', '100 s', '60 s'), pg_temp.steady('c', '100 s', '-60 s'), pg_temp.last_look('-1 s') \g /dev/null
select is(pg_temp.tick('a'), '21 1', 'the clock went back: who is dead now was dead then');
select is(array[pg_temp.beat_age('a'), pg_temp.beat_age('c')], array[0, 0], '... a beat of the future is from now');
select is(pg_temp.alive(), 'ac', '... and lives');
select pg_temp.resume('b', 7), pg_temp.disconnected('b') \g /dev/null

-- steady_since
create function pg_temp.steady_age(p_name text) returns int
language sql as $$
	select floor(extract(epoch from clock_timestamp() - steady_since) / 10) * 10 from pgdevstate.heartbeat where entity_id = pg_temp.id(p_name)
$$;
select pg_temp.steady('b', '100 s', '2 s'), pg_temp.beat('b') \g /dev/null
select is(pg_temp.steady_age('b'), 100, 'a beat after less than 3 s goes on');
select pg_temp.steady('b', '100 s', '3.1 s'), pg_temp.beat('b') \g /dev/null
select is(pg_temp.steady_age('b'), 0, '... after more, it begins');
select pg_temp.short('b'), pg_temp.steady('b', '100 s', '1.1 s'), pg_temp.beat('b') \g /dev/null
select is(pg_temp.steady_age('b'), 0, '... and after half a lease that is shorter');
select pg_temp.short('b', 10000) \g /dev/null
select pg_temp.steady('b', '100 s', '-6 s'), pg_temp.beat('b') \g /dev/null
select is(pg_temp.steady_age('b'), 0, '... and when the clock went back');
select pg_temp.steady('b', '100 s', '1 s'), pg_temp.resume('b', 8) \g /dev/null
select is(extract(epoch from h.steady_since - a.backend_start)::int, 0, 'who resumes was there since it connected')
from pgdevstate.heartbeat h, pg_stat_activity a where h.entity_id = pg_temp.id('b') and a.pid = pg_backend_pid();
select pg_temp.begin_run('b') \g /dev/null
select pg_temp.last_look('0 s') \g /dev/null

-- a dead entity's server process is ended, if it is still the same
select format('tick_victim_%s', pg_backend_pid()) as victim \gset
create role :"victim" login;
select dblink_connect('victim', regexp_replace(pg_temp.conninfo(), 'user=.*', 'user=') || :'victim') \g /dev/null
update pgdevstate.entity e set backend_pid = v.pid, backend_start = a.backend_start
from dblink('victim', 'select pg_backend_pid()') v(pid int)
join pg_stat_activity a using (pid)
where e.entity_id = pg_temp.id('b');
update pgdevstate.entity set backend_start = backend_start - interval '1 hour' where entity_id = pg_temp.id('b');
select pg_temp.age_beat('b', '11 seconds'), pg_temp.tick('a') \g /dev/null
select is(count(*), 1::bigint, 'a process that began at another time is another''s')
from pg_stat_activity a, pgdevstate.entity e where a.pid = e.backend_pid and e.entity_id = pg_temp.id('b');
update pgdevstate.entity set backend_start = backend_start + interval '1 hour' where entity_id = pg_temp.id('b');
update pgdevstate.heartbeat set alive = true;
select pg_temp.age_beat('b', '11 seconds'), pg_temp.tick('a') \g /dev/null
create function pg_temp.gone() returns boolean
language plpgsql as $$
begin
	for i in 1..500 loop
		perform pg_stat_clear_snapshot();
		if not exists (select from pg_stat_activity a, pgdevstate.entity e where a.pid = e.backend_pid and e.entity_id = pg_temp.id('b')) then
			return true;
		end if;
		perform pg_sleep(0.01);
	end loop;
	return false;
end
$$;
select ok(pg_temp.gone(), 'the dead entity''s own process is ended');
select dblink_disconnect('victim') \g /dev/null
drop role :"victim";
select pg_temp.begin_run('b') \g /dev/null

-- static entities whose time is over
select pgdevstate.set_device_state('Custom:x', 'INUSE', 'shortly', '1 hour'), pgdevstate.set_device_state('Custom:y', 'INUSE') \g /dev/null
update pgdevstate.heartbeat set beat_at = clock_timestamp() - interval '1 day' where lease_ms is null;
select is(right(pg_temp.tick('a'), 2), ' 0', 'static entities have no lease');
update pgdevstate.entity set expires_at = clock_timestamp() - interval '1 second' where name = 'shortly';
select is(right(pg_temp.tick('a'), 2), ' 1', '... but their time can be over');
select is(pg_temp.rows('select name, alive from pgdevstate.entity join pgdevstate.heartbeat using (site, entity_id) where kind = ''static'' order by 1'),
	e'(shortly,f)\n(sql,t)', '... then they are dead');

-- the pulse, as it is heard
select n.id as id, n.incarnation as incarnation, n.session as session, n.token as token from node n where name = 'a' \gset
select 'select 1 from pgdevstate.tick(''' || :'id' || ''', ''' || :'incarnation' || ''', ''' || :'session' || ''', ''' || :'token' || ''')' as tick \gset
\setenv TICK :tick
update pgdevstate.coordinator set audit_at = '-infinity', audit_after = '02:00:00:00:00:09';
\set heard `ch=$(psql -XAtc "select channel from pgdevstate.site"); psql -XAtq -c "listen $ch" -c "$TICK"`
select pulse from pgdevstate.coordinator \gset
select format(e'payload "1\tP\t1\t02:00:00:00:00:0a\t%s\t%s\t', :'incarnation', :'pulse') as head \gset
select ok(strpos(:'heard', :'head') > 0, 'the pulse has its header');
create function pg_temp.has_lines(p_heard text) returns setof text
language sql as $$
	select ok(strpos(p_heard, concat_ws(e'\t', 'H', e.entity_id, e.incarnation, e.seq, pgdevstate.head_flags(h.alive, e.reporting)) || e'\n') > 0, e.name || ' has its head in it')
	from pgdevstate.entity e join pgdevstate.heartbeat h using (site, entity_id)
$$;
select pg_temp.has_lines(:'heard');
select ok(strpos(:'heard', pgdevstate.audit_line(1::smallint, pg_temp.id('a'))) > 0, 'and an audit');
select is(audit_after, pg_temp.id('a'), 'the next audit is the next entity''s') from pgdevstate.coordinator;

select ok(audit_at > renewed_at and audit_at <= renewed_at + interval '10 minutes', 'and it is not at once') from pgdevstate.coordinator;
begin; -- an audit of an entity with very many rows
create or replace function pgdevstate.tick_audit(p_site smallint, p_after macaddr, out line text, out last macaddr)
language plpgsql as $$ begin perform pg_sleep(0.7); last := p_after; end $$;
update pgdevstate.coordinator set audit_at = '-infinity';
select pg_temp.tick('a') \g /dev/null
select is(audit_at - renewed_at, interval '10 minutes', 'what takes very long is audited anew in ten minutes, which is not taken for another clock''s time') from pgdevstate.coordinator;
rollback;

-- nothing moved, and the slice and the audit are at their ends: a pulse all the same
update pgdevstate.entity set moved_at = clock_timestamp() - interval '1 hour';
update pgdevstate.coordinator set audit_at = '-infinity', audit_after = 'ff:ff:ff:ff:ff:fe', slice_after = 'ff:ff:ff:ff:ff:fe';
\set heard `ch=$(psql -XAtc "select channel from pgdevstate.site"); psql -XAtq -c "listen $ch" -c "$TICK"`
select pulse from pgdevstate.coordinator \gset
select format(e'payload "1\tP\t1\t02:00:00:00:00:0a\t%s\t%s\t', :'incarnation', :'pulse') as head \gset
select ok(strpos(:'heard', :'head') > 0, 'a pulse without a line is sent');

-- the clock went back since the last tick: what moved before and after it are heads that moved
update pgdevstate.coordinator set audit_at = '-infinity', audit_after = 'ff:ff:ff:ff:ff:fe', slice_after = 'ff:ff:ff:ff:ff:fe';
select pg_temp.coordinator_age('-20 seconds') \g /dev/null
update pgdevstate.entity set moved_at = clock_timestamp() + interval '19 seconds' where entity_id = pg_temp.id('b');
update pgdevstate.entity set moved_at = clock_timestamp() where entity_id = pg_temp.id('c');
\set heard `ch=$(psql -XAtc "select channel from pgdevstate.site"); psql -XAtq -c "listen $ch" -c "$TICK"`
select is((select string_agg(split_part(l, e'\t', 2), ' ' order by l) from regexp_split_to_table(:'heard', e'\n') l where l like e'H\t%'),
	concat_ws(' ', pg_temp.id('b'), pg_temp.id('c')), 'the clock went back: heads that moved before that, and since');

-- the audit
select is(pgdevstate.audit_line(1::smallint, pg_temp.id('b')), concat_ws(e'\t', 'A', e.entity_id, e.incarnation, e.seq, 'a', 0, '0000000000000000') || e'\n', 'no rows: digest 0')
from pgdevstate.entity e where entity_id = pg_temp.id('b');
select pg_temp.say('b', '{PJSIP/1}', '{2}') \g /dev/null
select is(split_part(pgdevstate.audit_line(1::smallint, pg_temp.id('b')), e'\t', 7), left(md5(e'D\t2\t-\tPJSIP/1'), 16) || e'\n', 'one row: the digest of its line');
select pg_temp.mail('b', '{1000}', '{""}', '{0}', '{1}', '{2}', p_held => true) \g /dev/null
select is(split_part(pgdevstate.audit_line(1::smallint, pg_temp.id('b')), e'\t', 7),
	encode(int8send(('x' || left(md5(e'D\t2\t-\tPJSIP/1'), 16))::bit(64)::bigint # ('x' || left(md5(e'M\t0\t1\t2\th\t1000\t'), 16))::bit(64)::bigint), 'hex') || e'\n',
	'two rows: their xor');
update pgdevstate.setting set value = 1 where name = 'audit_max_rows';
select is(pg_temp.rows($$select line, last from pgdevstate.tick_audit(1::smallint, '02:00:00:00:00:0a')$$), '(,02:00:00:00:00:0b)', 'an entity with too many rows is passed over');
update pgdevstate.setting set value = 2 where name = 'audit_max_rows';
select matches(pg_temp.rows($$select * from pgdevstate.tick_audit(1::smallint, '02:00:00:00:00:0a')$$), e'A\t02:00:00:00:00:0b', '... one with just so many is not');
select is(last, '00:00:00:00:00:00'::macaddr, 'after the last comes the first') from pgdevstate.tick_audit(1::smallint, 'ff:00:00:00:00:00');

-- the slice of heads
insert into pgdevstate.entity (site, entity_id, kind, name, incarnation, moved_at)
select 1, ('02000001' || lpad(to_hex(g), 4, '0'))::macaddr, 'node', 'n' || g, gen_random_uuid(), '2020-01-01' from generate_series(1, 200) g;
insert into pgdevstate.heartbeat (site, entity_id, alive, beat_at, lease_ms)
select site, entity_id, true, clock_timestamp(), 10000 from pgdevstate.entity where name ~ '^n\d';
create temp table seen (turn int, id macaddr);
do $$
declare
	v_after macaddr := '00:00:00:00:00:00';
	v_got record;
begin
	for i in 1..8 loop
		v_got := pgdevstate.tick_heads(1::smallint, '{}', 'infinity', v_after);
		insert into seen select i, split_part(l, e'\t', 2)::macaddr from unnest(v_got.lines) l;
		v_after := coalesce(v_got.last, '00:00:00:00:00:00');
	end loop;
end
$$;
select is(max(n), 40::bigint, 'forty heads in a pulse') from (select count(*) n from seen group by turn) s;
select is(count(distinct id), (select count(*) from pgdevstate.entity), 'all come in turn') from seen;
select is(cardinality(lines), 41, 'those that just died come besides')
from pgdevstate.tick_heads(1::smallint, array['02:00:00:00:00:0a'::macaddr], 'infinity', '02:00:00:00:00:0c');
update pgdevstate.entity set moved_at = '2021-01-01' where name ~ '^n1\d\d$';
select is(cardinality(lines), 50, 'when many move, forty of them and ten in turn')
from pgdevstate.tick_heads(1::smallint, '{}', '2020-06-01', '02:00:00:00:00:0c');
delete from pgdevstate.entity where name ~ '^n\d';

-- trimming
update pgdevstate.setting set value = 5 where name = 'journal_keep_rows';
do $$
begin
	for i in 1..20 loop
		perform pg_temp.say('b', '{d}', array[i % 9]);
	end loop;
end
$$;
select pg_temp.tick('a') \g /dev/null
select is(count(*), 5::bigint, 'five rows are kept') from pgdevstate.change;
update pgdevstate.setting set value = 1000 where name = 'journal_keep_rows';
update pgdevstate.change set at = at - interval '10 minutes' where id < (select max(id) - 2 from pgdevstate.change);
select is(trimmed, 2, 'two are too old') from node n, pgdevstate.tick(n.id, n.incarnation, n.session, n.token) where n.name = 'a';
select is(count(*), 3::bigint, '... three are kept') from pgdevstate.change;
update pgdevstate.setting set value = 1 where name = 'journal_trim_rows';
update pgdevstate.change set at = at - interval '10 minutes';
select is(trimmed, 1, 'a batch at a time') from node n, pgdevstate.tick(n.id, n.incarnation, n.session, n.token) where n.name = 'a';
delete from pgdevstate.setting where name = 'journal_keep_s';
select throws_ok($$select pgdevstate.tick(n.id, n.incarnation, n.session, n.token) from pg_temp.node n where n.name = 'a'$$, 'PD006',
	'table pgdevstate.setting has no row "journal_keep_s"', 'a setting that somebody deleted is named');

-- who is dead does not become the coordinator
insert into pgdevstate.setting values (1, 'journal_keep_s', 600, 'x');
select pg_temp.coordinator_age('3 seconds') \g /dev/null
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('c');
select throws_ok($$select pg_temp.tick('c')$$, 'PD002', null, 'who is dead does not become the coordinator');

-- ping, as it is heard
select n.id as id, n.incarnation as incarnation, n.session as session from node n where name = 'a' \gset
select format('select pgdevstate.ping(%L, %L, %L, 4711), pgdevstate.ping(%L, %L, %L, 4712, ''02:00:00:00:00:0b'')',
	:'id', :'incarnation', :'session', :'id', :'incarnation', :'session') as ping \gset
\setenv TICK :ping
\set heard `ch=$(psql -XAtc "select channel from pgdevstate.site"); psql -XAtq -c "listen $ch" -c "$TICK"`
select matches(:'heard'::text, format(e'payload "1\tQ\t1\t%s\t%s\t4711\t\\d{16}\n"', :'id', :'incarnation'), 'a ping');
select matches(:'heard'::text, format(e'payload "1\tR\t1\t%s\t%s\t02:00:00:00:00:0b\t4712\t\\d{16}\n"', :'id', :'incarnation'), 'its answer');
select throws_ok($$select pgdevstate.ping(n.id, n.incarnation, gen_random_uuid(), 1) from pg_temp.node n where name = 'a'$$, 'PD001', null, 'a ping of another session');
select throws_ok($$select pgdevstate.ping(n.id, n.incarnation, n.session, null) from pg_temp.node n where name = 'a'$$, 'PD004', null, 'a ping without a nonce');

select * from finish();
