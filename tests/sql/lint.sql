-- What every object must have: a comment, a search_path where it runs with the owner's rights,
-- no rights for everybody; and plpgsql_check finds nothing.
\ir lib/node.sql
select no_plan();

select is_empty($$
	select c.relname from pg_class c
	where c.relnamespace = 'pgdevstate'::regnamespace and c.relkind in ('r', 'v') and obj_description(c.oid, 'pg_class') is null
$$, 'every table and view has a comment');
select is_empty($$
	select c.relname || '.' || a.attname
	from pg_class c
	join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
	where c.relnamespace = 'pgdevstate'::regnamespace and c.relkind in ('r', 'v') and col_description(c.oid, a.attnum) is null
$$, 'every column has a comment');
select is_empty($$
	select p.oid::regprocedure from pg_proc p
	where p.pronamespace = 'pgdevstate'::regnamespace and obj_description(p.oid, 'pg_proc') is null
$$, 'every function and aggregate has a comment');
select is_empty($$
	select t.typname from pg_type t
	where t.typnamespace = 'pgdevstate'::regnamespace and t.typtype = 'd' and obj_description(t.oid, 'pg_type') is null
$$, 'every domain has a comment');
select is_empty($$
	select t.tgname from pg_trigger t
	join pg_class c on c.oid = t.tgrelid and c.relnamespace = 'pgdevstate'::regnamespace
	where not t.tgisinternal and obj_description(t.oid, 'pg_trigger') is null
$$, 'every trigger has a comment');
select isnt(obj_description('pgdevstate'::regnamespace, 'pg_namespace'), null, 'the schema has a comment');
select is_empty($$
	select r.rolname from pg_roles r
	where r.rolname in ('pgdevstate_owner', 'pgdevstate_node', 'pgdevstate_reader')
		and shobj_description(r.oid, 'pg_authid') is null
$$, 'every role has a comment');

select is_empty($$
	select p.oid::regprocedure from pg_proc p
	where p.pronamespace = 'pgdevstate'::regnamespace and p.prosecdef
		and p.proconfig is distinct from array['search_path=pg_catalog, pgdevstate, pg_temp']
$$, 'every function that runs with the owner''s rights has a search_path');
select is_empty($$
	select p.oid::regprocedure from pg_proc p
	cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
	where p.pronamespace = 'pgdevstate'::regnamespace and a.grantee = 0
$$, 'no function may be called by everybody');
select is_empty($$
	select c.relname from pg_class c
	cross join lateral aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
	where c.relnamespace = 'pgdevstate'::regnamespace and c.relkind in ('r', 'v', 'S') and a.grantee = 0
$$, 'no table may be used by everybody');
select is_empty($$
	select a.privilege_type from pg_namespace n
	cross join lateral aclexplode(n.nspacl) a
	where n.nspname = 'pgdevstate' and a.grantee = 0
$$, 'nor the schema');
select is_empty($$
	select c.relname::text from pg_class c
	where c.relnamespace = 'pgdevstate'::regnamespace and c.relowner <> 'pgdevstate_owner'::regrole
	union all
	select p.oid::regprocedure::text from pg_proc p
	where p.pronamespace = 'pgdevstate'::regnamespace and p.proowner <> 'pgdevstate_owner'::regrole
	union all
	select t.typname::text from pg_type t
	where t.typnamespace = 'pgdevstate'::regnamespace and t.typowner <> 'pgdevstate_owner'::regrole
$$, 'pgdevstate_owner owns everything');
select is_empty($$
	select c.conrelid::regclass || ' ' || c.conname from pg_constraint c
	where c.connamespace = 'pgdevstate'::regnamespace and c.conname ~ '_check\d*$'
$$, 'every constraint has a name that somebody chose');

select is_empty($$
	select c.conrelid::regclass || ' ' || c.conname from pg_constraint c
	where c.contype = 'c' and c.conrelid in ('pgdevstate.entity'::regclass, 'pgdevstate.heartbeat'::regclass,
		'pgdevstate.entity_device'::regclass, 'pgdevstate.entity_mailbox'::regclass, 'pgdevstate.change'::regclass)
$$, 'no check on a table that publish() writes: domains are read once, checks for each statement');

-- keys and indexes
select is_empty($$
	select c.relname from pg_class c
	where c.relnamespace = 'pgdevstate'::regnamespace and c.relkind = 'r'
		and c.relname not in ('migration', 'installed')
		and not exists (
			select from pg_index i
			join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
			where i.indrelid = c.oid and i.indisprimary and a.attname = 'site')
$$, 'the key of every table that says something of the cluster has a site');
select is_empty($$
	select i.indexrelid::regclass || ' ' || a.attname
	from pg_index i
	join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
	where i.indrelid in ('pgdevstate.entity_device'::regclass, 'pgdevstate.entity_mailbox'::regclass,
			'pgdevstate.heartbeat'::regclass, 'pgdevstate.entity'::regclass)
		and a.attname in ('state', 'seq', 'stamp', 'held', 'beat_at', 'alive', 'moved_at', 'reporting',
			'new_messages', 'old_messages', 'urgent_messages', 'session')
$$, 'no index on a column that changes, so that updates are HOT');

-- plpgsql_check, where it is installed
select exists (select from pg_extension where extname = 'plpgsql_check') as have_check \gset
\if :have_check
select is_empty($$
	select p.oid::regprocedure || ': ' || c.line
	from pg_proc p
	join pg_language l on l.oid = p.prolang and l.lanname = 'plpgsql'
	cross join lateral plpgsql_check_function(p.oid,
		case when p.prorettype = 'trigger'::regtype then 'pgdevstate.change'::regclass else 0 end) c(line)
	where p.pronamespace = 'pgdevstate'::regnamespace
		and c.line not like '%composite OUT variable "head" is not single argument'
$$, 'plpgsql_check finds nothing');
\else
select skip('plpgsql_check is not installed', 1);
\endif

select * from finish();
