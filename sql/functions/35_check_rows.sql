-- Purpose: is a batch of devices, or of mailboxes, legal? Says what is not.
-- Reads:   nothing.   Writes: nothing.
-- Errors:  PD004: arrays of different lengths, nulls, illegal names, states or counts.
create or replace function pgdevstate.check_devices(
	p_devices text[], p_states int[], p_held boolean[], p_ages_us bigint[])
returns void
language plpgsql immutable
as $$
declare
	v_n int := pg_catalog.cardinality(p_devices);
	v_bad record;
begin
	if v_n is distinct from pg_catalog.cardinality(p_states) or v_n is distinct from pg_catalog.cardinality(p_held)
		or v_n is distinct from pg_catalog.cardinality(p_ages_us) then
		raise exception using errcode = 'PD004',
			message = pg_catalog.format('arrays of different lengths: %s devices, %s states, %s held, %s ages', v_n,
				coalesce(pg_catalog.cardinality(p_states), 0), coalesce(pg_catalog.cardinality(p_held), 0),
				coalesce(pg_catalog.cardinality(p_ages_us), 0));
	end if;
	if v_n = 1 and p_states[1] between -1 and 8 and p_held[1] is not null and p_ages_us[1] is not null
		and pg_catalog.octet_length(p_devices[1]) between 1 and 255
		and p_devices[1] collate "C" !~ '[\u0001-\u001f\u007f-\u009f]' then
		return; -- the usual case, quickly
	end if;
	select u.* into v_bad
	from unnest(p_devices, p_states, p_held, p_ages_us) as u(device, state, held, age_us)
	where u.state not between -1 and 8 or u.state is null or u.held is null or u.age_us is null
		or u.device is null or pg_catalog.octet_length(u.device) not between 1 and 255
	limit 1;
	if not found and pg_catalog.array_to_string(p_devices, '') collate "C" !~ '[\u0001-\u001f\u007f-\u009f]' then
		return; -- one regular expression for all is six times faster than one for each
	end if;
	perform pgdevstate.check_names('device', p_devices);
	raise exception using errcode = 'PD004',
		message = pg_catalog.format('device "%s": state %s, held %s, age %s', v_bad.device,
			coalesce(v_bad.state::text, 'null'), coalesce(v_bad.held::text, 'null'), coalesce(v_bad.age_us::text, 'null')),
		detail = 'A state is 0 to 8, or -1 to remove the device; none of them is null.';
end
$$;
comment on function pgdevstate.check_devices(text[], int[], boolean[], bigint[]) is
	'refuses an illegal batch of devices with error PD004';

create or replace function pgdevstate.check_mailboxes(
	p_mailboxes text[], p_contexts text[], p_urgent int[], p_new int[], p_old int[],
	p_held boolean[], p_ages_us bigint[])
returns void
language plpgsql immutable
as $$
declare
	v_n int := pg_catalog.cardinality(p_mailboxes);
	v_bad record;
begin
	if exists (
		select from (values (pg_catalog.cardinality(p_contexts)), (pg_catalog.cardinality(p_urgent)),
			(pg_catalog.cardinality(p_new)), (pg_catalog.cardinality(p_old)), (pg_catalog.cardinality(p_held)),
			(pg_catalog.cardinality(p_ages_us))) as c(n)
		where c.n is distinct from v_n
	) then
		raise exception using errcode = 'PD004',
			message = pg_catalog.format('arrays of different lengths: %s mailboxes, %s contexts, %s urgent, %s new, %s old, %s held, %s ages',
				v_n, coalesce(pg_catalog.cardinality(p_contexts), 0), coalesce(pg_catalog.cardinality(p_urgent), 0),
				coalesce(pg_catalog.cardinality(p_new), 0), coalesce(pg_catalog.cardinality(p_old), 0),
				coalesce(pg_catalog.cardinality(p_held), 0), coalesce(pg_catalog.cardinality(p_ages_us), 0));
	end if;
	perform pgdevstate.check_names('mailbox', p_mailboxes);
	perform pgdevstate.check_names('context', p_contexts);
	select u.* into v_bad
	from unnest(p_mailboxes, p_contexts, p_urgent, p_new, p_old, p_held, p_ages_us)
		as u(mailbox, context, urgent, new, old, held, age_us)
	where (u.urgent = -1 or (u.urgent between 0 and 1000000 and u.new between 0 and 1000000
		and u.old between 0 and 1000000)) is not true or u.held is null or u.age_us is null
	limit 1;
	if found then
		raise exception using errcode = 'PD004',
			message = pg_catalog.format('mailbox "%s@%s": urgent %s, new %s, old %s, held %s, age %s', v_bad.mailbox,
				v_bad.context, coalesce(v_bad.urgent::text, 'null'), coalesce(v_bad.new::text, 'null'),
				coalesce(v_bad.old::text, 'null'), coalesce(v_bad.held::text, 'null'),
				coalesce(v_bad.age_us::text, 'null')),
			detail = 'Counts are 0 to 1000000 (urgent -1 removes the mailbox); none of them is null.';
	end if;
end
$$;
comment on function pgdevstate.check_mailboxes(text[], text[], int[], int[], int[], boolean[], bigint[]) is
	'refuses an illegal batch of mailboxes with error PD004';
