-- The ticker: what is told by whom, in which order; the choice, switches, coordinators that come and go.
\ir lib/node.sql
create extension dblink;
select no_plan();
select pg_temp.begin_run('a'), pg_temp.begin_run('b'), pg_temp.begin_run('c') \g /dev/null
select dblink_connect('ear', pg_temp.conninfo()), dblink_connect('other', pg_temp.conninfo()), dblink_connect('mark', pg_temp.conninfo()) \g /dev/null
select dblink_exec('ear', format('listen %I', s.channel)) from pgdevstate.site s \g /dev/null

-- what was heard since it was asked last, one word each: who says which seq; P the pulse, with its
-- number of heads, and how changes are told if it says so
create function pg_temp.word(p_payload text) returns text
language sql set check_function_bodies = off as $$
	select case split_part(p_payload, e'\t', 2)
		when 'K' then '(' || (select string_agg(pg_temp.word(c.text), ' ' order by c.n)
			from regexp_split_to_table(substring(p_payload from '^[^\n]*\n(.*)$'), '^(?=1)', 'n') with ordinality as c(text, n)) || ')'
		when 'C' then coalesce(n.name, 'sql') || case when n.name is null then '' else split_part(p_payload, e'\t', 7) end
		when 'P' then 'P' || (length(p_payload) - length(replace(p_payload, e'\nH', e'\n')))
			|| coalesce(' ' || replace(substring(p_payload from e'\nN\t([a-z]*\t[a-z]*)'), e'\t', '/'), '')
		else split_part(p_payload, e'\t', 2) end
	from (select split_part(p_payload, e'\t', 4) as id) i
	left join pg_temp.node n on n.id::text = i.id
$$;
create temp sequence mark;
create function pg_temp.heard() returns text
language plpgsql as $$
declare
	v_mark text := 'mark ' || nextval('pg_temp.mark');
	v_until timestamptz := clock_timestamp() + interval '60 seconds';
	v_heard text[] := '{}';
begin
	perform dblink_exec('mark', format('notify %I, %L', s.channel, v_mark)) from pgdevstate.site s;
	while (v_mark = any (v_heard)) is not true loop
		if clock_timestamp() > v_until then
			raise exception 'notifications do not come: %', v_heard;
		end if;
		v_heard := v_heard || array(select n.extra from dblink_get_notify('ear') with ordinality as n(channel, pid, extra, at) order by n.at);
	end loop;
	return coalesce((select string_agg(pg_temp.word(h.text), ', ' order by h.at)
		from unnest(v_heard) with ordinality as h(text, at) where h.text not like 'mark %'), '');
end
$$;
-- relay(): "told, again after"
create function pg_temp.relay(p_name text) returns text
language sql as $$
	select r.sent || ' ' || r.period_ms
	from pg_temp.node n
	cross join lateral pgdevstate.relay(n.id, n.incarnation, n.session, n.token) r
	where n.name = p_name
$$;
-- a tick whose pulse has the heads of all, however long ago they moved
create function pg_temp.tick_all(p_name text) returns text
language plpgsql as $$
begin
	update pgdevstate.coordinator set slice_after = '00:00:00:00:00:00';
	return pg_temp.tick(p_name);
end
$$;
create function pg_temp.mode() returns text
language sql as $$ select m.mode || '/' || m.setting from pgdevstate.notify_mode m $$;
-- in the other session: the same as say(), of one device
create function pg_temp.other_says(p_name text, p_device text, p_state int) returns text
language sql as $$
	select dblink_exec('other', format($f$do $d$ begin perform pgdevstate.publish(%L, %L, %L, %L, %L, '{f}', '{0}',
		'{}', '{}', '{}', '{}', '{}', '{}', '{}'); end $d$ $f$, n.id, n.incarnation, n.session, array[p_device], array[p_state]))
	from pg_temp.node n where n.name = p_name
$$;
create function pg_temp.other(p_sql text) returns void
language sql as $$ select dblink_exec('other', p_sql) $$;
create function pg_temp.coordinator_age(p_age interval) returns void
language sql as $$ update pgdevstate.coordinator set renewed_at = clock_timestamp() - p_age $$;

-- direct
select pg_temp.heard() \g /dev/null
select is(pg_temp.mode(), 'direct/auto', 'to begin with each change is told by itself');
select pg_temp.say('a', '{x}', '{1}') \g /dev/null
select is(pg_temp.heard(), 'a2', '... at once');
select is(pg_temp.tick_all('a'), '1 0', 'somebody coordinates');
select is(pg_temp.heard(), 'P3', '... and does not mention what older nodes do not know');
select is(pg_temp.relay('a'), '0 0', 'there is nothing to relay');
select is(pg_temp.relay('b'), '0 0', '... nor for others');
select throws_ok($$select pgdevstate.relay(n.id, n.incarnation, gen_random_uuid(), n.token) from pg_temp.node n where name = 'a'$$, 'PD001', null,
	'relay: another session');

-- the setting
select is(pgdevstate.set_notify_mode('ticker'), true, 'the ticker is wanted');
select is(pgdevstate.set_notify_mode('Ticker'), false, '... still');
select throws_ok($$select pgdevstate.set_notify_mode('often')$$, 'PD004', '"often" is no notify mode', 'no such mode');
select throws_ok($$select pgdevstate.set_notify_mode(null)$$, 'PD004', 'null is no notify mode', 'none');
select is(pg_temp.mode(), 'direct/ticker', 'not before the next tick');
select is(pg_temp.tick_all('a'), '2 0', 'at the next tick');
select is(pg_temp.mode(), 'ticker/ticker', '... it is');
select is(pg_temp.heard(), 'P3 ticker/ticker', '... and the pulse says so');

-- changes wait for relay()
select pg_temp.say('a', '{x}', '{2}') \g /dev/null
select pg_temp.say('b', '{x}', '{1}') \g /dev/null
select pg_temp.say('a', '{x}', '{3}') \g /dev/null
select is(pg_temp.heard(), '', 'what is said is not told');
select is(pg_temp.relay('b'), '0 0', 'who does not coordinate tells nothing');
select is(pg_temp.relay('a'), '3 2', 'the coordinator tells it');
select is(pg_temp.heard(), 'a3, b2, a4', '... in order');
select is(pg_temp.relay('a'), '0 2', '... once');
select is(pg_temp.heard(), '', '... indeed');
select pgdevstate.set_device_state('Custom:s', 'INUSE') \g /dev/null
select pg_temp.relay('a') \g /dev/null
select is(pg_temp.heard(), 'sql, sql', 'what SQL says, too: that it is there, and the word');
select pg_temp.say('c', array_agg('long' || repeat('x', 200) || n), array_agg(2)) from generate_series(1, 60) n \g /dev/null
select is(pg_temp.relay('a'), '2 2', 'a change of several chunks');
select is(pg_temp.heard(), 'c2, c2', '... all of them');

-- who writes first may commit last
select pg_temp.other('begin') \g /dev/null
select pg_temp.other_says('b', 'x', 2) \g /dev/null
select pg_temp.say('a', '{x}', '{4}') \g /dev/null
select is(pg_temp.relay('a'), '1 2', 'one has committed');
select is(pg_temp.relay('a'), '0 2', 'the other, which wrote before, has not');
select pg_temp.other('commit') \g /dev/null
select is(pg_temp.relay('a'), '1 2', '... now it has');
select is(pg_temp.heard(), 'a5, b3', 'both are told');
-- a transaction that goes on and on, and has nothing to do with us
select pg_temp.other('begin'), pg_temp.other('create temp table mine (x int)') \g /dev/null
select pg_temp.say('a', '{x}', '{5}') \g /dev/null
select is(pg_temp.relay('a'), '1 2', 'beside a long transaction');
select pg_temp.say('a', '{x}', '{6}') \g /dev/null
select is(pg_temp.relay('a'), '1 2', '... what is new, and only that');
select pg_temp.other('rollback'), pg_temp.heard() \g /dev/null

-- heads in the pulse prove gaps
select pg_temp.say('a', '{x}', '{1}') \g /dev/null
select pg_temp.say('b', '{x}', '{1}') \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.heard(), 'a8, b4, P4 ticker/ticker', 'the pulse comes behind what its heads show');
select is(pg_temp.relay('a'), '0 2', '... which is told');

-- another coordinator
select pg_temp.say('c', '{y}', '{1}') \g /dev/null
select pg_temp.coordinator_age('2.1 seconds') \g /dev/null
select pg_temp.tick_all('b') \g /dev/null
select is(pg_temp.heard(), 'c3, P4 ticker/ticker', 'a new coordinator tells what the last one left, first of all');
select is(pg_temp.relay('a'), '0 0', 'the last one tells nothing any more');
select pg_temp.say('c', '{y}', '{2}') \g /dev/null
select is(pg_temp.relay('b'), '1 2', '... the new one does');
select pg_temp.heard() \g /dev/null

-- one that does not call relay(): it is older than that
select pg_temp.coordinator_age('2.1 seconds') \g /dev/null
select pg_temp.tick_all('c') \g /dev/null
select is(pg_temp.mode(), 'ticker/ticker', 'who takes over has until the next tick to show that it relays');
select pg_temp.say('c', '{y}', '{3}') \g /dev/null
select pg_temp.tick_all('c') \g /dev/null
select is(pg_temp.mode(), 'direct/ticker', '... else there is no ticker');
select is(pg_temp.heard(), 'P4 ticker/ticker, c5, P4 direct/ticker', '... and what was left is told');
select pg_temp.say('c', '{y}', '{4}') \g /dev/null
select is(pg_temp.heard(), 'c6', '... as what is said now');
select pg_temp.relay('c') \g /dev/null
select pg_temp.tick_all('c') \g /dev/null
select pg_temp.heard() \g /dev/null
select is(pg_temp.mode(), 'ticker/ticker', 'once it relays, there is one');

-- back to direct: somebody may still count on the ticker
select pg_temp.other('begin') \g /dev/null
select pg_temp.other_says('b', 'x', 3) \g /dev/null
select pgdevstate.set_notify_mode('direct') \g /dev/null
select pg_temp.say('a', '{x}', '{2}') \g /dev/null
select pg_temp.tick_all('c') \g /dev/null
select is(pg_temp.heard(), 'a9, P4 direct/direct', 'the tick that gives it up tells what waits');
select pg_temp.say('a', '{x}', '{3}') \g /dev/null
select is(pg_temp.heard(), 'a10', '... the next change is told by itself');
select is(pg_temp.relay('c') || ', ' || pg_temp.relay('c'), '0 2, 0 2', 'who wrote before may commit yet');
select pg_temp.other('commit') \g /dev/null
select is(pg_temp.heard(), '', '... and does');
-- other tests' transactions are older, too: it goes on until the last of them has ended
create function pg_temp.relay_to_the_end(p_name text) returns int
language plpgsql as $$
declare
	v_until timestamptz := clock_timestamp() + interval '60 seconds';
	v_told int := 0;
	v_step record;
	v_node pg_temp.node;
begin
	select n.* into v_node from pg_temp.node n where n.name = p_name;
	loop
		select * into v_step from dblink('other', format('select sent, period_ms from pgdevstate.relay(%L, %L, %L, %L)',
			v_node.id, v_node.incarnation, v_node.session, v_node.token)) as r(sent int, period_ms int);
		v_told := v_told + v_step.sent;
		exit when v_step.period_ms = 0 or clock_timestamp() > v_until;
	end loop;
	return v_told;
end
$$;
select is(pg_temp.relay_to_the_end('c'), 1, '... it is told, and that was the last');
select is(pg_temp.heard(), 'b5', '... once');
select is(pg_temp.rows('select relayed, until from pgdevstate.ticker'), '(,)', 'nothing is left to the ticker');
select is(pg_temp.relay('c'), '0 0', '... nor to do');

-- to and fro while somebody writes
select pg_temp.other('begin') \g /dev/null
select pg_temp.other_says('b', 'x', 4) \g /dev/null
select pgdevstate.set_notify_mode('ticker') \g /dev/null
select pg_temp.tick_all('c') \g /dev/null
select pg_temp.other('commit') \g /dev/null
select is(pg_temp.heard(), 'P4 ticker/ticker, b6', 'who wrote before the ticker was taken tells its change itself');
select is(pg_temp.relay('c'), '0 2', '... and nobody again');
select pg_temp.say('a', '{x}', '{4}') \g /dev/null
select pgdevstate.set_notify_mode('direct') \g /dev/null
select pg_temp.tick_all('c') \g /dev/null
select pgdevstate.set_notify_mode('ticker') \g /dev/null
select pg_temp.tick_all('c') \g /dev/null
select pg_temp.say('a', '{x}', '{5}') \g /dev/null
select is(pg_temp.relay('c'), '1 2', 'off and on again');
select is(pg_temp.heard(), 'a11, P4 direct/direct, P4 ticker/ticker, a12', '... each told once');

-- somebody hangs in the middle of relay()
select pg_temp.say('a', '{x}', '{6}') \g /dev/null
select pg_temp.other('begin') \g /dev/null
select pg_temp.other('update pgdevstate.ticker set relayed = relayed') \g /dev/null
set lock_timeout = '2s';
select is(pg_temp.relay('c'), '0 0', 'somebody tells just now: no wait');
select pg_temp.tick_all('c') \g /dev/null
select is(pg_temp.mode(), 'direct/ticker', 'the tick does not wait either: no ticker');
select is(pg_temp.heard(), 'P0 direct/ticker', '... and no heads, which would prove gaps');
select pg_temp.say('a', '{x}', '{7}') \g /dev/null
select is(pg_temp.heard(), 'a14', '... what is new is told directly');
select pg_temp.other('rollback') \g /dev/null
select pg_temp.tick_all('c') \g /dev/null
select is(pg_temp.heard(), 'a13, P4 ticker/ticker', '... what was left when it is possible again');

-- goodbye
select pg_temp.say('a', '{x}', '{8}') \g /dev/null
select pg_temp.tick_all('c') \g /dev/null
select pg_temp.relay('c') \g /dev/null
select pg_temp.heard() \g /dev/null
select pg_temp.say('a', '{x}', '{1}') \g /dev/null
select pgdevstate.leave(n.id, n.incarnation, n.session) from pg_temp.node n where n.name = 'c' \g /dev/null
select is(pg_temp.heard(), 'a16, c7', 'a coordinator that leaves tells what is left, and that it leaves');
select is(pg_temp.mode(), 'direct/ticker', '... and until there is another, changes are told directly');
select pg_temp.say('a', '{x}', '{2}') \g /dev/null
select is(pg_temp.heard(), 'a17', '... indeed');
select pg_temp.coordinator_age('2.1 seconds') \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select pg_temp.relay('a') \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.mode(), 'ticker/ticker', 'the next one is the ticker again');

-- the row is gone; the numbers of transactions are another server's
delete from pgdevstate.ticker;
select pg_temp.tick_all('a') \g /dev/null
select pg_temp.relay('a') \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select pg_temp.heard() \g /dev/null
select is(pg_temp.mode(), 'ticker/ticker', 'a row that is gone is made anew');
select pg_temp.say('a', '{x}', '{3}') \g /dev/null
update pgdevstate.ticker set relayed = '9000000000:9000000000:';
select is(pg_temp.relay('a'), '0 2', 'restored from elsewhere: what was before is left to heads');
select pg_temp.say('a', '{x}', '{4}') \g /dev/null
select is(pg_temp.relay('a'), '1 2', '... and it goes on');
select is(pg_temp.heard(), 'a19', '... with what is new');

-- packs: as soon as all that live read them
create function pg_temp.say_many(p_name text, p_devices int, p_length int default 1) returns void
language sql as $$
	select pg_temp.say(p_name, array[repeat('x', p_length) || n], array[1 + n % 2]) from generate_series(1, p_devices) n
$$;
create function pg_temp.leave(p_name text) returns bigint
language sql as $$ select pgdevstate.leave(n.id, n.incarnation, n.session) from pg_temp.node n where n.name = p_name $$;
select pg_temp.leave('a'), pg_temp.leave('b') \g /dev/null
select is(pg_temp.begin_run('a', p_built_for => 5) || ' ' || pg_temp.begin_run('b', p_built_for => 5) || ' '
	|| pg_temp.begin_run('c', p_built_for => 4) || ' ' || pg_temp.begin_run('x', p_built_for => 6),
	'registered registered registered registered', 'three nodes that read packs, and one that does not');
select pg_temp.coordinator_age('2.1 seconds') \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select pg_temp.relay('a') \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.mode(), 'ticker/ticker', '... and a ticker');
select pg_temp.heard() \g /dev/null
select pg_temp.say('a', '{x}', '{1}'), pg_temp.say('b', '{x}', '{1}') \g /dev/null
select is(pg_temp.relay('a'), '2 2', 'one of them was built for an older schema');
select is(pg_temp.heard(), 'a22, b9', '... each change is a notification');
select pg_temp.leave('c') \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select pg_temp.heard() \g /dev/null
select is(pg_temp.rows('select packs from pgdevstate.ticker'), '(t)', 'it left: all read packs');
select pg_temp.say('a', '{x}', '{2}') \g /dev/null
select is(pg_temp.relay('a'), '1 2', 'one change');
select is(pg_temp.heard(), 'a23', '... is none');
select pg_temp.say('a', '{x}', '{3}'), pg_temp.say('b', '{x}', '{3}'), pg_temp.say('a', '{x}', '{4}') \g /dev/null
select is(pg_temp.relay('a'), '3 2', 'several');
select is(pg_temp.heard(), '(a24 b10 a25)', '... are one notification, in order');
select pg_temp.say('a', '{x}', '{5}'), pg_temp.say('b', '{x}', '{5}') \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.heard(), '(a26 b11), P5 ticker/ticker', '... before a pulse, too');
create function pg_temp.sizes() returns text -- of what was heard, and of the changes in it
language plpgsql as $$
declare
	v_mark text := 'mark ' || nextval('pg_temp.mark');
	v_sizes int[] := '{}';
	v_changes int := 0;
	v_until timestamptz := clock_timestamp() + interval '60 seconds';
	v_note record;
begin
	perform dblink_exec('mark', format('notify %I, %L', s.channel, v_mark)) from pgdevstate.site s;
	loop
		for v_note in select n.extra from dblink_get_notify('ear') n loop
			if v_note.extra = v_mark then
				return format('%s changes in %s, at most %s bytes', v_changes, cardinality(v_sizes),
					(select greatest(7900, max(s)) from unnest(v_sizes) s));
			end if;
			v_sizes := v_sizes || octet_length(v_note.extra);
			v_changes := v_changes + (select count(*) from regexp_matches(v_note.extra, '^1\tC', 'gn'));
		end loop;
		if clock_timestamp() > v_until then
			raise exception 'notifications do not come: %', v_sizes;
		end if;
	end loop;
end
$$;
select pg_temp.say_many('b', 200) \g /dev/null
select is(pg_temp.relay('a'), '200 2', 'many');
select matches(pg_temp.sizes(), '^200 changes in [34], at most 7900 bytes$', '... as many in each as there is room for');
select pg_temp.say('b', array_agg('long' || repeat('x', 200) || n), array_agg(2)) from generate_series(1, 60) n \g /dev/null
select pg_temp.say_many('a', 3) \g /dev/null
select pg_temp.relay('a') \g /dev/null
select is(pg_temp.sizes(), '5 changes in 2, at most 7900 bytes', 'one that fills a notification goes by itself');
select pg_temp.begin_run('c') \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.rows('select packs, members from pgdevstate.ticker'), '(f,4)', 'one that is older still is there');
select pg_temp.sizes() \g /dev/null
select pg_temp.say('a', '{x}', '{1}'), pg_temp.say('b', '{x}', '{1}') \g /dev/null
select pg_temp.relay('a') \g /dev/null
select is(pg_temp.sizes(), '2 changes in 2, at most 7900 bytes', '... no packs any more');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('c');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('x');
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.rows('select packs, members from pgdevstate.ticker'), '(t,2)', 'it is dead');
select pg_temp.sizes() \g /dev/null

-- beside a long transaction what was told is not looked at again, however much that is, and whatever is known of how much
select pg_temp.other('begin'), pg_temp.other('create temp table mine (x int)') \g /dev/null
select pg_temp.say('a', array['x'], array[1 + n % 2]) from generate_series(1, 3000) n \g /dev/null
select pg_temp.relay('a'), pg_temp.sizes() \g /dev/null
create function pg_temp.visits() returns bigint
language sql as $$
	select t.seq_tup_read + t.idx_tup_fetch from pg_stat_xact_user_tables t where t.relid = 'pgdevstate.change'::regclass
$$;
create function pg_temp.relay_visits(p_name text) returns text
language plpgsql as $$
declare
	v_before bigint := pg_temp.visits();
	v_relay text := pg_temp.relay(p_name);
	v_visits bigint := pg_temp.visits() - v_before;
begin
	return v_relay || case when v_visits > 100 then ', visits ' || v_visits else '' end;
end
$$;
select pg_temp.say('a', '{x}', '{7}') \g /dev/null
select is(pg_temp.relay_visits('a'), '1 2', 'a change after thousands');
analyze pgdevstate.change;
select pg_temp.say('a', '{x}', '{8}') \g /dev/null
select is(pg_temp.relay_visits('a'), '1 2', '... or so it is known');
select is(pg_temp.relay_visits('a'), '0 2', '... or with nothing to tell');
select pg_temp.other('rollback'), pg_temp.sizes() \g /dev/null

-- the choice
create function pg_temp.pass(p_time interval, p_changes int) returns void
language sql as $$
	update pgdevstate.ticker
	set counted_at = clock_timestamp() - p_time, counted_id = (select max(id) from pgdevstate.change) - p_changes,
		busy_at = busy_at - p_time
$$;
create function pg_temp.half(p_changes int, p_ticks int) returns void
language sql as $$
	select pg_temp.pass('0.5 s', p_changes), pg_temp.tick_all('a') from generate_series(1, p_ticks)
$$;
select pgdevstate.set_notify_mode('auto') \g /dev/null
update pgdevstate.ticker set busy_at = '-infinity', changes_per_s = 0;
select pg_temp.begin_run('c') \g /dev/null
select pg_temp.pass('1 s', 0) \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.mode(), 'direct/auto', 'nothing happens: direct');
update pgdevstate.setting set value = 1000 where name = 'direct_deliveries';
select pg_temp.half(300, 1) \g /dev/null
select is(pg_temp.rows('select members, changes_per_s between 200 and 310, deliveries_per_s = 3 * changes_per_s, direct_deliveries, mode from pgdevstate.notify_mode'),
	'(3,t,t,1000,direct)', '300 changes a second for three: not yet');
select pg_temp.half(450, 1) \g /dev/null
select is(pg_temp.rows('select changes_per_s between 400 and 610, mode from pgdevstate.notify_mode'), '(t,ticker)', '600: the ticker');
select pg_temp.half(0, 2) \g /dev/null
select is(pg_temp.rows('select changes_per_s between 120 and 155, mode from pgdevstate.notify_mode'), '(t,ticker)', '150: it stays');
select pg_temp.pass('6 s', 0) \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.rows('select changes_per_s between 20 and 80, mode from pgdevstate.notify_mode'), '(t,ticker)', 'less than a third for 6 s: it stays');
select pg_temp.pass('5 s', 0) \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.mode(), 'direct/auto', '... for more than 10 s: direct');
select pg_temp.pass('0.5 s', 2000) \g /dev/null
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.mode(), 'ticker/auto', 'at once again');

-- late ticks: the machine does not keep up with less than that
create function pg_temp.late(p_ms int, p_changes_per_s int) returns text
language sql as $$
	select pg_temp.pass(p_ms * interval '1 ms', p_changes_per_s * p_ms / 1000);
	select pg_temp.tick_all('a');
	select n.mode || ' ' || n.late_ms from pgdevstate.notify_mode n
$$;
create function pg_temp.late_is(p_ms int) returns void
language sql as $$
	update pgdevstate.ticker set changes_per_s = 300, late_ms = p_ms, busy_at = '-infinity';
	update pgdevstate.site set ticker = false where is_here
$$;
select pg_temp.late_is(0) \g /dev/null
select is(pg_temp.late(300, 300), 'direct 0', 'in time');
select is(pg_temp.late(900, 300), 'direct 20', 'one tick is late: that means little');
select is(pg_temp.late(900, 300), 'direct 40', '... nor do two mean much');
select is(pg_temp.late(300, 300), 'direct 0', '... one in time counts at once');
select pg_temp.late_is(30) \g /dev/null
select is(pg_temp.late(900, 300), 'direct 50', '50 ms: direct');
select is(pg_temp.late(900, 300), 'ticker 70', 'more: the ticker');
select is(pg_temp.late(300, 300), 'ticker 0', 'by the ticker nothing is late: it stays');
select pg_temp.late_is(60) \g /dev/null
select is(pg_temp.late(900, 0), 'ticker 80', 'half the rate, more than a third of what takes the ticker');
select pg_temp.late_is(60) \g /dev/null
update pgdevstate.ticker set changes_per_s = 100;
select is(pg_temp.late(900, 100), 'direct 80', 'less than a third: direct, however late');
select pg_temp.late_is(60) \g /dev/null
select is(pg_temp.late(11000, 300), 'direct 0', 'nobody coordinated for long: that says nothing');
select pg_temp.late_is(60) \g /dev/null
update pgdevstate.ticker set counted_at = clock_timestamp() + interval '1 hour';
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.rows('select mode, late_ms from pgdevstate.notify_mode'), '(direct,0)', '... nor does a clock that went back');
select pg_temp.pass('0.5 s', 2000), pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.mode(), 'ticker/auto', 'the ticker again');
update pgdevstate.ticker set busy_at = clock_timestamp() + interval '1 hour', counted_at = clock_timestamp() + interval '1 hour', changes_per_s = 0;
select pg_temp.tick_all('a') \g /dev/null
select is(pg_temp.mode(), 'direct/auto', 'the clock went back: what was then says nothing');

-- the period
create function pg_temp.period(p_deliveries bigint) returns int
language sql as $$
	update pgdevstate.setting set value = p_deliveries where name = 'ticker_deliveries';
	select pg_temp.tick_all('a');
	select t.period_ms from pgdevstate.ticker t
$$;
select is(pg_temp.period(10000), 2, 'three listeners: every 2 ms, not more often');
select is(pg_temp.period(500), 6, '... at 500 deliveries a second: 6 ms');
select is(pg_temp.period(10), 20, '... never less often than every 20 ms');
select is(pg_temp.period(0), 20, '... whatever somebody sets');
select * from finish();
