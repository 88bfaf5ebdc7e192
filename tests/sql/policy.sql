-- Policies: which applies, against the table of cases that tests the C side too; what is refused;
-- toggles, whose last word wins; sums of mailboxes; what is not shared.
\ir lib/node.sql
select no_plan();
select pg_temp.begin_run('a'), pg_temp.begin_run('b'), pg_temp.begin_run('c') \g /dev/null
select channel from pgdevstate.site where is_here \gset

-- none yet
select is(pgdevstate.device_policy('Custom:x') || ' ' || pgdevstate.mailbox_policy('1000') || ' ' || pgdevstate.mailbox_policy('1', 'd'),
	'aggregate latest latest', 'the defaults');
select is(pgdevstate.device_policy(null), null, 'null for null');
select is(pgdevstate.policy_of('thing', 'x'), null, 'null for an unknown kind');
select is(pgdevstate.policy_matchers('device', '{latest,local}'), null, 'no patterns');
select is(count(*), 0::bigint, 'nothing is read of them ...') from pgdevstate.read_heads() r where r like e'1\tV%';
select is(count(*), 0::bigint, '... with the rows') from pgdevstate.read_rows() r where r like e'1\tV%';
select matches(r, e'^1\tV\t1\t0\t\\d+\n$', 'asked for: version 0') from pgdevstate.read_policies() r;

-- each case of the table
create temp table cases (line text);
\copy cases from program 'grep -v "^#" tests/cases/policies.tsv | tr "\t" "~"' with (format csv, delimiter e'\x01', quote e'\x02')
create temp table parsed as
select row_number() over () as n, f[1] as kind, f[2] as patterns, f[3] as key, f[4] as applies, f[5] as policy
from cases, string_to_array(line, '~') f;
select cmp_ok(count(*), '>', 70::bigint, 'there are cases') from parsed;
create function pg_temp.one_case(p_n bigint) returns text
language plpgsql as $$
declare
	v_case record;
	v_rule text;
	v_applies text;
begin
	delete from pgdevstate.policy;
	select * into v_case from pg_temp.parsed p where p.n = p_n;
	foreach v_rule in array string_to_array(v_case.patterns, ' ') loop
		continue when v_rule = '-';
		perform pgdevstate.set_policy(v_case.kind, left(v_rule, - length(substring(v_rule from '=[^=]*$'))), substring(v_rule from '=([^=]*)$'));
	end loop;
	select p.pattern into v_applies
	from pgdevstate.policy p
	where lower(v_case.key collate "C") like p.matcher
	order by p.characters desc, lower(p.pattern)
	limit 1;
	return coalesce(v_applies, '-') || ' ' || case v_case.kind when 'device' then pgdevstate.device_policy(v_case.key)
		else pgdevstate.mailbox_policy(left(v_case.key, - length(substring(v_case.key from '@[^@]*$'))), substring(v_case.key from '@([^@]*)$')) end;
end
$$;
select is(pg_temp.one_case(n), applies || ' ' || policy, format('%s %s: %s', kind, patterns, key)) from parsed order by n;
delete from pgdevstate.policy;

-- set, set again, cleared
update pgdevstate.site set policy_version = 0 where is_here;
update pgdevstate.installed set oldest_node = 1;
select is(pgdevstate.set_policy('device', 'Custom:*', 'latest', 'night mode'), true, 'set');
select is(pg_temp.rows('select kind, pattern, policy, note, set_by = session_user, set_at > now() - interval ''1 minute'', matcher, characters from pgdevstate.policy'),
	'(device,Custom:*,latest,"night mode",t,t,custom:%,7)', 'as it stands there');
select cmp_ok(policy_version, '>', 1700000000000000, 'a version that is at least the clock') from pgdevstate.site where is_here;
select is(oldest_node, version, 'older nodes are shut out') from pgdevstate.installed where exists (select from pgdevstate.migration m where m.version = installed.version and m.name ~ 'polic')
union all select is(oldest_node > 1, true, 'older nodes are shut out') from pgdevstate.installed where not exists (select from pgdevstate.migration m where m.version = installed.version and m.name ~ 'polic');
select policy_version as version from pgdevstate.site where is_here \gset
select is(pgdevstate.set_policy('DEVICE', 'Custom:*', 'Latest', 'night mode'), false, 'the same again');
select is(policy_version, :version, '... is no new version') from pgdevstate.site where is_here;
select is(pgdevstate.set_policy('device', 'CUSTOM:*', 'local'), true, 'another one for the same pattern in other letters');
select is(pg_temp.rows('select pattern, policy, note from pgdevstate.policy'), '(CUSTOM:*,local,"")', '... replaces it');
select cmp_ok(policy_version, '>', :version, '... is a new version') from pgdevstate.site where is_here;
select lives_ok($$select pgdevstate.clear_policy('device', 'custom:*')$$, 'cleared');
select is(count(*), 0::bigint, '... it is gone') from pgdevstate.policy;
select throws_ok($$select pgdevstate.clear_policy('device', 'custom:*')$$, 'PD006', 'no policy is set for device "custom:*"', 'cleared again');
update pgdevstate.site set policy_version = policy_version + 3600000000 where is_here;
select policy_version as version from pgdevstate.site where is_here \gset
select pgdevstate.set_policy('device', 'x', 'latest') \g /dev/null
select is(policy_version, :version + 1, 'where the clock is behind, the next number') from pgdevstate.site where is_here;
delete from pgdevstate.policy;

-- refused, by the functions and by the table
select throws_ok(format('select pgdevstate.set_policy(%L, %L, %L)', kind, pattern, policy), 'PD004', message, format('refused: %s %s %s', kind, left(pattern, 20), policy))
from (values ('thing', 'x', 'latest', '"thing" is no kind of key'), (null, 'x', 'latest', 'null is no kind of key'),
	('device', '', 'latest', 'pattern number 1 is empty: ""'), ('device', null, 'latest', 'pattern number 1 is null: null'),
	('device', e'a\tb', 'latest', 'pattern number 1 has a control character: "a\tb"'),
	('device', repeat('x', 256), 'latest', null),
	('mailbox', '1000', 'sum', 'pattern "1000" matches no mailbox'), ('mailbox', '1??', 'sum', null),
	('device', 'x', 'sum', '"sum" is no policy of a device'), ('device', 'x', null, 'null is no policy of a device'),
	('mailbox', '*', 'aggregate', '"aggregate" is no policy of a mailbox'), ('mailbox', '*', 'local', null)) v(kind, pattern, policy, message);
select throws_ok(format('insert into pgdevstate.policy (site, kind, pattern, policy) values (1, %L, %L, %L)', kind, pattern, policy), state, null, format('the table refuses: %s %L %s', kind, replace(pattern, e'\n', '\\n'), policy))
from (values ('thing', 'x', 'latest', '23514'), ('device', '', 'latest', '23514'), ('device', 'x', 'sum', '23514'), ('mailbox', '*', 'local', '23514'),
	('mailbox', '1000', 'max', '23514'), ('device', e'a\nb', 'latest', '23514'), ('device', 'x', null, '23502')) v(kind, pattern, policy, state);
select is(count(*), 0::bigint, 'nothing was set') from pgdevstate.policy;
select pgdevstate.set_policy('device', 'd' || g, 'latest') from generate_series(1, 200) g \g /dev/null
select throws_ok($$select pgdevstate.set_policy('device', 'one more', 'latest')$$, 'PD004', 'there are 200 policies, more are not allowed', 'two hundred are enough');
select is(pgdevstate.set_policy('device', 'D7', 'local'), true, '... a change is none more');
select is(count(*), 200::bigint, '... two hundred') from pgdevstate.policy;
select cmp_ok(max(octet_length(r)), '<', 65536, 'they fit one payload of a read') from pgdevstate.read_policies() r;

-- what nodes are told
delete from pgdevstate.policy;
select pgdevstate.set_policy('device', 'Custom:*', 'latest'), pgdevstate.set_policy('device', 'PJSIP/1', 'local'), pgdevstate.set_policy('device', 'Custom:xyz', 'aggregate'),
	pgdevstate.set_policy('mailbox', '*@d', 'max') \g /dev/null
select policy_version as version from pgdevstate.site where is_here \gset
select is(regexp_replace(r, e'\t\\d+\n', e'\n'), format(e'1\tV\t1\t%s\nY\tdevice\taggregate\tCustom:xyz\nY\tdevice\tlatest\tCustom:*\nY\tdevice\tlocal\tPJSIP/1\nY\tmailbox\tmax\t*@d\n', :version),
	'all of them, those that go first in front') from pgdevstate.read_policies() r;
select is((array_agg(left(r, 4)))[1], e'1\tV\t', 'before the heads') from pgdevstate.read_heads() r;
select is((array_agg(left(r, 4)))[1], e'1\tV\t', 'before the rows') from pgdevstate.read_rows() r;
select is(count(*), 0::bigint, 'not before the rows of one') from pgdevstate.read_rows(pg_temp.id('a')) r where r like e'1\tV%';

-- ---- toggles ----
delete from pgdevstate.policy;
select pgdevstate.set_policy('device', 'Custom:*', 'latest') \g /dev/null
create temp view toggle as select state, entities, policy from pgdevstate.device where device = 'Custom:t';
create function pg_temp.press(p_name text, p_state int, p_age interval default '0', p_force boolean default false) returns text
language sql as $$
	select r.changed || ' ' || coalesce((select d.state from pgdevstate.device d where d.device = 'Custom:t'), '-')
	from pg_temp.node n
	cross join lateral pgdevstate.publish(n.id, n.incarnation, n.session, '{Custom:t}', array[p_state], '{t}',
		array[(extract(epoch from p_age) * 1000000)::bigint], '{}', '{}', '{}', '{}', '{}', '{}', '{}', p_force) r
	where n.name = p_name
$$;
create function pg_temp.state() returns text language sql as $$ select d.state from pgdevstate.device d where d.device = 'Custom:t' $$;
create function pg_temp.stamp(p_name text) returns timestamptz
language sql as $$ select d.stamp from pgdevstate.entity_device d where d.device = 'Custom:t' and d.entity_id = pg_temp.id(p_name) $$;
-- the press, and what the device is for all afterwards
create function pg_temp.pressed(p_name text, p_state int, p_age interval default '0', p_force boolean default false) returns text
language plpgsql as $$
declare
	v_changed text := split_part(pg_temp.press(p_name, p_state, p_age, p_force), ' ', 1);
begin
	return v_changed || ' ' || coalesce(pg_temp.state(), '-');
end
$$;
select is(pg_temp.pressed('a', 2), '1 INUSE', 'a says INUSE');
select is(pg_temp.pressed('b', 1), '1 NOT_INUSE', 'b says NOT_INUSE: the last word, where a sum would be INUSE');
select is(pg_temp.rows('table toggle'), '(NOT_INUSE,2,latest)', 'both count');
select is(pg_temp.pressed('b', 1), '0 NOT_INUSE', 'b says it again: no change');
select is(pg_temp.pressed('a', 2), '1 INUSE', 'a says INUSE again, which it did before: a new word');
select is(pg_temp.pressed('a', 2), '0 INUSE', '... and again: no change');
select is(pg_temp.pressed('c', 6), '1 RINGING', 'a third one');
select is(pg_temp.rows('select entity, state, counts, policy from pgdevstate.device_entity where device = ''Custom:t'' order by 1'),
	e'(server_a,INUSE,t,latest)\n(server_b,NOT_INUSE,t,latest)\n(server_c,RINGING,t,latest)', 'who says what');

-- older words
select is(pg_temp.pressed('b', 3, '1 hour'), '1 RINGING', 'a word of an hour ago is told, and wins over nothing newer');
select is(round(extract(epoch from clock_timestamp() - pg_temp.stamp('b')) / 60), 60::numeric, '... with its time');
select pg_temp.stamp('b') as was \gset
select is(pg_temp.pressed('b', 3, '1 hour'), '0 RINGING', 'sent again without an answer: no news');
select is(pg_temp.pressed('b', 3, '1 hour', true), '1 RINGING', 'sent again with force: told');
select is(pg_temp.stamp('b'), :'was', '... and it keeps its time');
select is(pg_temp.pressed('b', 3, '0', true), '1 RINGING', 'whatever is said of its age');
select is(pg_temp.stamp('b'), :'was', '... force is no press');
select is(pg_temp.pressed('b', 3), '1 BUSY', 'a press is');

-- a clock that went back
update pgdevstate.entity_device set stamp = clock_timestamp() + interval '1 hour' where device = 'Custom:t' and entity_id = pg_temp.id('a');
select is(pg_temp.state(), 'INUSE', 'a word of tomorrow');
select is(pg_temp.pressed('b', 1), '1 NOT_INUSE', 'a new word wins over it');
select is(pg_temp.stamp('b') - pg_temp.stamp('a'), interval '1 microsecond', '... just behind it');
select is(pg_temp.pressed('a', 2), '1 INUSE', 'and a second press over that');
select is(pg_temp.stamp('a') - pg_temp.stamp('b'), interval '1 microsecond', '... just behind it');
select is(pg_temp.pressed('a', 8), '1 ONHOLD', 'and another one of the same');
select matches(pg_temp.told('a'), e'D\t8\th\t-?\\w+\tCustom:t', 'told');
select matches(c.payload, e'D\t8\th\t-\\d+\tCustom:t\n', '... with an age below zero, so that all know one time') from pgdevstate.change c where c.entity_id = pg_temp.id('a') order by id desc limit 1;
select is(pg_temp.pressed('b', 3, '0', true), '1 ONHOLD', 'force moves no time');

-- ties
update pgdevstate.entity_device set stamp = '2026-01-01' where device = 'Custom:t';
select is(pg_temp.state(), 'RINGING', 'at the same moment: the higher entity id');
select is(pg_temp.pressed('c', 6), '0 RINGING', '... whose word is in force');
select is(pg_temp.pressed('a', 8), '1 ONHOLD', '... the lower one''s is not: it may say it again');

-- whoever is dead, or whose telephone server is
select is(pg_temp.pressed('c', 6), '1 RINGING', 'c has the last word');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('c');
select is(pg_temp.rows('table toggle'), '(RINGING,3,latest)', 'it stays when c dies');
select is(pg_temp.rows('select counts, alive from pgdevstate.device_entity where device = ''Custom:t'' and entity = ''server_c'''), '(t,f)', '... and shows');
update pgdevstate.heartbeat set alive = true;
select pg_temp.say('b', '{Custom:t}', '{2}', p_held => false) \g /dev/null
select is(pg_temp.rows('table toggle'), '(INUSE,3,latest)', 'what a telephone server said that reports no more stays, too');

-- SQL
select is(pgdevstate.set_device_state('Custom:t', 'BUSY'), 1, 'SQL has the last word');
select is(pg_temp.state(), 'BUSY', '... for all');
select is(pgdevstate.set_device_state('Custom:t', 'BUSY'), 0, '... again: no change');
select is(pg_temp.pressed('a', 2), '1 INUSE', 'a presses');
select is(pgdevstate.set_device_state('Custom:t', 'BUSY'), 1, '... SQL again');
select is(pg_temp.state(), 'BUSY', '... and wins');
update pgdevstate.entity set expires_at = clock_timestamp() - interval '1 second' where kind = 'static';
select is(pg_temp.rows('table toggle'), '(INUSE,3,latest)', 'its time is over: its word is no more');
select is(pgdevstate.set_device_state('Custom:t', 'BUSY'), 0, 'said anew: the row is as it was ...');
select is(pg_temp.state(), 'BUSY', '... and counts again');
select is(pgdevstate.clear_device_state('Custom:t'), 1, 'taken back');
select is(pg_temp.state(), 'INUSE', '... the others'' last word');
select is(pg_temp.pressed('b', 1), '1 NOT_INUSE', 'b presses');
select is(pg_temp.pressed('a', 2), '1 INUSE', '... then a');
select clock_timestamp() as between_them \gset
-- ages are told when a call begins, so that what is said comes out later by as much as it takes
select pg_sleep(0.5) \g /dev/null
select is(pgdevstate.set_device_state('Custom:t', 'BUSY'), 1, '... then SQL');
select is(pg_temp.pressed('b', 1, clock_timestamp() - :'between_them'), '1 BUSY', 'b''s second press was before SQL''s: told, and not in force');
select is(pg_temp.pressed('b', 1, clock_timestamp() - :'between_them'), '0 BUSY', '... once');
select is(pgdevstate.clear_device_state('Custom:t'), 1, 'SQL takes its word back');
select is(pg_temp.state(), 'NOT_INUSE', '... and b''s press was the last');
select is(pg_temp.pressed('a', 2), '1 INUSE', 'a again');

-- a batch of both kinds, a key twice, removals
select is(pg_temp.say('a', '{Custom:t,PJSIP/1,Custom:u,Custom:t,Custom:v,Custom:v,PJSIP/2}', '{1,2,3,6,2,-1,6}', p_held => true), '10 4', 'toggles and others in one batch');
select is(pg_temp.rows($$select device, state, policy from pgdevstate.device order by device collate "C"$$),
	e'(Custom:t,RINGING,latest)\n(Custom:u,BUSY,latest)\n(PJSIP/1,INUSE,aggregate)\n(PJSIP/2,RINGING,aggregate)', '... the last of a key');
select is(pg_temp.told('a'), e'9 10 1/1 a\nD\t6\th\tage\tCustom:t\nD\t3\th\tage\tCustom:u\nD\t2\th\tage\tPJSIP/1\nD\t6\th\tage\tPJSIP/2\n', '... told as one change');
select is(pg_temp.say('a', '{Custom:u,PJSIP/2}', '{-1,-1}', p_held => true), '11 2', 'removed');
select throws_ok($$select pg_temp.say('a', '{Custom:t,Custom:u}', '{1,9}')$$, 'PD004', null, 'an illegal one in the batch: nothing is written');
select is(pg_temp.state(), 'RINGING', '...');
select throws_ok($$select pgdevstate.publish(n.id, n.incarnation, n.session, '{Custom:t}', '{1,2}', '{t}', '{0}', '{}', '{}', '{}', '{}', '{}', '{}', '{}') from node n where name = 'a'$$,
	'PD004', null, 'arrays of different lengths');

-- the audit knows rows, not times: it holds for toggles, too
select matches(pgdevstate.audit_line(1::smallint, pg_temp.id('a')), e'\t2\t[0-9a-f]{16}\n$', 'two rows are audited');

-- ---- not shared ----
select pg_temp.say('a', '{L}', '{2}', p_held => true), pg_temp.say('b', '{L}', '{6}', p_held => true) \g /dev/null
select is(state, 'RINGINUSE', 'shared') from pgdevstate.device where device = 'L';
select pgdevstate.set_policy('device', 'l', 'local') \g /dev/null
select is(count(*), 0::bigint, 'what is not shared is not there, whatever rows are left') from pgdevstate.device where device = 'L';
select is(pg_temp.rows($$select entity, counts, policy from pgdevstate.device_entity where device = 'L' order by 1$$), e'(server_a,f,local)\n(server_b,f,local)', '... and shows');

-- ---- mailboxes ----
create temp view boxes as select mailbox, context, new_messages, old_messages, urgent_messages, entities, entity, policy from pgdevstate.mailbox order by mailbox;
select pg_temp.mail('a', '{1,2}', '{d,e}', '{0,0}', '{2,5}', '{7,5}', p_held => true), pg_temp.mail('b', '{1,2}', '{d,e}', '{1,0}', '{3,6}', '{1,4}', p_held => true) \g /dev/null
select is(pg_temp.rows('table boxes'), e'(1,d,3,1,1,2,server_b,latest)\n(2,e,6,4,0,2,server_b,latest)', 'the last word');
select pgdevstate.set_policy('mailbox', '*@D', 'sum') \g /dev/null
select is(pg_temp.rows('table boxes'), e'(1,d,5,8,1,2,server_b,sum)\n(2,e,6,4,0,2,server_b,latest)', 'the sum');
select pgdevstate.set_policy('mailbox', '*@d', 'max') \g /dev/null
select is(pg_temp.rows('table boxes'), e'(1,d,3,7,1,2,server_b,max)\n(2,e,6,4,0,2,server_b,latest)', 'the highest of each');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('b');
select is(pg_temp.rows('table boxes'), e'(1,d,2,7,0,1,server_a,max)\n(2,e,5,5,0,1,server_a,latest)', 'a dead one''s counts leave');
update pgdevstate.heartbeat set alive = true;
select pg_temp.mail('a', '{1}', '{d}', '{1000000}', '{1000000}', '{600000}', p_held => true), pg_temp.mail('b', '{1}', '{d}', '{1000000}', '{1}', '{600000}', p_held => true) \g /dev/null
select pgdevstate.set_policy('mailbox', '*', 'sum'), pgdevstate.clear_policy('mailbox', '*@d') \g /dev/null
select is(pg_temp.rows('table boxes'), e'(1,d,1000000,1000000,1000000,2,server_b,sum)\n(2,e,11,9,0,2,server_b,sum)', 'a million is the most');
select is(pg_temp.rows('select mailbox, entity, counts, policy from pgdevstate.mailbox_entity order by 1, 2'),
	e'(1,server_a,t,sum)\n(1,server_b,t,sum)\n(2,server_a,t,sum)\n(2,server_b,t,sum)', 'who says what');

-- the plans: one device by index, also where there are policies; where there are none, nobody asks
-- for the policy of a row
insert into pgdevstate.entity_device
select 1, ('0200000000' || lpad(to_hex(10 + g % 3), 2, '0'))::macaddr, 'PJSIP/' || g / 3, g % 9, true, now(), 1 from generate_series(1, 30000) g
on conflict do nothing;
analyze pgdevstate.entity_device;
create function pg_temp.plan_text(p_query text) returns text
language sql as $$ select string_agg(p, e'\n') from pg_temp.plan(p_query) p $$;
select unalike(pg_temp.plan_text(q), '%Seq Scan on entity_device%', 'no scan of all: ' || q)
from unnest(array['select * from pgdevstate.device where device = ''PJSIP/4711''', 'select * from pgdevstate.device_entity where device = ''PJSIP/4711''']) q;
delete from pgdevstate.policy;
load 'plpgsql';
set track_functions = 'all';
select pg_stat_force_next_flush() \g /dev/null
select pg_stat_clear_snapshot(), pg_stat_reset() \g /dev/null
select count(*) from (select * from pgdevstate.device union all select null, null, 0, now(), null from pgdevstate.mailbox) x \g /dev/null
select pg_stat_force_next_flush(), pg_stat_clear_snapshot() \g /dev/null
select is(coalesce(sum(calls), 0), 0::numeric, 'no policy is set: none is looked up for a row') from pg_stat_user_functions where funcname = 'policy_of';

select * from finish();
