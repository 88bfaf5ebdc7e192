-- Purpose: ask every node (p_to null), or answer one that asked. Notifies, leaves no trace.
-- Reads:   site, entity.   Writes: nothing; notifies.
-- Errors:  PD001, PD003, PD006 as publish.
create or replace function pgdevstate.ping(
	p_entity_id macaddr, p_incarnation uuid, p_session uuid, p_nonce bigint, p_to macaddr default null)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
declare
	v_site record;
begin
	perform pgdevstate.commit_local();
	select s.site, s.channel into v_site from pgdevstate.site s where s.is_here;
	perform pgdevstate.head_check(p_entity_id, p_incarnation, p_session);
	if p_nonce is null then
		raise exception using errcode = 'PD004', message = 'the nonce is null';
	end if;
	perform pg_catalog.pg_notify(v_site.channel, pg_catalog.concat_ws(e'\t', '1',
		case when p_to is null then 'Q' else 'R' end, v_site.site, p_entity_id, p_incarnation, p_to, p_nonce,
		pgdevstate.clock_us(pg_catalog.clock_timestamp())) || e'\n');
end
$$;
comment on function pgdevstate.ping(macaddr, uuid, uuid, bigint, macaddr) is
	'a node asks all nodes for a sign of life, or answers one that asked';
