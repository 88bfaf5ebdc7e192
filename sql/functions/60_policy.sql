-- Purpose: change policies. For administrators.
--              select pgdevstate.set_policy('device', 'Custom:*', 'latest');
--              select pgdevstate.clear_policy('device', 'Custom:*');
--
-- policies_changed: a new version of them, and all nodes are told. It is at least the clock, so
-- that it is another one also where the database was rewound. The first policy shuts out nodes
-- that know of none: they would add up what they should not.
-- Reads: -. Writes: site, installed; notifies. Errors: none.
create or replace function pgdevstate.policies_changed()
returns void
language plpgsql
as $$
declare
	v_site record;
begin
	update pgdevstate.site s
	set policy_version = greatest(s.policy_version + 1, pgdevstate.clock_us(pg_catalog.clock_timestamp()))
	where s.is_here
	returning s.site, s.channel, s.policy_version into v_site;
	update pgdevstate.installed i set oldest_node = 3 where i.oldest_node < 3;
	perform pg_catalog.pg_notify(v_site.channel, pgdevstate.policies_header(v_site.site, v_site.policy_version));
end
$$;
comment on function pgdevstate.policies_changed() is 'gives the policies a new version and tells the nodes';

-- policy_check: is it a legal policy?
-- Reads: -. Writes: -. Errors: PD004.
create or replace function pgdevstate.policy_check(p_kind text, p_pattern text, p_policy text)
returns void
language plpgsql
as $$
declare
	v_legal text[] := case p_kind when 'device' then array['aggregate', 'latest', 'local']
		when 'mailbox' then array['latest', 'sum', 'max'] end;
begin
	if v_legal is null then
		raise exception using errcode = 'PD004',
			message = pg_catalog.format('%s is no kind of key', coalesce(pg_catalog.to_json(pg_catalog.left(p_kind, 300))::text, 'null')),
			hint = 'Kinds are device and mailbox.';
	end if;
	perform pgdevstate.check_names('pattern', array[p_pattern]);
	if p_kind = 'mailbox' and p_pattern !~ '[@*]' then
		raise exception using errcode = 'PD004',
			message = pg_catalog.format('pattern %s matches no mailbox', pg_catalog.to_json(p_pattern)),
			hint = 'A mailbox''s pattern is MAILBOX@CONTEXT, as 1*@default.';
	end if;
	if (p_policy = any (v_legal)) is not true then
		raise exception using errcode = 'PD004',
			message = pg_catalog.format('%s is no policy of a %s', coalesce(pg_catalog.to_json(pg_catalog.left(p_policy, 300))::text, 'null'), p_kind),
			hint = pg_catalog.format('Policies of a %s are %s.', p_kind, pg_catalog.array_to_string(v_legal, ', '));
	end if;
end
$$;
comment on function pgdevstate.policy_check(text, text, text) is 'refuses an illegal policy with error PD004';

-- set_policy: keys that match the pattern have that policy from now on. A pattern that differs in
-- case only is the same. True: it is another one than before.
-- Reads: site. Writes: policy, site, installed; notifies.
-- Errors: PD004 illegal kind, pattern or policy, or 200 of them already.
create or replace function pgdevstate.set_policy(kind text, pattern text, policy text, note text default '')
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	v_kind text := lower(set_policy.kind);
	v_policy text := lower(set_policy.policy);
	v_changed boolean;
	v_n bigint;
	v_site smallint;
begin
	perform pg_catalog.set_config('synchronous_commit', 'local', true);
	perform pgdevstate.policy_check(v_kind, set_policy.pattern, v_policy);
	select s.site into v_site from pgdevstate.site s where s.is_here for no key update; -- one change at a time
	insert into pgdevstate.policy as p (site, kind, pattern, policy, note)
	values (v_site, v_kind, set_policy.pattern, v_policy, coalesce(set_policy.note, ''))
	on conflict on constraint policy_pkey do update
	set pattern = excluded.pattern, policy = excluded.policy, note = excluded.note, set_by = session_user,
		set_at = pg_catalog.clock_timestamp()
	where p.pattern <> excluded.pattern or p.policy <> excluded.policy or p.note <> excluded.note;
	v_changed := found;
	select pg_catalog.count(*) into v_n from pgdevstate.policy p where p.site = v_site;
	if v_n > 200 then
		raise exception using errcode = 'PD004', message = 'there are 200 policies, more are not allowed',
			hint = 'Clear some: select * from pgdevstate.policy lists them.';
	end if;
	if v_changed then
		perform pgdevstate.policies_changed();
	end if;
	return v_changed;
end
$$;
comment on function pgdevstate.set_policy(text, text, text, text) is
	'administrators: keys (kind device or mailbox) that match a pattern have that policy from now on; true if that is new';

-- clear_policy: the pattern has no policy any more.
-- Reads: site. Writes: policy, site; notifies. Errors: PD004 illegal kind; PD006 no such pattern.
create or replace function pgdevstate.clear_policy(kind text, pattern text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
#variable_conflict use_column
declare
	v_kind text := lower(clear_policy.kind);
	v_site smallint;
begin
	perform pg_catalog.set_config('synchronous_commit', 'local', true);
	perform pgdevstate.policy_check(v_kind, clear_policy.pattern, 'latest');
	select s.site into v_site from pgdevstate.site s where s.is_here for no key update;
	delete from pgdevstate.policy p
	where p.site = v_site and p.kind = v_kind and lower(p.pattern) = lower(clear_policy.pattern collate "C");
	if not found then
		raise exception using errcode = 'PD006',
			message = pg_catalog.format('no policy is set for %s %s', v_kind, pg_catalog.to_json(clear_policy.pattern)),
			hint = 'select * from pgdevstate.policy lists them.';
	end if;
	perform pgdevstate.policies_changed();
end
$$;
comment on function pgdevstate.clear_policy(text, text) is 'administrators: a pattern has no policy any more';
