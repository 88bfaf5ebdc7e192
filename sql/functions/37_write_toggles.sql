-- Purpose: write those devices of a batch that are under policy latest; write_devices() gets the
--          rest. The last word wins, so that what counts is when it was said: the stamp.
--            a new word   its stamp is the clock less its age; where the device has a later stamp
--                         than the clock has (which went back), just behind that. It wins over
--                         whatever was said before it, and over nothing that was said later.
--            no news      the word that stands already, and nobody's newer one was said before
--                         this: the row keeps its stamp. So a word that is sent again because its
--                         answer was lost does not win anew.
--            again        the word that stands already, said after somebody else's newer one (the
--                         second press of a button): a new word, also where a third one was said
--                         since, because that may end (SQL's do).
--          p_force: written and told, an equal word keeps its stamp, and no stamp is moved behind
--          another. Of two at one moment the higher entity id's wins.
--          Rows of other entities are read without a lock: of two that write at one moment neither
--          sees the other, and their stamps decide, for all who read them.
-- Reads:   policy, site, entity_device.   Writes: entity_device.   Errors: PD004.
create or replace function pgdevstate.write_toggles(
	p_site smallint, p_entity_id macaddr, p_seq bigint, p_now timestamptz,
	p_devices text[], p_states int[], p_held boolean[], p_ages_us bigint[], p_force boolean,
	out changed int, out lines text, out written text[])
language plpgsql
as $$
declare
	v_word record;
	v_own record;
	v_other record;
	v_keeps boolean;
	v_stamp timestamptz;
begin
	perform pgdevstate.check_devices(p_devices, p_states, p_held, p_ages_us);
	changed := 0;
	lines := '';
	written := '{}'::text[];
	for v_word in
		select w.device, w.state, w.held,
			p_now - least(greatest(w.age_us, 0), 3000000000000000) * interval '1 microsecond' as said
		from (
			select distinct on (u.device) u.device, u.state, u.held, u.age_us
			from unnest(p_devices, p_states, p_held, p_ages_us) with ordinality as u(device, state, held, age_us, n)
			order by u.device, u.n desc
		) w
		where w.state >= 0 and pgdevstate.policy_of('device', w.device) = 'latest'
	loop
		written := written || v_word.device;
		select d.state = v_word.state and d.held = v_word.held as same, d.stamp into v_own
		from pgdevstate.entity_device d
		where d.site = p_site and d.entity_id = p_entity_id and d.device = v_word.device;
		select max(d.stamp) as stamp,
			bool_or((d.stamp, d.entity_id::macaddr) > (v_own.stamp, p_entity_id)
				and (d.stamp < v_word.said or d.stamp > p_now)) as was_before
		into v_other
		from pgdevstate.entity_device d
		where d.device = v_word.device and d.site = p_site and d.entity_id <> p_entity_id;
		v_keeps := v_own.same and (p_force or v_other.was_before is not true);
		continue when v_keeps and not p_force;
		v_stamp := case
			when v_keeps then v_own.stamp
			when not p_force and greatest(v_own.stamp, v_other.stamp) > p_now then
				greatest(v_own.stamp, v_other.stamp) + interval '1 microsecond'
			else v_word.said
		end;
		insert into pgdevstate.entity_device as t (site, entity_id, device, state, held, stamp, seq)
		values (p_site, p_entity_id, v_word.device, v_word.state, v_word.held, v_stamp, p_seq)
		on conflict (site, entity_id, device) do update
		set state = excluded.state, held = excluded.held, stamp = excluded.stamp, seq = excluded.seq;
		changed := changed + 1;
		lines := lines || e'D\t' || v_word.state || case when v_word.held then e'\th\t' else e'\t-\t' end
			|| (date_part('epoch', p_now - v_stamp) * 1000000)::bigint || e'\t' || v_word.device || e'\n';
	end loop;
end
$$;
comment on function pgdevstate.write_toggles(smallint, macaddr, bigint, timestamptz, text[], int[], boolean[], bigint[], boolean) is
	'writes the devices of a batch that are under policy latest; how many changed, the lines that tell, and which they are';
