-- Purpose: a node that lost its connection goes on with the same run.
--            resumed   the database is where the node's last acknowledged publish left it, or
--                      one further (the one whose answer was lost)
--            rewound   the database is behind: it lost what it had acknowledged. Register with
--                      p_continues and this answer's session and seq
--            refused   another run holds the lease; says who
--            lost      nobody holds it, but it is not this run's: register anew
--          A run that was reaped meanwhile and resumes is alive again; that moves seq by one,
--          counted in "unconfirmed" until the node publishes or beats: the node may not have
--          got the answer. So what it acknowledged lies between the seq without those (less one
--          for the publish in flight) and the seq with them. Only "resumed" moves seq, so it
--          never grows over what was lost.
--          A run that is "lost" though the head is its own gives up the head, so that its
--          next run is not refused by its own ghost.
-- Reads:   site, pg_stat_activity.   Writes: entity, heartbeat, change; ends the old session.
-- Errors:  PD003 another role's entity; PD004 illegal words; PD005 the id is a static entity's.
create or replace function pgdevstate.resume(
	p_entity_id macaddr, p_incarnation uuid, p_acked_seq bigint, p_name text, p_host text, p_pid int, p_boot_id text,
	out outcome text, out session uuid, out channel text, out site int, out seq bigint, out clock_us bigint,
	out lease_ms int, out holder_name text, out holder_host text, out holder_pid int,
	out holder_since timestamptz, out holder_beat_age_ms bigint)
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	v_lease record;
	v_now pgdevstate.entity;
	v_base bigint;
begin
	perform pgdevstate.commit_local();
	perform pgdevstate.lease_check(p_entity_id, p_incarnation, p_name, p_host, p_pid, p_boot_id, '', 1000);
	select s.site, s.channel into site, channel from pgdevstate.site s where s.is_here;
	clock_us := pgdevstate.clock_us(pg_catalog.clock_timestamp());
	v_lease := pgdevstate.lease_holder(p_entity_id, p_host, p_boot_id);
	v_now := v_lease.head;
	v_base := v_now.seq - v_now.unconfirmed;
	seq := v_now.seq;
	select h.lease_ms into lease_ms
	from pgdevstate.heartbeat h
	where h.site = v_now.site and h.entity_id = p_entity_id;
	-- a run that left has no session; only a reaped one comes back. Without a heartbeat, its lease is not known
	if (v_now.incarnation = p_incarnation and v_now.session is not null and v_base <= p_acked_seq + 1
		and v_lease.alive is not null) is not true then
		outcome := 'lost';
		if v_now.incarnation = p_incarnation then
			perform pgdevstate.lease_end(v_now);
		elsif v_lease.holds then
			outcome := 'refused';
			holder_name := v_now.name;
			holder_host := v_now.host;
			holder_pid := v_now.pid;
			holder_since := v_now.registered_at;
			holder_beat_age_ms := (date_part('epoch', pg_catalog.clock_timestamp() - v_lease.beat_at) * 1000)::bigint;
		end if;
		return;
	end if;
	outcome := case when v_now.seq >= p_acked_seq then 'resumed' else 'rewound' end;
	v_now.name := p_name;
	v_now.host := p_host;
	v_now.pid := p_pid;
	v_now.boot_id := p_boot_id;
	v_now.session := pg_catalog.gen_random_uuid();
	if outcome = 'resumed' and not v_lease.alive then
		v_now.seq := v_now.seq + 1;
		v_now.unconfirmed := v_now.unconfirmed + 1;
	end if;
	perform pgdevstate.lease_begin(v_lease.head, v_now, null, '', null, null);
	session := v_now.session;
	seq := v_now.seq;
end
$$;
comment on function pgdevstate.resume(macaddr, uuid, bigint, text, text, int, text) is
	'a node that lost its connection goes on with the same run: resumed, rewound, refused or lost';
