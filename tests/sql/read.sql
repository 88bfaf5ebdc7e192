-- read_rows, read_heads, read_journal, remove.
\ir lib/node.sql
select no_plan();

select is(count(*), 0::bigint, 'no entity: no rows') from pgdevstate.read_rows();
select is(count(*), 0::bigint, '... no heads') from pgdevstate.read_heads();
select is(count(*), 0::bigint, '... no journal') from pgdevstate.read_journal('02:00:00:00:00:0a', gen_random_uuid(), 0);

select pg_temp.begin_run('a'), pg_temp.begin_run('b'), pg_temp.begin_run('c') \g /dev/null
select pg_temp.say('b', '{PJSIP/2,PJSIP/1}', '{6,2}', p_reporting => true), pg_temp.mail('b', '{1000}', '{""}', '{3}', '{2}', '{1}', p_held => true) \g /dev/null

-- a snapshot in parts: entity, chunk, chunks, seq, flags, lines sorted, without ages
create function pg_temp.parts(p_text text) returns text
language sql as $$
	select concat_ws(' ', f[2], right(f[4], 2), f[6], f[7], f[8] || '/' || f[9], f[10], f[11], f[12], length(f[13])) || e'\n'
		|| coalesce((select string_agg(l, e'\n' order by n, l) || e'\n'
			from (
				select case when line like 'E%' then 0 else 1 end as n,
					regexp_replace(regexp_replace(line, '^((?:D\t\d+\t.|M\t\d+\t\d+\t\d+\t.)\t)\d+', '\1age'), '^(E\t.*\t)\d+$', '\1since') as l
				from string_to_table(substr(p_text, strpos(p_text, e'\n') + 1), e'\n') line
				where line <> ''
			) s), '')
	from string_to_array(split_part(p_text, e'\n', 1), e'\t') f
$$;
select is(string_agg(pg_temp.parts(r), ''), e'S 0a 0 1 1/1 a - 0 16\nE\tnode\tserver_a\thost_a\t42\t1.0\tsince\n'
	|| e'S 0b 0 3 1/2 ar - 0 16\nE\tnode\tserver_b\thost_b\t42\t1.0\tsince\nD\t2\t-\tage\tPJSIP/1\nD\t6\t-\tage\tPJSIP/2\n'
	|| e'S 0b 0 3 2/2 ar - 0 16\nM\t3\t2\t1\th\tage\t1000\t\n'
	|| e'S 0c 0 1 1/1 a - 0 16\nE\tnode\tserver_c\thost_c\t42\t1.0\tsince\n', 'all rows of all entities, each entity''s in order')
from pgdevstate.read_rows() r;
select is(string_agg(pg_temp.parts(r), ''), e'S 0a 0 1 1/1 a - 0 16\nE\tnode\tserver_a\thost_a\t42\t1.0\tsince\n', 'of one without rows: one chunk')
from pgdevstate.read_rows(pg_temp.id('a')) r;
select is(count(*), 2::bigint, 'of one with rows') from pgdevstate.read_rows(pg_temp.id('b')) r;
select is(count(*), 0::bigint, 'of one that is not there') from pgdevstate.read_rows('02:00:00:00:00:77') r;
select is(pg_temp.rows('select * from pgdevstate.read_heads()'),
	(select string_agg(format(e'("%s")', concat_ws(e'\t', 'H', e.entity_id, e.incarnation, e.seq, case when name = 'server_b' then 'ar' else 'a' end)), e'\n' order by e.entity_id)
	from pgdevstate.entity e), 'the heads');
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('b');
select matches(r, e'^1\tS\t1\t02:00:00:00:00:0b\t[-0-9a-f]{36}\t0\t3\t\\d\t2\tr\t', 'flags: dead, was reporting') from pgdevstate.read_rows(pg_temp.id('b')) r;
update pgdevstate.heartbeat set alive = true;

-- ages are of the database's clock
select pgdevstate.publish(n.id, n.incarnation, n.session, '{old}', '{1}', '{f}', '{60000000}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
from node n where n.name = 'a' \g /dev/null
select cmp_ok((regexp_match(r, e'D\t1\t-\t(\\d+)\told'))[1]::bigint - 60000000, '<', 5000000::bigint, 'an age goes on')
from pgdevstate.read_rows(pg_temp.id('a')) r;

-- many rows, chunks
select pg_temp.say('c', array_agg(repeat('x', 240) || g), array_agg(g % 9)) from generate_series(1, 1501) g \g /dev/null
select pg_temp.mail('c', array_agg(repeat('m', 240) || g), array_agg(repeat('c', 240) || g), array_agg(1000000), array_agg(1000000), array_agg(1000000))
from generate_series(1, 301) g \g /dev/null
create temp table chunk as
select r, (string_to_array(split_part(r, e'\n', 1), e'\t'))[8]::int as chunk, (string_to_array(split_part(r, e'\n', 1), e'\t'))[9]::int as chunks, n
from pgdevstate.read_rows(pg_temp.id('c')) with ordinality x(r, n);
select cmp_ok(max(octet_length(r)), '<=', 65536, 'no chunk is above 64 KiB') from chunk;
select is(array_agg(chunk order by n), array(select generate_series(1, 12)), 'twelve chunks in order') from chunk;
select is(array_agg(distinct chunks), array[12], '... each says so') from chunk;
select is(count(*) filter (where r ~ e'\nE\t'), 1::bigint, '... the first says who') from chunk;
select is(count(*), 1501::bigint, 'all devices are in it') from chunk, string_to_table(r, e'\n') l where l like e'D\t%';
select is(count(*), 301::bigint, 'all mailboxes are in it') from chunk, string_to_table(r, e'\n') l where l like e'M\t%';
-- parts that end where the rows do; a mailbox that is in many contexts, one of them empty
create function pg_temp.chunks(p_name text) returns text language sql as $$
	select string_agg(split_part(r, e'\t', 8) || '/' || split_part(r, e'\t', 9) || ':' || (
		select count(*) from string_to_table(r, e'\n') l where l ~ '^[DM]\t'), ' ' order by n)
	from pgdevstate.read_rows(pg_temp.id(p_name)) with ordinality x(r, n)
$$;
select pg_temp.begin_run('x') \g /dev/null
select pg_temp.say('x', array_agg('PJSIP/' || g), array_agg(1)) from generate_series(1, 200) g \g /dev/null
select is(pg_temp.chunks('x'), '1/1:200', 'a chunk that is just full');
select pg_temp.mail('x', array_agg('1'::text), array_agg(case when g = 1 then '' else 'c' || g end), array_agg(0), array_agg(1), array_agg(0))
from generate_series(1, 100) g \g /dev/null
select is(pg_temp.chunks('x'), '1/2:200 2/2:100', '... of mailboxes, too');
select pg_temp.mail('x', array_agg('1'::text), array_agg('d' || g), array_agg(0), array_agg(1), array_agg(0)) from generate_series(1, 1) g \g /dev/null
select pg_temp.say('x', array_agg('SIP/' || g), array_agg(1)) from generate_series(1, 1) g \g /dev/null
select is(pg_temp.chunks('x'), '1/4:200 2/4:1 3/4:100 4/4:1', '... and one more of each');
select is(count(distinct l), 101::bigint, 'each context once') from pgdevstate.read_rows(pg_temp.id('x')) r, string_to_table(r, e'\n') l where l like e'M\t%';

-- the journal
create function pg_temp.journal(p_name text, p_after bigint, p_incarnation uuid default null) returns text
language sql as $$
	select coalesce(string_agg(concat_ws(' ', f[2], f[6], f[7], f[8] || '/' || f[9], f[10]), ', ' order by n), 'nothing')
	from pgdevstate.read_journal(pg_temp.id(p_name), coalesce(p_incarnation, pg_temp.incarnation(p_name)), p_after) with ordinality x(r, n)
	cross join lateral string_to_array(split_part(r, e'\n', 1), e'\t') f
$$;
select is(pg_temp.journal('b', 1), 'S 0 3 0/0 ar, C 1 2 1/1 ar, C 2 3 1/1 ar', 'from 1: the head, then two changes');
select is(pg_temp.journal('b', 2), 'S 0 3 0/0 ar, C 2 3 1/1 ar', 'from 2: one');
select is(pg_temp.journal('b', 3), 'S 0 3 0/0 ar', 'from 3, the newest: the head alone');
select is(pg_temp.journal('b', 9), 'S 0 3 0/0 ar', 'from beyond: the head alone');
select is(pg_temp.journal('b', 0), 'S 0 3 0/0 ar, C 0 1 1/1 a, C 1 2 1/1 ar, C 2 3 1/1 ar', 'from the beginning');
select is(pg_temp.journal('b', 1, gen_random_uuid()), 'S 0 3 0/0 ar', 'of another incarnation: the head alone');
select is(pg_temp.journal('c', 1), 'S 0 3 0/0 a, ' || string_agg(format('C %s %s %s/%s a', from_seq, to_seq, chunk, chunks), ', ' order by to_seq, chunk), 'all chunks, in order')
from pgdevstate.change where entity_id = pg_temp.id('c') and to_seq > 1;
select is(count(*), 3::bigint, 'the payloads are those of the journal')
from pgdevstate.read_journal(pg_temp.id('b'), pg_temp.incarnation('b'), 0) r
join pgdevstate.change c on c.payload = r;

-- another run: what came before it is known to those who have the change before
select pg_temp.incarnation('b') as old \gset
update pgdevstate.heartbeat set alive = false where entity_id = pg_temp.id('b');
select pg_temp.begin_run('b'), pg_temp.say('b', '{PJSIP/1}', '{1}') \g /dev/null
select is(pg_temp.journal('b', 3, :'old'), 'S 0 5 0/0 a, C 3 4 1/1 a, C 4 5 1/1 a', 'from the last change of the run before');
select is(pg_temp.journal('b', 2, :'old'), 'S 0 5 0/0 a, C 2 3 1/1 ar, C 3 4 1/1 a, C 4 5 1/1 a', 'from before that');
select is(pg_temp.journal('b', 4, :'old'), 'S 0 5 0/0 a', 'from a seq that the run before never had');

-- holes
delete from pgdevstate.change where entity_id = pg_temp.id('b') and to_seq = 4;
select is(pg_temp.journal('b', 3, :'old'), 'S 0 5 0/0 a', 'a hole: the head alone');
select is(pg_temp.journal('b', 4), 'S 0 5 0/0 a, C 4 5 1/1 a', 'behind the hole: what is there');
delete from pgdevstate.change where entity_id = pg_temp.id('c') and to_seq = 2 and chunk = 2;
select is(pg_temp.journal('c', 1), 'S 0 3 0/0 a', 'a chunk is missing: the head alone');
select isnt(pg_temp.journal('c', 2), 'S 0 3 0/0 a', 'behind it: what is there');
delete from pgdevstate.change where entity_id = pg_temp.id('c') and to_seq = 3 and chunk = (select max(chunks) from pgdevstate.change where to_seq = 3 and entity_id = pg_temp.id('c'));
select is(pg_temp.journal('c', 2), 'S 0 3 0/0 a', 'the last chunk is missing: the head alone');

-- remove
select throws_ok($$select pgdevstate.remove(pg_temp.id('b'))$$, 'PD005', null, 'a living node is not removed');
select throws_ok($$select pgdevstate.remove('02:00:00:00:00:77')$$, 'PD006', null, 'nor one that is not there');
select throws_ok($$select pgdevstate.remove(null)$$, 'PD006', null, 'nor nothing');
select pgdevstate.leave(n.id, n.incarnation, n.session) from node n where n.name = 'b' \g /dev/null
\setenv REMOVE 'select pgdevstate.remove(''02:00:00:00:00:0b'')'
\set heard `ch=$(psql -XAtc "select channel from pgdevstate.site"); psql -XAtq -c "listen $ch" -c "$REMOVE"`
select matches(:'heard'::text, e'payload "1\tX\t1\t02:00:00:00:00:0b\t[-0-9a-f]{36}\t6\t\\d{16}\n"', 'the channel says that it was removed');
select is(pg_temp.rows($$select count(*) from pgdevstate.entity where entity_id = '02:00:00:00:00:0b'
	union all select count(*) from pgdevstate.heartbeat where entity_id = '02:00:00:00:00:0b'
	union all select count(*) from pgdevstate.entity_device where entity_id = '02:00:00:00:00:0b'
	union all select count(*) from pgdevstate.entity_mailbox where entity_id = '02:00:00:00:00:0b'
	union all select count(*) from pgdevstate.change where entity_id = '02:00:00:00:00:0b'$$), e'(0)\n(0)\n(0)\n(0)\n(0)', 'nothing is left of it');
select is(pg_temp.begin_run('b'), 'registered', 'it may come back');
select pg_temp.age_beat('a', '11 seconds') \g /dev/null
select lives_ok($$select pgdevstate.remove(pg_temp.id('a'))$$, 'one that is dead but was not reaped is removed');
select pgdevstate.set_device_state('Custom:x', 'INUSE') \g /dev/null
select lives_ok($$select pgdevstate.remove(entity_id) from pgdevstate.entity where kind = 'static'$$, 'a static entity is removed at any time');

select * from finish();
