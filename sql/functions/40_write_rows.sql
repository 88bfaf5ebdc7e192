-- Purpose: write rows of one entity and tell of what changed: one change in the journal, or
--          none where nothing changed. Shared by publish() and the functions of static
--          entities. The caller holds the head's lock, has checked who may write, and moves
--          the head to p_to_seq when this returns more than 0 (or p_tell).
--          A key that is twice in the batch: the last wins. Removing what is not there is no
--          change, unless forced. p_force: written and told even if equal. p_tell: told even
--          if no row changed (a flag of the head did).
--          Devices under policy latest go their own way, where there are such policies at all.
-- Reads:   policy.   Writes: entity_device, entity_mailbox, change.
-- Errors:  PD004 for illegal names, states, counts, nulls and arrays of different lengths.
create or replace function pgdevstate.write_rows(
	p_site smallint, p_entity_id macaddr, p_incarnation uuid, p_from_seq bigint, p_to_seq bigint,
	p_flags text, p_now timestamptz,
	p_devices text[], p_states int[], p_device_held boolean[], p_device_ages_us bigint[],
	p_mailboxes text[], p_contexts text[], p_urgent int[], p_new int[], p_old int[],
	p_mailbox_held boolean[], p_mailbox_ages_us bigint[], p_force boolean, p_tell boolean)
returns int
language plpgsql
as $$
declare
	v_toggles record;
	v_devices record;
	v_mailboxes record;
	v_changed int := 0;
	v_lines text := '';
begin
	if p_devices <> '{}' and exists (
		select from pgdevstate.policy p where p.site = p_site and p.kind = 'device' and p.policy = 'latest'
	) then
		v_toggles := pgdevstate.write_toggles(p_site, p_entity_id, p_to_seq, p_now, p_devices, p_states,
			p_device_held, p_device_ages_us, p_force);
		v_changed := v_toggles.changed;
		v_lines := v_toggles.lines;
		if v_toggles.written <> '{}' then
			select coalesce(pg_catalog.array_agg(u.device order by u.n), '{}'), coalesce(pg_catalog.array_agg(u.state order by u.n), '{}'),
				coalesce(pg_catalog.array_agg(u.held order by u.n), '{}'), coalesce(pg_catalog.array_agg(u.age_us order by u.n), '{}')
			into p_devices, p_states, p_device_held, p_device_ages_us
			from unnest(p_devices, p_states, p_device_held, p_device_ages_us) with ordinality as u(device, state, held, age_us, n)
			where u.device <> all (v_toggles.written);
		end if;
	end if;
	if p_devices <> '{}' or p_states <> '{}' then
		v_devices := pgdevstate.write_devices(p_site, p_entity_id, p_to_seq, p_now, p_devices, p_states,
			p_device_held, p_device_ages_us, p_force);
		v_changed := v_changed + v_devices.changed;
		v_lines := v_lines || v_devices.lines;
	end if;
	if p_mailboxes <> '{}' or p_contexts <> '{}' then
		v_mailboxes := pgdevstate.write_mailboxes(p_site, p_entity_id, p_to_seq, p_now, p_mailboxes, p_contexts,
			p_urgent, p_new, p_old, p_mailbox_held, p_mailbox_ages_us, p_force);
		v_changed := v_changed + v_mailboxes.changed;
		v_lines := v_lines || v_mailboxes.lines;
	end if;
	if v_changed > 0 or p_tell then
		perform pgdevstate.write_change(p_site, p_entity_id, p_incarnation, p_from_seq, p_to_seq, p_flags,
			p_now, v_lines);
	end if;
	return v_changed;
end
$$;
comment on function pgdevstate.write_rows(smallint, macaddr, uuid, bigint, bigint, text, timestamptz, text[], int[], boolean[], bigint[], text[], text[], int[], int[], int[], boolean[], bigint[], boolean, boolean) is
	'writes rows of one entity and one change to the journal, if anything changed; returns how many rows did';
