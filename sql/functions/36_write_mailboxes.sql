-- Purpose: write a batch of mailboxes of one entity, as write_devices does devices.
-- Reads:   -.   Writes: entity_mailbox.   Errors: PD004.
create or replace function pgdevstate.write_mailboxes(
	p_site smallint, p_entity_id macaddr, p_seq bigint, p_now timestamptz,
	p_mailboxes text[], p_contexts text[], p_urgent int[], p_new int[], p_old int[], p_held boolean[],
	p_ages_us bigint[], p_force boolean,
	out changed int, out lines text)
language plpgsql
as $$
declare
	v_row record;
	v_put record;
	v_gone text[] := '{}'::text[];
begin
	perform pgdevstate.check_mailboxes(p_mailboxes, p_contexts, p_urgent, p_new, p_old, p_held, p_ages_us);
	with input as (
		select distinct on (u.mailbox, u.context) u.mailbox, u.context, u.urgent, u.new, u.old, u.held,
			p_now - least(greatest(u.age_us, 0), 3000000000000000) * interval '1 microsecond' as stamp
		from unnest(p_mailboxes, p_contexts, p_urgent, p_new, p_old, p_held, p_ages_us)
			with ordinality as u(mailbox, context, urgent, new, old, held, age_us, n)
		order by u.mailbox, u.context, u.n desc
	), put as (
		insert into pgdevstate.entity_mailbox as t (site, entity_id, mailbox, context,
			urgent_messages, new_messages, old_messages, held, stamp, seq)
		select p_site, p_entity_id, i.mailbox, i.context, i.urgent, i.new, i.old, i.held, i.stamp, p_seq
		from input i
		where i.urgent >= 0
		on conflict (site, entity_id, mailbox, context) do update
		set urgent_messages = excluded.urgent_messages, new_messages = excluded.new_messages,
			old_messages = excluded.old_messages, held = excluded.held, stamp = excluded.stamp, seq = excluded.seq
		where t.new_messages <> excluded.new_messages or t.old_messages <> excluded.old_messages
			or t.urgent_messages <> excluded.urgent_messages or t.held <> excluded.held or p_force
		returning t.*
	)
	select pg_catalog.count(*) as n, pg_catalog.string_agg(pg_catalog.concat_ws(e'\t', 'M', p.urgent_messages,
		p.new_messages, p.old_messages, case when p.held then 'h' else '-' end,
		(date_part('epoch', p_now - p.stamp) * 1000000)::bigint, p.mailbox, p.context) || e'\n', '') as lines
	into v_put
	from put p;
	changed := v_put.n;
	lines := coalesce(v_put.lines, '');
	if -1 <> all (p_urgent) then
		return;
	end if;
	for v_row in
		select u.mailbox, u.context, greatest(least(u.age_us, 3000000000000000), 0) as age_us
		from (
			select distinct on (a.mailbox, a.context) a.mailbox, a.context, a.urgent, a.age_us
			from unnest(p_mailboxes, p_contexts, p_urgent, p_ages_us)
				with ordinality as a(mailbox, context, urgent, age_us, n)
			order by a.mailbox, a.context, a.n desc
		) u
		where u.urgent = -1
	loop
		delete from pgdevstate.entity_mailbox t
		where t.site = p_site and t.entity_id = p_entity_id and t.mailbox = v_row.mailbox
			and t.context = v_row.context;
		if found or p_force then
			changed := changed + 1;
			v_gone := v_gone || (pg_catalog.concat_ws(e'\t', 'm', v_row.age_us, v_row.mailbox, v_row.context) || e'\n');
		end if;
	end loop;
	lines := lines || pg_catalog.array_to_string(v_gone, '');
end
$$;
comment on function pgdevstate.write_mailboxes(smallint, macaddr, bigint, timestamptz, text[], text[], int[], int[], int[], boolean[], bigint[], boolean) is
	'writes a batch of mailboxes of one entity; how many changed, and the lines that tell';
