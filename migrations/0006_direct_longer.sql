-- Direct for longer: told each by itself, 50 listeners hear 1,000 changes a second sooner than by the
-- ticker. The rate alone does not show where a slower machine gives out: it stays below what that
-- machine can do. Late ticks show it.
alter table pgdevstate.ticker add column late_ms int not null default 0;
comment on column pgdevstate.ticker.late_ms is 'how much later than half a second behind the one before tick() comes, lately: what a call waits. Grows by at most 20 a tick, so that one that was late means little';
comment on column pgdevstate.ticker.busy_at is 'when members times rate was last more than a third of what takes the ticker';

-- an administrator's own figure stays
update pgdevstate.setting set value = 60000 where name = 'direct_deliveries' and value = 20000;
update pgdevstate.setting
set comment = 'more than so many changes a second times listeners, and notify_mode 0 takes the ticker; from a third of it on also where tick() comes late; below that third for 10 s, and no more'
where name = 'direct_deliveries';

-- oldest_node stays: nodes know nothing of it
update pgdevstate.installed set version = 6;
