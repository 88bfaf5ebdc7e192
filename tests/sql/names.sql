-- Hostile names go through unharmed; others are refused by name.
\ir lib/node.sql
select no_plan();
select pg_temp.begin_run('a') \g /dev/null

create temp table hostile (n int generated always as identity, name text);
insert into hostile (name) values (';'), ('='), ('|'), ('''quoted'''), ('"quoted"'), ('\'), ('\\n'), (e'\\t'), ('a b'), (' leading'), ('trailing '),
	('a;b=c|d\e''f"g,h{i}'), ('{}'), ('{NULL}'), ('NULL'), ('null'), ('-'), ('--'), ('%s'), ('$1'), ('${x}'), ('@'), ('a@b@c'), ('&'), ('<script>'),
	('grüßt'), ('Ёлка'), ('日本語'), (U&'\+01F4DE'), (U&'e\0301'), (U&'\00A0'), (repeat('x', 255)), (repeat(U&'\00e4', 127)), (repeat('日', 85)),
	(U&'\00ff'), (U&'\200b'), (U&'\2028'), (U&'\feff');

select is(pg_temp.say('a', array[name], array[1]), (n + 1) || ' 1', 'alone: ' || left(name, 40)) from hostile order by n;
select is(pg_temp.rows('select device from pgdevstate.entity_device order by device'),
	pg_temp.rows('select name from hostile order by name collate "C"'), 'all are written as they are');
select is(count(*), (select count(*) from hostile), 'all are told as they are')
from hostile h
join pgdevstate.change c on c.to_seq = h.n + 1
where substr(c.payload, strpos(c.payload, e'\n') + 1) = e'D\t1\t-\t0\t' || h.name || e'\n';
select is(pg_temp.say('a', array_agg(name), array_agg(2), p_held => true), '40 ' || count(*), 'all together') from hostile;
select is(count(*), (select count(*) from hostile), '... are found in the view') from hostile h join pgdevstate.device d on d.device = h.name where d.state = 'INUSE';
select is(count(*), (select count(*) from hostile), '... and in a snapshot')
from hostile h
join (
	select split_part(l, e'\t', 5) as name from pgdevstate.read_rows() r, string_to_table(r, e'\n') l where l like e'D\t%'
) s using (name);
select is(pg_temp.say('a', array_agg(name), array_agg(-1)), '41 ' || count(*), 'all removed') from hostile;
select is(pg_temp.mail('a', array_agg(name), array_agg(replace(name, '@', '')), array_agg(0), array_agg(1), array_agg(2)), '42 ' || count(*), 'as mailboxes and contexts') from hostile;
select is(pg_temp.rows('select mailbox, context from pgdevstate.entity_mailbox order by 1'),
	pg_temp.rows('select name, replace(name, ''@'', '''') from hostile order by name collate "C"'), '... are written');
select is(sum(pgdevstate.set_device_state(name, 'BUSY')), count(*), 'and from SQL') from hostile;

-- refused
create temp table bad (n int generated always as identity, name text, why text);
insert into bad (name, why) values
	('', 'is empty: ""'),
	(e'\t', 'has a control character: "\t"'),
	(e'a\nb', 'has a control character: "a\nb"'),
	(e'\r', 'has a control character: "\r"'),
	(e'\x01', 'has a control character: "\u0001"'),
	(e'\x1f', 'has a control character: "\u001f"'),
	(e'x\x7f', 'has a control character: "x' || chr(127) || '"'),
	(U&'\0085', 'has a control character: "' || chr(133) || '"'),
	(U&'\009f', 'has a control character: "' || chr(159) || '"'),
	(repeat('x', 256), 'has 256 bytes, at most 255 are allowed: "' || repeat('x', 256) || '"'),
	(repeat(U&'\00e4', 128), 'has 256 bytes, at most 255 are allowed: "' || repeat(U&'\00e4', 128) || '"'),
	(repeat('x', 5000), 'has 5000 bytes, at most 255 are allowed: "' || repeat('x', 300) || '"');
select throws_ok(format('select pg_temp.say(''a'', array[%L], array[1])', name), 'PD004', 'device number 1 ' || why, 'alone: ' || left(why, 60)) from bad;
select throws_ok(format('select pg_temp.say(''a'', array[''good'', %L, ''also good''], array[1, 1, 1])', name), 'PD004', 'device number 2 ' || why, 'among others: ' || left(why, 60)) from bad;
select throws_ok(format('select pg_temp.say(''a'', array[%L], array[-1], true)', name), 'PD004', 'device number 1 ' || why, 'a forced removal: ' || left(why, 60)) from bad;
select throws_ok(format('select pg_temp.mail(''a'', array[%L], array[''c''], array[0], array[0], array[0])', name), 'PD004', 'mailbox number 1 ' || why, 'mailbox: ' || left(why, 60)) from bad;
select throws_ok(format('select pg_temp.mail(''a'', array[''m''], array[%L], array[0], array[0], array[0])', name), 'PD004', 'context number 1 ' || why, 'context: ' || left(why, 60)) from bad where name <> '';
select throws_ok(format('select pgdevstate.set_device_state(%L, ''INUSE'')', name), 'PD004', 'device number 1 ' || why, 'from SQL: ' || left(why, 60)) from bad;
select is(pg_temp.head('a'), '42 a', 'nothing of it was written');
select throws_ok(format($$insert into pgdevstate.entity_device values (1, pg_temp.id('a'), %L, 1, false, now(), 1)$$, name), '23514', null,
	'nor can it be by hand: ' || left(why, 60)) from bad;
select throws_ok(format($$insert into pgdevstate.entity_mailbox values (1, pg_temp.id('a'), %L, 'c', 1, 1, 1, false, now(), 1)$$, name), '23514', null,
	'nor as a mailbox: ' || left(why, 60)) from bad;
select throws_ok($$insert into pgdevstate.entity_mailbox values (1, pg_temp.id('a'), 'm', 'a@b', 1, 1, 1, false, now(), 1)$$, '23514', null, 'nor an @ in a context');
select throws_ok($$insert into pgdevstate.entity_device values (1, pg_temp.id('a'), 'x', 9, false, now(), 1)$$, '23514', null, 'nor a state that there is not');

-- what no text can hold is refused by PostgreSQL itself
select throws_ok($$select pgdevstate.set_device_state(convert_from('\xff', 'UTF8'), 'INUSE')$$, '22021', null, 'a byte that is no UTF-8');

select * from finish();
