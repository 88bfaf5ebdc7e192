-- Purpose: the value of a setting.   Reads: setting, site.   Writes: nothing.
-- Errors:  PD006 there is no such setting (somebody deleted the row).
create or replace function pgdevstate.setting_value(p_name text)
returns bigint
language plpgsql stable
as $$
declare
	v_value bigint;
begin
	select s.value into v_value
	from pgdevstate.setting s
	where s.site = (select h.site from pgdevstate.site h where h.is_here) and s.name = p_name;
	if not found then
		raise exception using errcode = 'PD006',
			message = pg_catalog.format('table pgdevstate.setting has no row "%s"', p_name),
			hint = 'Insert it again; a fresh installation shows its value.';
	end if;
	return v_value;
end
$$;
comment on function pgdevstate.setting_value(text) is 'the value of a setting';
