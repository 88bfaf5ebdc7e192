-- Purpose: is every name legal? Says which is not, and why.
-- Reads:   nothing.   Writes: nothing.
-- Errors:  PD004 names the offender. Control characters are shown as escapes.
create or replace function pgdevstate.check_names(p_what text, p_names text[])
returns void
language plpgsql immutable
as $$
declare
	v_at bigint;
	v_name text;
	v_why text;
begin
	select n.at, n.name into v_at, v_name
	from unnest(p_names) with ordinality as n(name, at)
	where n.name is null
		or pg_catalog.octet_length(n.name) > 255
		or (n.name = '' and p_what <> 'context')
		or n.name collate "C" ~ '[\u0001-\u001f\u007f-\u009f]'
		or (p_what = 'context' and n.name like '%@%')
	limit 1;
	if not found then
		return;
	end if;
	v_why := case
		when v_name is null then 'is null'
		when v_name = '' then 'is empty'
		when pg_catalog.octet_length(v_name) > 255 then
			pg_catalog.format('has %s bytes, at most 255 are allowed', pg_catalog.octet_length(v_name))
		when v_name collate "C" ~ '[\u0001-\u001f\u007f-\u009f]' then 'has a control character'
		else 'has an @'
	end;
	raise exception using errcode = 'PD004',
		message = pg_catalog.format('%s number %s %s: %s', p_what, v_at, v_why,
			coalesce(pg_catalog.to_json(pg_catalog.left(v_name, 300))::text, 'null')),
		hint = 'A name has 1 to 255 bytes of UTF-8 without control characters; a context may be empty and has no @.';
end
$$;
comment on function pgdevstate.check_names(text, text[]) is
	'refuses illegal names of devices, mailboxes, contexts or entities with error PD004';
