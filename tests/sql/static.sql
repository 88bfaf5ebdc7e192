-- SQL as a publisher: static entities.
\ir lib/node.sql
select no_plan();

create function pg_temp.sql_id(p_name text default 'sql') returns macaddr
language sql as $$ select e.entity_id from pgdevstate.entity e where e.kind = 'static' and e.name = p_name $$;
create function pg_temp.lines(p_name text default 'sql') returns text
language sql as $$ select substr(t, strpos(t, e'\n') + 1) from pg_temp.told(pg_temp.sql_id(p_name)) t $$;
create temp view said as select entity, device, state, held from pgdevstate.device_entity order by entity, device;

select is(pgdevstate.set_device_state('Custom:night', 'INUSE'), 1, 'a state from SQL');
select is(pg_temp.rows('select * from said'), '(sql,Custom:night,INUSE,t)', '... of an entity named sql, held');
select is(pg_temp.rows('select device, state, entities from pgdevstate.device'), '(Custom:night,INUSE,1)', '... counts');
select is(pg_temp.lines(), e'D\t2\th\tage\tCustom:night\n', '... is told');
select is(split_part(payload, e'\n', 2), concat_ws(e'\t', 'E', 'static', 'sql', '-', 0, '-', pgdevstate.clock_us(e.registered_at)), 'the journal''s first says who it is')
from pgdevstate.change c join pgdevstate.entity e using (entity_id) order by id limit 1;
select is(pg_temp.rows('select kind, name, incarnation, session, lease_ms, alive, reporting, expires_at from pgdevstate.entity join pgdevstate.heartbeat using (site, entity_id)'),
	'(static,sql,00000000-0000-0000-0000-000000000000,,,t,f,)', 'it has no run, no session, no lease');
select is(trunc(pg_temp.sql_id())::text, trunc(pg_temp.sql_id())::text, 'it has an id');
select matches(pg_temp.sql_id()::text, '^02:', '... locally administered');
select is(pgdevstate.set_device_state('Custom:night', 'inuse'), 0, 'the same in lower case is no change');
select is(pgdevstate.set_device_state('Custom:night', 'Not_InUse'), 1, 'in any case');
select is(pgdevstate.set_device_state('Custom:night', null), 1, 'null clears');
select is(pg_temp.rows('select * from said'), null, '... it is gone');
select is(pg_temp.lines(), e'd\tage\tCustom:night\n', '... told');
select is(pgdevstate.set_device_state('Custom:night', null), 0, '... once');

-- arrays
select is(pgdevstate.set_device_state(array['Custom:a', 'Custom:b', 'Custom:c'], array['INUSE', 'BUSY', 'RINGING']), 3, 'three at once');
select is(pgdevstate.set_device_state(array['Custom:a', 'Custom:b', 'Custom:c'], array['INUSE', null, 'ONHOLD']), 2, 'one as it was, one cleared, one changed');
select is(pg_temp.rows('select * from said'), e'(sql,Custom:a,INUSE,t)\n(sql,Custom:c,ONHOLD,t)', '... so they are');
select is(pgdevstate.set_device_state('{}'::text[], '{}'::text[]), 0, 'none at all');
select is(pgdevstate.clear_device_state('Custom:a'), 1, 'one is cleared');
select is(pgdevstate.clear_device_state(array['Custom:a', 'Custom:c', 'Custom:x']), 1, 'of three one is cleared');
select is(count(*), 0::bigint, 'none is left') from said;

-- mailboxes
select is(pgdevstate.set_mailbox('1000', 'default', 2), 1, 'a mailbox');
select is(pgdevstate.set_mailbox('1000', 'default', 2, 1, 1), 1, '... with all counts');
select is(pgdevstate.set_mailbox('1000', 'default', 2, 1, 1), 0, '... once');
select is(pg_temp.lines(), e'M\t1\t2\t1\th\tage\t1000\tdefault\n', '... is told');
select is(pg_temp.rows('select mailbox, context, new_messages, old_messages, urgent_messages, entities, entity from pgdevstate.mailbox'), '(1000,default,2,1,1,1,sql)', '... counts');
select is(pgdevstate.clear_mailbox('1000', 'default'), 1, 'it is cleared');
select is(pgdevstate.clear_mailbox('1000', 'default'), 0, '... once');
select throws_ok($$select pgdevstate.set_mailbox('1000', 'default', -1)$$, 'PD004', 'mailbox "1000@default": urgent 0, new -1, old 0, held true, age 0', 'a negative count');
select throws_ok($$select pgdevstate.set_mailbox('1000', 'default', 1, 1, -1)$$, 'PD004', null, 'a negative count of urgent ones is not a removal');
select throws_ok($$select pgdevstate.set_mailbox('1000', 'default', null)$$, 'PD004', null, 'no count');
select throws_ok($$select pgdevstate.set_mailbox('', 'default', 1)$$, 'PD004', 'mailbox number 1 is empty: ""', 'no mailbox');
select throws_ok($$select pgdevstate.set_mailbox('1', 'a@b', 1)$$, 'PD004', 'context number 1 has an @: "a@b"', 'an @ in the context');

-- refused
select throws_ok($$select pgdevstate.set_device_state('Custom:a', 'RINNGING')$$, 'PD004', '"RINNGING" is no device state', 'a state that there is not');
select throws_ok($$select pgdevstate.set_device_state(array['a', 'b'], array['INUSE'])$$, 'PD004', 'arrays of different lengths: 2 devices, 1 states', 'arrays of different lengths');
select throws_ok($$select pgdevstate.set_device_state(array['a'], null::text[])$$, 'PD004', 'arrays of different lengths: 1 devices, null states', 'no array');
select throws_ok($$select pgdevstate.set_device_state(null::text, 'INUSE')$$, 'PD004', 'device number 1 is null: null', 'no device');
select throws_ok($$select pgdevstate.set_device_state('', 'INUSE')$$, 'PD004', 'device number 1 is empty: ""', 'an empty device');
select throws_ok($$select pgdevstate.set_device_state(e'a\tb', 'INUSE')$$, 'PD004', 'device number 1 has a control character: "a\tb"', 'a tab');
select throws_ok($$select pgdevstate.set_device_state('a', 'INUSE', e'x\ny')$$, 'PD004', 'entity name number 1 has a control character: "x\ny"', 'an entity with a newline');
select throws_ok($$select pgdevstate.set_device_state('a', 'INUSE', null)$$, 'PD004', null, 'no entity');
select throws_ok($$select pgdevstate.clear_device_state(null::text[])$$, 'PD004', 'devices is null', 'clear nothing');
select throws_ok($$select pgdevstate.clear_device_state('a', 'nobody')$$, 'PD006', 'there is no static entity "nobody"', 'clear of an entity that is not there');
select is(count(*), 1::bigint, 'refusals make no entities') from pgdevstate.entity;

-- SQL does not write for a node
select pg_temp.begin_run('a') \g /dev/null
select throws_ok($$select pgdevstate.set_device_state('a', 'INUSE', 'server_a')$$, 'PD005', '"server_a" is a node: SQL cannot write for it', 'a node''s name');
select throws_ok(format($$select pgdevstate.publish(%L, '00000000-0000-0000-0000-000000000000', null, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')$$, pg_temp.sql_id()),
	'PD006', null, 'and publish does not write for a static entity');

-- several entities add up
select is(pgdevstate.set_device_state('PJSIP/1', 'RINGING', 'one') + pgdevstate.set_device_state('PJSIP/1', 'INUSE', 'two'), 2, 'two entities of SQL');
select is(state || entities, 'RINGINUSE2', '... add up') from pgdevstate.device where device = 'PJSIP/1';
select isnt(pg_temp.sql_id('one'), pg_temp.sql_id('two'), '... have ids of their own');

-- seq is at least the clock, so that it never restarts
select cmp_ok(seq, '>', pgdevstate.clock_us(clock_timestamp() - interval '1 minute'), 'seq is of the clock') from pgdevstate.entity where name = 'one';
update pgdevstate.entity set seq = 5000000000000000000 where name = 'one';
select pgdevstate.set_device_state('PJSIP/1', 'BUSY', 'one') \g /dev/null
select is(seq, 5000000000000000001, '... and moves by one where it is ahead') from pgdevstate.entity where name = 'one';
select is(from_seq, 5000000000000000000, '... and says from where') from pgdevstate.change order by id desc limit 1;
select seq from pgdevstate.entity where name = 'two' \gset
select pgdevstate.remove(pg_temp.sql_id('two')), pgdevstate.set_device_state('PJSIP/1', 'INUSE', 'two') \g /dev/null
select cmp_ok(seq, '>', :seq::bigint, 'removed and made again it goes on') from pgdevstate.entity where name = 'two';

-- time to live
select is(pgdevstate.set_device_state(array['t1', 't2'], array['INUSE', 'INUSE'], 'shortly', '1 hour'), 2, 'with a time to live');
select is(count(*), 2::bigint, '... they count') from pgdevstate.device where device ~ '^t\d';
select cmp_ok(expires_at - now(), '>', interval '59 minutes', '... until') from pgdevstate.entity where name = 'shortly';
select is(pgdevstate.clear_device_state('t2', 'shortly'), 1, 'taking one back');
select cmp_ok(expires_at - now(), '>', interval '59 minutes', '... leaves the time') from pgdevstate.entity where name = 'shortly';
select is(pgdevstate.set_device_state('t1', 'INUSE', 'shortly', '2 hours'), 0, 'the same again');
select cmp_ok(expires_at - now(), '>', interval '119 minutes', '... moves the time') from pgdevstate.entity where name = 'shortly';
select is(pgdevstate.set_device_state('t1', 'INUSE', 'shortly'), 0, 'the same without a time to live');
select is(expires_at, null, '... ends it') from pgdevstate.entity where name = 'shortly';
select is(pgdevstate.clear_device_state('t9', 'shortly'), 0, 'taking back where there is none');
select is(expires_at, null, '... makes none') from pgdevstate.entity where name = 'shortly';
select pgdevstate.set_device_state('t1', 'INUSE', 'shortly', '1 hour') \g /dev/null
update pgdevstate.entity set expires_at = clock_timestamp() - interval '1 second' where name = 'shortly';
select is(count(*), 0::bigint, 'when the time is over nothing counts, though nobody ticked') from pgdevstate.device where device ~ '^t\d';
select is(pgdevstate.set_device_state('t3', 'BUSY', 'shortly', '1 hour'), 2, 'and what it said does not come back');
select is(pg_temp.rows($$select device, state from pgdevstate.device where device ~ '^t\d'$$), '(t3,BUSY)', '... only what is said now');
select is(pg_temp.lines('shortly'), e'D\t3\th\tage\tt3\nd\tage\tt1\n', '... and that is told');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.sql_id('shortly');
select is(pgdevstate.set_device_state('t3', 'BUSY', 'shortly', '1 hour'), 0, 'after it was reaped, the same again: no row changes');
select is(pg_temp.lines('shortly'), '', '... but the head is told');
select is(alive, true, '... alive again') from pgdevstate.heartbeat where entity_id = pg_temp.sql_id('shortly');
select throws_ok($$select pgdevstate.set_device_state('a', 'INUSE', 'shortly', '0 seconds')$$, 'PD004', 'time to live 00:00:00 is not positive', 'no time to live');

-- does not wait for a standby
begin;
set local synchronous_commit = on;
select pgdevstate.set_device_state('Custom:night', 'BUSY') \g /dev/null
select is(current_setting('synchronous_commit'), 'local', 'commits locally');
rollback;

-- two sessions that make the same entity at once
create extension dblink;
select dblink_connect('other', pg_temp.conninfo()) \g /dev/null
begin;
select pgdevstate.set_device_state('first', 'INUSE', 'race') \g /dev/null
select dblink_send_query('other', $$select pgdevstate.set_device_state('second', 'BUSY', 'race')$$) \g /dev/null
commit;
select is(n, 1, 'the second waits for the first') from dblink_get_result('other') r(n int);
select is(string_agg(device, ' ' order by device), 'first second', 'both have written') from said where entity = 'race';

select * from finish();
