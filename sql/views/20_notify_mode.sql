create or replace view pgdevstate.notify_mode as
select case when s.ticker then 'ticker' else 'direct' end as mode,
	pgdevstate.notify_mode_name(n.value) as setting,
	nullif(t.switched_at, '-infinity') as since,
	t.members,
	t.changes_per_s,
	t.members * t.changes_per_s as deliveries_per_s,
	d.value as direct_deliveries,
	t.period_ms,
	s.site,
	t.late_ms
from pgdevstate.site s
join pgdevstate.ticker t on t.site = s.site
join pgdevstate.setting n on n.site = s.site and n.name = 'notify_mode'
join pgdevstate.setting d on d.site = s.site and d.name = 'direct_deliveries';
comment on view pgdevstate.notify_mode is 'How changes are told: each by a notification of its own, or by the ticker; and what that goes by';
comment on column pgdevstate.notify_mode.mode is 'direct or ticker: what is used';
comment on column pgdevstate.notify_mode.setting is 'auto, direct or ticker: what is set, with set_notify_mode()';
comment on column pgdevstate.notify_mode.since is 'when it was switched last; null: never';
comment on column pgdevstate.notify_mode.members is 'living nodes at the last tick: they listen';
comment on column pgdevstate.notify_mode.changes_per_s is 'rows that came to the journal, a second, lately';
comment on column pgdevstate.notify_mode.deliveries_per_s is 'members times changes: what direct would take';
comment on column pgdevstate.notify_mode.direct_deliveries is 'above that, auto takes the ticker, and above a third of it where late_ms is above 50; below the third for 10 s, direct';
comment on column pgdevstate.notify_mode.period_ms is 'how often the ticker tells what is new, if there is one';
comment on column pgdevstate.notify_mode.site is 'number of the site';
comment on column pgdevstate.notify_mode.late_ms is 'how late the coordinator''s calls come, lately: what a call waits where the database, or the way to it, does not keep up';
