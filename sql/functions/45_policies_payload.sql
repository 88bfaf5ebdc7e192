-- Purpose: what tells nodes of policies: the header V, and a line Y for each.
-- Reads:   site, policy.   Writes: nothing.   Errors: none.
create or replace function pgdevstate.policies_header(p_site smallint, p_version bigint)
returns text
language sql stable
as $$
	select pg_catalog.concat_ws(e'\t', '1', 'V', p_site, p_version, pgdevstate.clock_us(pg_catalog.clock_timestamp())) || e'\n'
$$;
comment on function pgdevstate.policies_header(smallint, bigint) is
	'first line of the payload that tells of policies; alone it says that they changed';

create or replace function pgdevstate.policies_payload()
returns text
language sql stable
as $$
	select pgdevstate.policies_header(s.site, s.policy_version) || coalesce((
		select pg_catalog.string_agg(pg_catalog.concat_ws(e'\t', 'Y', p.kind, p.policy, p.pattern) || e'\n', ''
			order by p.kind, p.characters desc, lower(p.pattern))
		from pgdevstate.policy p
		where p.site = s.site
	), '')
	from pgdevstate.site s
	where s.is_here
$$;
comment on function pgdevstate.policies_payload() is 'all policies, as a V payload';
