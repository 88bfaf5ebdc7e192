-- Purpose: which policy applies to a key: the one of the pattern with the most characters that
--          are no wildcard among those that match, the first in the order of bytes of two with
--          as many; else the default. The same rules are in C, src/policy.c; tests/cases/policies.tsv
--          tests both.
-- Reads:   policy, site.   Writes: nothing.   Errors: none; null for null.
create or replace function pgdevstate.policy_of(p_kind text, p_key text)
returns text
language plpgsql stable strict parallel safe cost 1
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
declare
	v_policy text;
begin
	select p.policy into v_policy
	from pgdevstate.policy p
	where p.site = (select s.site from pgdevstate.site s where s.is_here) and p.kind = p_kind
		and lower(p_key collate "C") like p.matcher
	order by p.characters desc, lower(p.pattern)
	limit 1;
	return coalesce(v_policy, case p_kind when 'device' then 'aggregate' when 'mailbox' then 'latest' end);
end
$$;
comment on function pgdevstate.policy_of(text, text) is
	'the policy that applies to a device, or to a mailbox named mailbox@context';

create or replace function pgdevstate.device_policy(device text)
returns text
language sql stable strict parallel safe
as $$
	select pgdevstate.policy_of('device', device)
$$;
comment on function pgdevstate.device_policy(text) is 'the policy of a device: aggregate, latest or local';

create or replace function pgdevstate.mailbox_policy(mailbox text, context text default 'default')
returns text
language sql stable strict parallel safe
as $$
	select pgdevstate.policy_of('mailbox', mailbox || '@' || context)
$$;
comment on function pgdevstate.mailbox_policy(text, text) is 'the policy of a mailbox: latest, sum or max';

-- policy_matchers: the patterns that have one of some policies, for LIKE ANY over lower(key): with
-- it views ask policy_of() only for keys that may have one of them, and for none where no policy
-- is set.
-- Reads: policy, site. Writes: nothing. Errors: none; null where there are none.
create or replace function pgdevstate.policy_matchers(p_kind text, p_policies text[])
returns text[]
language sql stable strict parallel safe
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
	select array_agg(p.matcher)
	from pgdevstate.policy p
	where p.site = (select s.site from pgdevstate.site s where s.is_here) and p.kind = p_kind
		and p.policy = any (p_policies)
$$;
comment on function pgdevstate.policy_matchers(text, text[]) is
	'LIKE patterns, for names in lower case, of the patterns that have one of these policies';
