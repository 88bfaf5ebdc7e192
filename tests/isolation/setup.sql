-- What the specs call: the node's functions with few arguments and answers without uuids and pids.
-- Entities are "one" and "two"; a run is a number.
update pgdevstate.site set channel = 'pgdevstate_iso' where is_here;
create schema iso;
create table iso.token (name text primary key, session uuid);

create function iso.id(p_name text) returns macaddr language sql as
	$$ select case p_name when 'one' then macaddr '02:00:00:00:00:01' else '02:00:00:00:00:02' end $$;
create function iso.run(p_run int) returns uuid language sql as
	$$ select ('00000000-0000-4000-8000-' || lpad(p_run::text, 12, '0'))::uuid $$;
create function iso.empty() returns void language sql as $$
	delete from iso.token;
	delete from pgdevstate.entity_device;
	delete from pgdevstate.change;
	delete from pgdevstate.entity;
	update pgdevstate.coordinator set token = null, entity_id = null, renewed_at = '-infinity',
		reaped_at = '-infinity', pulse = 0
$$;

create function iso.register(p_name text, p_run int default 1) returns text
language plpgsql set client_min_messages = error as $$
declare
	v record;
begin
	select * into v from pgdevstate.register(iso.id(p_name), iso.run(p_run), p_name, 'host' || p_run, 1, '', '1', 3600000);
	insert into iso.token select p_name, v.session where v.session is not null
	on conflict (name) do update set session = excluded.session;
	return format('%s, seq %s%s', v.outcome, v.seq, ', held by ' || v.holder_host);
end
$$;
create function iso.resume(p_name text, p_acked_seq bigint) returns text
language plpgsql set client_min_messages = error as $$
declare
	v record;
begin
	select * into v from pgdevstate.resume(iso.id(p_name), iso.run(1), p_acked_seq, p_name, 'host1', 1, '');
	-- the token is not kept: what the old session still asks has the old one
	return format('%s, seq %s', v.outcome, v.seq);
end
$$;
create function iso.publish(p_name text, p_device text, p_state int, p_force boolean default false) returns text
language sql set client_min_messages = error as $$
	select format('seq %s, %s changed', p.seq, p.changed)
	from iso.token t, pgdevstate.publish(iso.id(p_name), iso.run(1), t.session, array[p_device], array[p_state],
		array[false], array[0::bigint], '{}', '{}', '{}', '{}', '{}', '{}', '{}', p_force) p
	where t.name = p_name
$$;
create function iso.publish_device(p_name text, p_device text, p_state int) returns text
language sql set client_min_messages = error as $$
	select format('seq %s, %s changed', p.seq, p.changed)
	from iso.token t, pgdevstate.publish_device(iso.id(p_name), iso.run(1), t.session, p_device, p_state, false, 0) p
	where t.name = p_name
$$;
create function iso.tick(p_name text) returns text
language sql set client_min_messages = error as $$
	-- somebody has looked all the time, however slow this machine is
	update pgdevstate.coordinator set reaped_at = clock_timestamp();
	select format('pulse %s, reaped %s', p.pulse, p.reaped)
	from iso.token t, pgdevstate.tick(iso.id(p_name), iso.run(1), t.session, null) p
	where t.name = p_name
$$;
-- a run that was and is over: its rows are there, nobody holds the lease
create function iso.was(p_name text) returns text language sql as $$
	select iso.register(p_name, 9);
	update pgdevstate.heartbeat set alive = false where entity_id = iso.id(p_name);
	select 'was'
$$;
create function iso.make_late(p_name text) returns void language sql as
	$$ update pgdevstate.heartbeat set beat_at = beat_at - interval '2 hours' where entity_id = iso.id(p_name) $$;

create view iso.head as
	select e.name, e.seq, h.alive from pgdevstate.entity e join pgdevstate.heartbeat h using (site, entity_id) order by 1;
create view iso.change as
	select e.name, c.from_seq, c.to_seq from pgdevstate.change c join pgdevstate.entity e using (site, entity_id) order by 1, 3;
create view iso.row as
	select e.name, d.* from pgdevstate.entity e, lateral (
		select r.device, r.state from pgdevstate.entity_device r where r.site = e.site and r.entity_id = e.entity_id) d
	order by 1, 2;

-- Another text of a function of ours. Where it is not as it was thought to be, that is an error.
create function iso.change_function(p_function text, p_from text, p_to text) returns void
language plpgsql as $$
declare
	v_was text := pg_get_functiondef(('pgdevstate.' || p_function)::regproc);
begin
	if strpos(v_was, p_from) = 0 then
		raise exception '% has no: %', p_function, p_from;
	end if;
	execute replace(v_was, p_from, p_to);
end
$$;

-- A place where the reaper can be made to wait: between looking for who is late and locking it.
create function iso.stop() returns void language sql as $$ select pg_advisory_lock(77) $$;
create function iso.go() returns void language sql as $$ select pg_advisory_unlock(77) $$;
select iso.change_function('tick_reap', '		select e.* into v_head', '		perform pg_advisory_xact_lock_shared(77);
		select e.* into v_head');
