-- A fresh installation from sql/schema equals the migrated one; installing again changes nothing.
\ir lib/node.sql
select no_plan();

\set result `tests/sql/same_dump.sh 2>&1`
select is(:'result'::text, 'same', 'sql/schema with functions and views gives what the migrations give');
\set again `tests/sql/install.sh dbname="$PGDATABASE" 2>&1 && echo ok`
select is(:'again'::text, 'ok', 'installing again is no error');
\set result `tests/sql/same_dump.sh 2>&1`
select is(:'result'::text, 'same', '... and changes nothing');

select results_eq('select version, oldest_node from pgdevstate.schema_version()',
	'select max(version), 1 from pgdevstate.migration', 'the schema''s version is that of the newest migration');
select matches(functions_checksum, '^[0-9a-f]{64}$', 'the checksum of the functions is known') from pgdevstate.installed;
select matches(checksum, '^[0-9a-f]{64}$', 'the checksum of ' || name || ' is known') from pgdevstate.migration;

-- what every installation has once
select throws_ok('insert into pgdevstate.installed (only_row, version, oldest_node) values (true, 2, 1)', '23505', null, 'one row says what is installed');
select throws_ok('insert into pgdevstate.installed (only_row, version, oldest_node) values (false, 2, 1)', '23514', null, '... really one');
select throws_ok($$insert into pgdevstate.site values (2, 'there', 'pgdevstate_x', true)$$, '23505', null, 'one site is here');
select lives_ok($$insert into pgdevstate.site values (2, 'there', 'pgdevstate_x')$$, 'there may be other sites');
select is(pgdevstate.here(), 1::smallint, 'site 1 is here');
select matches(channel, '^pgdevstate_[0-9a-f]{32}$', 'the channel''s name cannot be guessed') from pgdevstate.site where is_here;

-- a database that cannot hold every name
select current_database() || '_latin' as latin \gset
create database :"latin" template template0 encoding 'SQL_ASCII' locale 'C';
\setenv LATIN :latin
\set said `tests/sql/install.sh dbname="$LATIN" 2>&1`
select matches(:'said'::text, 'has encoding SQL_ASCII, pgdevstate needs UTF8', 'a database with another encoding is refused by name');
drop database :"latin";

select * from finish();
