-- Purpose: write rows of one entity and tell of what changed: one change in the journal, or
--          none where nothing changed. Shared by publish() and the functions of static
--          entities. The caller holds the head's lock, has checked who may write, and moves
--          the head to p_to_seq when this returns more than 0 (or p_tell).
--          A key that is twice in the batch: the last wins. Removing what is not there is no
--          change, unless forced. p_force: written and told even if equal. p_tell: told even
--          if no row changed (a flag of the head did).
-- Reads:   -.   Writes: entity_device, entity_mailbox, change.
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
	v_changed int := 0;
	v_more int;
	v_lines text;
	v_more_lines text;
begin
	if p_devices <> '{}' or p_states <> '{}' then
		perform pgdevstate.check_devices(p_devices, p_states, p_device_held, p_device_ages_us);
		with input as materialized (
			select distinct on (u.device) u.device, u.state, u.held,
				greatest(least(u.age_us, 3000000000000000), 0) as age_us
			from unnest(p_devices, p_states, p_device_held, p_device_ages_us)
				with ordinality as u(device, state, held, age_us, n)
			order by u.device, u.n desc
		), put as (
			insert into pgdevstate.entity_device as t (site, entity_id, device, state, held, stamp, seq)
			select p_site, p_entity_id, i.device, i.state, i.held,
				p_now - i.age_us * interval '1 microsecond', p_to_seq
			from input i
			where i.state >= 0
			on conflict (site, entity_id, device) do update
			set state = excluded.state, held = excluded.held, stamp = excluded.stamp, seq = excluded.seq
			where t.state <> excluded.state or t.held <> excluded.held or p_force
			returning t.device, t.state, t.held, t.stamp
		), gone as (
			delete from pgdevstate.entity_device t
			using input i
			where i.state = -1 and t.site = p_site and t.entity_id = p_entity_id and t.device = i.device
			returning t.device
		), told as (
			select 'D' || e'\t' || p.state || case when p.held then e'\th\t' else e'\t-\t' end
				|| (date_part('epoch', p_now - p.stamp) * 1000000)::bigint || e'\t' || p.device || e'\n' as line
			from put p
			union all
			select 'd' || e'\t' || i.age_us || e'\t' || i.device || e'\n'
			from input i
			where i.state = -1 and (p_force or i.device in (select g.device from gone g))
		)
		select pg_catalog.count(*), pg_catalog.string_agg(l.line, '') into v_changed, v_lines from told l;
	end if;
	if p_mailboxes <> '{}' or p_contexts <> '{}' then
		perform pgdevstate.check_mailboxes(p_mailboxes, p_contexts, p_urgent, p_new, p_old,
			p_mailbox_held, p_mailbox_ages_us);
		with input as materialized (
			select distinct on (u.mailbox, u.context) u.mailbox, u.context, u.urgent, u.new, u.old, u.held,
				greatest(least(u.age_us, 3000000000000000), 0) as age_us
			from unnest(p_mailboxes, p_contexts, p_urgent, p_new, p_old, p_mailbox_held, p_mailbox_ages_us)
				with ordinality as u(mailbox, context, urgent, new, old, held, age_us, n)
			order by u.mailbox, u.context, u.n desc
		), put as (
			insert into pgdevstate.entity_mailbox as t (site, entity_id, mailbox, context,
				urgent_messages, new_messages, old_messages, held, stamp, seq)
			select p_site, p_entity_id, i.mailbox, i.context, i.urgent, i.new, i.old, i.held,
				p_now - i.age_us * interval '1 microsecond', p_to_seq
			from input i
			where i.urgent >= 0
			on conflict (site, entity_id, mailbox, context) do update
			set urgent_messages = excluded.urgent_messages, new_messages = excluded.new_messages,
				old_messages = excluded.old_messages, held = excluded.held, stamp = excluded.stamp,
				seq = excluded.seq
			where t.new_messages <> excluded.new_messages or t.old_messages <> excluded.old_messages
				or t.urgent_messages <> excluded.urgent_messages or t.held <> excluded.held or p_force
			returning t.*
		), gone as (
			delete from pgdevstate.entity_mailbox t
			using input i
			where i.urgent = -1 and t.site = p_site and t.entity_id = p_entity_id
				and t.mailbox = i.mailbox and t.context = i.context
			returning t.mailbox, t.context
		), told as (
			select pg_catalog.concat_ws(e'\t', 'M', p.urgent_messages, p.new_messages, p.old_messages,
				case when p.held then 'h' else '-' end, (date_part('epoch', p_now - p.stamp) * 1000000)::bigint,
				p.mailbox, p.context) || e'\n' as line
			from put p
			union all
			select pg_catalog.concat_ws(e'\t', 'm', i.age_us, i.mailbox, i.context) || e'\n'
			from input i
			where i.urgent = -1 and (p_force
				or (i.mailbox, i.context) in (select g.mailbox, g.context from gone g))
		)
		select pg_catalog.count(*), pg_catalog.string_agg(l.line, '') into v_more, v_more_lines from told l;
		v_changed := v_changed + v_more;
		v_lines := pg_catalog.concat(v_lines, v_more_lines);
	end if;
	if v_changed > 0 or p_tell then
		perform pgdevstate.write_change(p_site, p_entity_id, p_incarnation, p_from_seq, p_to_seq, p_flags,
			p_now, coalesce(v_lines, ''));
	end if;
	return v_changed;
end
$$;
comment on function pgdevstate.write_rows(smallint, macaddr, uuid, bigint, bigint, text, timestamptz, text[], int[], boolean[], bigint[], text[], text[], int[], int[], int[], boolean[], bigint[], boolean, boolean) is
	'writes rows of one entity and one change to the journal, if anything changed; returns how many rows did';
