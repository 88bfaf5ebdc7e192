-- The ticker: where many listen and much changes, changes are told by one node for all, a period's
-- worth at a time, instead of each by itself.
alter table pgdevstate.site add column ticker boolean not null default false;
comment on column pgdevstate.site.ticker is 'changes are told by the ticker (relay()), not by the transactions that write them; tick() chooses';

alter table pgdevstate.change add column told boolean not null default true;
create index change_untold on pgdevstate.change (site, xid) where not told;
comment on table pgdevstate.change is 'The journal: what was told, for those who missed it; trimmed by tick(). Each row is sent as a notification, by its trigger or by the ticker';
comment on column pgdevstate.change.told is 'its own transaction notified it; else the ticker does';

create table pgdevstate.ticker (
	site smallint not null,
	relayer uuid,
	relayed pg_snapshot,
	until xid8,
	period_ms int not null default 20,
	members int not null default 0,
	changes_per_s bigint not null default 0,
	counted_id bigint not null default 0,
	counted_at timestamptz not null default '-infinity',
	busy_at timestamptz not null default '-infinity',
	switched_at timestamptz not null default '-infinity',
	constraint ticker_pkey primary key (site),
	constraint ticker_site_fkey foreign key (site) references pgdevstate.site (site)
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
	autovacuum_vacuum_cost_delay = 0);
comment on table pgdevstate.ticker is 'How far the ticker told the journal, and what tick() goes by when it chooses between it and a notification for each change. Its lock lets one relay at a time';
comment on column pgdevstate.ticker.site is 'the site';
comment on column pgdevstate.ticker.relayer is 'token of the coordinator that called relay() last: only who does can be the ticker';
comment on column pgdevstate.ticker.relayed is 'what this snapshot sees is told; null: nothing is left to the ticker';
comment on column pgdevstate.ticker.until is 'there is no ticker any more, but transactions before this one may have left it something; null: there is one, or it was just given up';
comment on column pgdevstate.ticker.period_ms is 'it tells what is new so often; follows the number of members';
comment on column pgdevstate.ticker.members is 'living nodes at the last tick: they listen';
comment on column pgdevstate.ticker.changes_per_s is 'rows that came to the journal, a second, lately';
comment on column pgdevstate.ticker.counted_id is 'the journal''s newest row when that was counted';
comment on column pgdevstate.ticker.counted_at is 'when that was';
comment on column pgdevstate.ticker.busy_at is 'when members times rate was last more than half of what takes the ticker';
comment on column pgdevstate.ticker.switched_at is 'when the ticker was last taken or given up';

insert into pgdevstate.ticker (site) select site from pgdevstate.site where is_here;
insert into pgdevstate.setting (site, name, value, comment)
select s.site, v.name, v.value, v.comment
from pgdevstate.site s, (values
	('notify_mode', 0, 'how changes are told: 0 as suits members and rate, 1 each by itself, 2 by the ticker; set_notify_mode() sets it'),
	('direct_deliveries', 20000, 'more than so many changes a second times listeners, and notify_mode 0 takes the ticker; below half of it for 10 s, and no more'),
	('ticker_deliveries', 10000, 'so many times a second the ticker wakes a listener, all together: its period is 2 to 20 ms')
) v(name, value, comment)
where s.is_here;

-- oldest_node stays: a node that does not know the ticker hears the same notifications, and as
-- long as one coordinates there is no ticker
update pgdevstate.installed set version = 4;
