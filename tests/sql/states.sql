-- How states add up: against the table of cases that tests the C side too, and against an
-- oracle that works by ranks and knows nothing of bits.
\ir lib/node.sql
select no_plan();

create temp table rank (state int primary key, name text, rank int);
insert into rank values (0, 'UNKNOWN', 1), (1, 'NOT_INUSE', 3), (2, 'INUSE', 6), (3, 'BUSY', 7), (4, 'INVALID', 0),
	(5, 'UNAVAILABLE', 2), (6, 'RINGING', 5), (7, 'RINGINUSE', 8), (8, 'ONHOLD', 4);

create function pg_temp.oracle(p_states int[]) returns text
language sql as $$
	select case when 6 = any (p_states) and p_states && array[2, 3, 8] then 'RINGINUSE'
		else (select r.name from pg_temp.rank r where r.state = any (p_states) order by r.rank desc limit 1) end
$$;
create function pg_temp.sum(p_states int[]) returns text
language sql as $$ select pgdevstate.device_state_sum(1 << s) from unnest(p_states) s $$;
create function pg_temp.sum_words(p_states int[]) returns text
language sql as $$ select pgdevstate.device_state_sum(pgdevstate.device_state_name(s)) from unnest(p_states) s $$;

-- names and numbers
select results_eq('select state, name from pg_temp.rank order by state',
	'select s, pgdevstate.device_state_name(s) from generate_series(0, 8) s', 'the words for 0 to 8');
select is(pgdevstate.device_state_number(name), state, name || ' is ' || state) from rank;
select is(pgdevstate.device_state_number(lower(name)), state, lower(name) || ' is ' || state) from rank;
select is(pgdevstate.device_state_number(initcap(name)), state, initcap(name) || ' is ' || state) from rank;
select is(pgdevstate.device_state_name(9), null, 'nine is no state');
select is(pgdevstate.device_state_name(-1), null, 'minus one is no state');
select is(pgdevstate.device_state_name(null), null, 'null has no name');
select is(pgdevstate.device_state_number(null), null, 'null has no number');
select throws_ok($$select pgdevstate.device_state_number('RINGINGG')$$, 'PD004', '"RINGINGG" is no device state', 'a word that is no state');
select throws_ok($$select pgdevstate.device_state_number('')$$, 'PD004', '"" is no device state', 'an empty word');
select throws_ok($$select pgdevstate.device_state_number(' INUSE')$$, 'PD004', null, 'a word with a space');

-- sets
select is(pgdevstate.device_state_of_set(0), null, 'the empty set is no state');
select is(pgdevstate.device_state_of_set(null), null, 'null is no set');
select is(pg_temp.sum('{}'), null, 'nothing adds up to null');
select is(pg_temp.sum_words('{}'), null, 'no words add up to null');
select is(pg_temp.sum('{null}'), null, 'null adds nothing');
select is(pg_temp.sum('{null,2,null}'), 'INUSE', 'null adds nothing to INUSE');
select is(pgdevstate.device_state_sum(w), 'INUSE', 'words: null adds nothing to INUSE') from (values (null), ('inuse'), (null)) v(w);
select throws_ok($$select pgdevstate.device_state_sum(w) from (values ('INUSE'), ('nonsense')) v(w)$$, 'PD004', null,
	'words: one that is no state');

-- all ordered pairs
select is(pg_temp.sum(array[a.state, b.state]), pg_temp.oracle(array[a.state, b.state]), a.name || ' + ' || b.name)
from rank a, rank b;

-- all sequences of three and four states
select is(count(*), 729::bigint, 'all threes: 729 cases')
from rank a, rank b, rank c
where pg_temp.sum(array[a.state, b.state, c.state]) = pg_temp.oracle(array[a.state, b.state, c.state]);
select is(count(*), 6561::bigint, 'all fours: 6561 cases')
from rank a, rank b, rank c, rank d
where pg_temp.sum(array[a.state, b.state, c.state, d.state]) = pg_temp.oracle(array[a.state, b.state, c.state, d.state]);
select is(count(*), 729::bigint, 'words agree on all threes')
from rank a, rank b, rank c
where pg_temp.sum_words(array[a.state, b.state, c.state]) = pg_temp.oracle(array[a.state, b.state, c.state]);

-- random larger sets, with repeats
select setseed(0.5);
select is(count(*), 3000::bigint, 'random sets of 5 to 200 states')
from (
	select array_agg((random() * 8)::int) as states
	from (select g, generate_series(1, (5 + random() * random() * random() * 195)::int) from generate_series(1, 3000) g) m(g, n)
	group by g
) r
where pg_temp.sum(r.states) = pg_temp.oracle(r.states);

-- an aggregate of aggregates is the aggregate of all
select is(count(*), 6561::bigint, 'two halves of four states, added')
from rank a, rank b, rank c, rank d
where pgdevstate.device_state_name(pgdevstate.device_state_of_set(
		(1 << pgdevstate.device_state_of_set((1 << a.state) | (1 << b.state))) | (1 << pgdevstate.device_state_of_set((1 << c.state) | (1 << d.state)))))
	= pg_temp.sum(array[a.state, b.state, c.state, d.state]);

-- every set there is, against the table of cases
create temp table cases (line text);
\copy cases from program 'grep -v "^#" tests/cases/state_sums.tsv | tr "\t" "~"'
create temp table parsed as
select string_to_array(split_part(line, '~', 1), ',') as words, split_part(line, '~', 2) as sum, split_part(line, '~', 3) as hint
from cases;
select is(count(*), 511::bigint, 'the table has every set') from parsed;
select is(count(distinct (select bit_or(1 << pgdevstate.device_state_number(w)) from unnest(p.words) w)), 511::bigint,
	'... each once') from parsed p;
select is(count(*), 511::bigint, 'words add up as the table says')
from parsed p
where p.sum = (select pgdevstate.device_state_sum(w) from unnest(p.words) w);
select is(count(*), 511::bigint, 'bits add up as the table says')
from parsed p
where p.sum = (select pgdevstate.device_state_sum(1 << pgdevstate.device_state_number(w)) from unnest(p.words) w);
select is(count(*), 511::bigint, 'the oracle says what the table says')
from parsed p
where p.sum = pg_temp.oracle((select array_agg(r.state) from rank r where r.name = any (p.words)));

-- fast and parallel
select is(concat_ws(' ', aggcombinefn, aggtransfn, p.proparallel), 'int4or int4or s',
	'the aggregate steps and combines in C, parallel safe')
from pg_aggregate a
join pg_proc p on p.oid = a.aggfnoid
where a.aggfnoid = 'pgdevstate.device_state_sum(int)'::regprocedure;
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0;
create table many as select g % 9 as state, g % 100 as device from generate_series(1, 100000) g;
analyze many;
select matches(string_agg(plan, e'\n'), 'Partial', 'a large table is added up in parallel')
from (select pg_temp.plan('select pgdevstate.device_state_sum(1 << state) from many') as plan) p;
select is(pgdevstate.device_state_sum(1 << state), 'RINGINUSE', '... to the right sum') from many;
drop table many;

select * from finish();
