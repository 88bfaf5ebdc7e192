-- Purpose: how changes are told, for the whole cluster: direct (each by a notification of its own),
--          ticker (one node tells them, a period's worth at a time), auto (as suits members and rate).
--          Takes effect at the next tick, half a second later; the view notify_mode shows it.
--          True: it is another one than before.
-- Reads:   site.   Writes: setting.   Errors: PD004 no such mode.
create or replace function pgdevstate.set_notify_mode(mode text)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pgdevstate, pg_temp
as $$
declare
	v_value bigint := case lower(set_notify_mode.mode) when 'auto' then 0 when 'direct' then 1 when 'ticker' then 2 end;
begin
	perform pg_catalog.set_config('synchronous_commit', 'local', true);
	if v_value is null then
		raise exception using errcode = 'PD004',
			message = pg_catalog.format('%s is no notify mode',
				coalesce(pg_catalog.to_json(pg_catalog.left(set_notify_mode.mode, 300))::text, 'null')),
			hint = 'Modes are auto, direct, ticker.';
	end if;
	update pgdevstate.setting s
	set value = v_value
	where s.site = (select h.site from pgdevstate.site h where h.is_here) and s.name = 'notify_mode' and s.value <> v_value;
	return found;
end
$$;
comment on function pgdevstate.set_notify_mode(text) is
	'administrators: how changes are told: auto, direct or ticker; true if that is new';
