-- Purpose: a node says its devices and mailboxes, a batch at a time; empty arrays are a beat.
--          Locks the head, then the heartbeat; counts as a beat. seq moves by one when
--          anything changed, was forced, or p_reporting differs from the head's flag.
-- Reads:   site.   Writes: entity, heartbeat, entity_device, entity_mailbox, change.
-- Errors:  PD001 not this incarnation or session; PD002 reaped; PD003 another role's entity;
--          PD004 bad batch.
create or replace function pgdevstate.publish(
	p_entity_id macaddr, p_incarnation uuid, p_session uuid,
	p_devices text[], p_states int[], p_device_held boolean[], p_device_ages_us bigint[],
	p_mailboxes text[], p_contexts text[], p_urgent int[], p_new int[], p_old int[],
	p_mailbox_held boolean[], p_mailbox_ages_us bigint[],
	p_force boolean default false, p_reporting boolean default null,
	out seq bigint, out clock_us bigint, out changed int)
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	v_head pgdevstate.entity;
	v_now timestamptz;
	v_tell boolean;
begin
	perform pgdevstate.commit_local();
	v_head := pgdevstate.head_lock(p_entity_id, p_incarnation, p_session);
	v_now := pg_catalog.clock_timestamp();
	update pgdevstate.heartbeat
	set beat_at = v_now,
		steady_since = case when v_now between beat_at and beat_at + pgdevstate.beat_gap(lease_ms)
			then steady_since else v_now end
	where site = v_head.site and entity_id = p_entity_id and alive;
	if not found then
		raise exception using errcode = 'PD002',
			message = pg_catalog.format('lease lost: entity %s gave no sign of life in time and was declared dead', p_entity_id),
			hint = 'Resume.';
	end if;
	clock_us := pgdevstate.clock_us(v_now);
	changed := 0;
	v_tell := p_reporting is not null and p_reporting <> v_head.reporting;
	seq := v_head.seq;
	if v_tell or p_devices <> '{}' or p_states <> '{}' or p_mailboxes <> '{}' or p_contexts <> '{}' then
		changed := pgdevstate.write_rows(v_head.site, p_entity_id, p_incarnation, seq, seq + 1,
			case when coalesce(p_reporting, v_head.reporting) then 'ar' else 'a' end, v_now,
			p_devices, p_states, p_device_held, p_device_ages_us,
			p_mailboxes, p_contexts, p_urgent, p_new, p_old, p_mailbox_held, p_mailbox_ages_us,
			coalesce(p_force, false), v_tell);
	end if;
	if changed > 0 or v_tell then
		seq := seq + 1;
		update pgdevstate.entity
		set seq = v_head.seq + 1, moved_at = v_now, unconfirmed = 0,
			reporting = coalesce(p_reporting, reporting)
		where site = v_head.site and entity_id = p_entity_id;
	elsif v_head.unconfirmed > 0 then
		update pgdevstate.entity set unconfirmed = 0
		where site = v_head.site and entity_id = p_entity_id;
	end if;
end
$$;
comment on function pgdevstate.publish(macaddr, uuid, uuid, text[], int[], boolean[], bigint[], text[], text[], int[], int[], int[], boolean[], bigint[], boolean, boolean) is
	'a node says a batch of its devices and mailboxes (state or urgent -1 removes); empty arrays are a beat';
