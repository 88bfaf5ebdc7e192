-- Packs: where all living nodes read that, the ticker tells several changes in one notification.
alter table pgdevstate.entity add column built_for int not null default 1;
comment on column pgdevstate.entity.built_for is 'version of the schema that the node was built for; 1: it did not say (before 5), or it is static';
alter table pgdevstate.ticker add column packs boolean not null default false;
comment on column pgdevstate.ticker.packs is 'all who were alive at the last tick read several changes in one notification (built for 5 or later)';

-- has one argument more now; who is older calls it without
drop function if exists pgdevstate.register(macaddr, uuid, text, text, int, text, text, int, uuid, bigint, uuid);

-- oldest_node stays: as long as an older node lives, each change is a notification
update pgdevstate.installed set version = 5;
