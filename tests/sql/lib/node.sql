-- For the tests: nodes that register and publish in one line each. Include it with \ir.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
set client_min_messages = warning;

create temp table node (
	name text primary key,
	id macaddr not null,
	incarnation uuid,
	session uuid,
	token uuid
);
insert into node (name, id) values
	('a', '02:00:00:00:00:0a'), ('b', '02:00:00:00:00:0b'), ('c', '02:00:00:00:00:0c'), ('x', '02:00:00:00:00:99');

create function pg_temp.id(p_name text) returns macaddr
language sql as $$ select n.id from pg_temp.node n where n.name = p_name $$;
create function pg_temp.incarnation(p_name text) returns uuid
language sql as $$ select n.incarnation from pg_temp.node n where n.name = p_name $$;

-- register a new run; it is kept unless refused
create function pg_temp.begin_run(p_name text, p_host text default null, p_boot text default 'boot', p_lease_ms int default 10000,
	p_built_for int default 1)
returns text language plpgsql as $$
declare
	v_new uuid := gen_random_uuid();
	v_got record;
begin
	select r.* into v_got
	from pgdevstate.register(pg_temp.id(p_name), v_new, 'server_' || p_name, coalesce(p_host, 'host_' || p_name), 42,
		p_boot, '1.0', p_lease_ms, p_built_for => p_built_for) r;
	if v_got.outcome = 'registered' then
		update pg_temp.node n set incarnation = v_new, session = v_got.session where n.name = p_name;
	end if;
	return v_got.outcome;
end
$$;

-- resume with an acknowledged seq; the session is kept when there is one
create function pg_temp.resume(p_name text, p_acked bigint)
returns text language plpgsql as $$
declare
	v_got record;
begin
	select r.* into v_got
	from pgdevstate.resume(pg_temp.id(p_name), pg_temp.incarnation(p_name), p_acked, 'server_' || p_name,
		'host_' || p_name, 42, 'boot') r;
	if v_got.session is not null then
		update pg_temp.node n set session = v_got.session where n.name = p_name;
	end if;
	return v_got.outcome || ' ' || coalesce(v_got.seq::text, 'null')
		|| case when v_got.session is null then ' no session' else '' end;
end
$$;

-- publish devices: "seq changed"
create function pg_temp.say(p_name text, p_devices text[], p_states int[], p_force boolean default false,
	p_reporting boolean default null, p_held boolean default false)
returns text language sql as $$
	select r.seq || ' ' || r.changed
	from pg_temp.node n
	cross join lateral pgdevstate.publish(n.id, n.incarnation, n.session,
		p_devices, p_states, array_fill(p_held, array[cardinality(p_devices)]), array_fill(0::bigint, array[cardinality(p_devices)]),
		'{}', '{}', '{}', '{}', '{}', '{}', '{}', p_force, p_reporting) r
	where n.name = p_name
$$;

-- publish mailboxes, given as mailbox, context, urgent, new, old: "seq changed"
create function pg_temp.mail(p_name text, p_mailboxes text[], p_contexts text[], p_urgent int[], p_new int[], p_old int[],
	p_force boolean default false, p_held boolean default false)
returns text language sql as $$
	select r.seq || ' ' || r.changed
	from pg_temp.node n
	cross join lateral pgdevstate.publish(n.id, n.incarnation, n.session, '{}', '{}', '{}', '{}',
		p_mailboxes, p_contexts, p_urgent, p_new, p_old, array_fill(p_held, array[cardinality(p_mailboxes)]),
		array_fill(0::bigint, array[cardinality(p_mailboxes)]), p_force) r
	where n.name = p_name
$$;

create function pg_temp.beat(p_name text) returns text
language sql as $$ select pg_temp.say(p_name, '{}', '{}') $$;

-- seq, flags of the head, as "seq flags"
create function pg_temp.head(p_name text) returns text
language sql as $$
	select e.seq || ' ' || pgdevstate.head_flags(h.alive, e.reporting)
	from pgdevstate.entity e
	join pgdevstate.heartbeat h using (site, entity_id)
	where e.entity_id = pg_temp.id(p_name)
$$;

-- the journal's newest change of an entity: from to chunk/chunks flags, then the lines without ages
create function pg_temp.told(p_id macaddr) returns text
language sql as $$
	select string_agg(concat_ws(' ', f[6], f[7], f[8] || '/' || f[9], f[10], nullif(f[11] || ' ' || f[12], '- 0')) || e'\n'
		|| regexp_replace(regexp_replace(substr(c.payload, strpos(c.payload, e'\n') + 1),
			'^((?:D\t\d+\t.|d|M\t\d+\t\d+\t\d+\t.|m)\t)\d+', '\1age', 'gn'), '^(E\t.*\t)\d+$', '\1since', 'n'), '' order by c.chunk)
	from pgdevstate.change c
	cross join lateral (select string_to_array(split_part(c.payload, e'\n', 1), e'\t') as f) h
	where c.entity_id = p_id and c.to_seq = (select max(m.to_seq) from pgdevstate.change m where m.entity_id = p_id)
$$;
create function pg_temp.told(p_name text) returns text
language sql as $$ select pg_temp.told(pg_temp.id(p_name)) $$;

-- how long ago was the last sign of life: set it
create function pg_temp.age_beat(p_name text, p_age interval) returns void
language sql as $$
	update pgdevstate.heartbeat set beat_at = clock_timestamp() - p_age where entity_id = pg_temp.id(p_name)
$$;

-- tick as that node, with its token, which is kept: "pulse reaped", or "no" when it is not the coordinator
create function pg_temp.tick(p_name text) returns text
language plpgsql as $$
declare
	v_got record;
begin
	select t.* into v_got
	from pg_temp.node n
	cross join lateral pgdevstate.tick(n.id, n.incarnation, n.session, n.token) t
	where n.name = p_name;
	update pg_temp.node n set token = v_got.token where n.name = p_name;
	return case when v_got.token is null then 'no' else v_got.pulse || ' ' || v_got.reaped end;
end
$$;

-- the plan of a query, line by line
create function pg_temp.plan(p_query text) returns setof text
language plpgsql as $$
begin
	return query execute 'explain (costs off) ' || p_query;
end
$$;

-- the rows of a query as text, a line each: comparing records of columns with several
-- collations is an error
create function pg_temp.rows(p_query text) returns text
language plpgsql as $$
declare
	v_rows text;
begin
	execute format('select string_agg(r::text, e''\n'') from (%s) r', p_query) into v_rows;
	return v_rows;
end
$$;

-- a way into this database for dblink
create function pg_temp.conninfo() returns text
language sql as $$
	select format('dbname=%L host=%L port=%s user=%L', current_database(),
		split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_user)
$$;
