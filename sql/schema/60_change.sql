-- The journal, and the coordinator who trims it.
create table pgdevstate.change (
	id bigint generated always as identity,
	site smallint not null,
	entity_id pgdevstate.entity_id not null,
	incarnation uuid not null,
	from_seq bigint not null,
	to_seq bigint not null,
	chunk int not null,
	chunks int not null,
	at timestamptz not null default clock_timestamp(),
	xid xid8 not null default pg_current_xact_id(),
	payload pgdevstate.payload not null,
	told boolean not null default true,
	constraint change_pkey primary key (site, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
	autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
	autovacuum_vacuum_cost_delay = 0);
create index change_by_entity on pgdevstate.change (site, entity_id, to_seq);
create index change_untold on pgdevstate.change (site, xid) where not told;
comment on table pgdevstate.change is 'The journal: what was told, for those who missed it; trimmed by tick(). Each row is sent as a notification, by its trigger or by the ticker';
comment on column pgdevstate.change.id is 'grows in the order of writing, not of commits';
comment on column pgdevstate.change.site is 'the entity''s site';
comment on column pgdevstate.change.entity_id is 'whose change it is';
comment on column pgdevstate.change.incarnation is 'the run of the entity that made it';
comment on column pgdevstate.change.from_seq is 'the seq that it continues';
comment on column pgdevstate.change.to_seq is 'the seq that it leads to';
comment on column pgdevstate.change.chunk is 'which part of the change, from 1';
comment on column pgdevstate.change.chunks is 'how many parts the change has';
comment on column pgdevstate.change.at is 'when it was written';
comment on column pgdevstate.change.xid is 'the transaction that wrote it: lets a reader tell what cannot be overtaken any more';
comment on column pgdevstate.change.payload is 'the text that is sent (docs/protocol.md)';
comment on column pgdevstate.change.told is 'its own transaction notified it; else the ticker does';

create table pgdevstate.coordinator (
	site smallint not null,
	token uuid,
	entity_id macaddr,
	incarnation uuid,
	renewed_at timestamptz not null default '-infinity',
	pulse bigint not null default 0,
	reaped_at timestamptz not null default '-infinity',
	slice_after macaddr not null default '00:00:00:00:00:00',
	audit_after macaddr not null default '00:00:00:00:00:00',
	audit_at timestamptz not null default '-infinity',
	trimmed_id bigint not null default 0,
	constraint coordinator_pkey primary key (site),
	constraint coordinator_site_fkey foreign key (site) references pgdevstate.site (site)
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
	autovacuum_vacuum_cost_delay = 0);
comment on table pgdevstate.coordinator is 'The lease of the one node of a site that sends the pulse, reaps and trims. Not an advisory lock: a stopped process would keep that for ever';
comment on column pgdevstate.coordinator.site is 'the site';
comment on column pgdevstate.coordinator.token is 'who shows it is the coordinator; null: nobody was yet';
comment on column pgdevstate.coordinator.entity_id is 'the coordinator''s entity';
comment on column pgdevstate.coordinator.incarnation is 'the coordinator''s run';
comment on column pgdevstate.coordinator.renewed_at is 'last tick; two seconds later anyone may take the lease';
comment on column pgdevstate.coordinator.pulse is 'number of the newest pulse';
comment on column pgdevstate.coordinator.reaped_at is 'when somebody looked for dead entities last';
comment on column pgdevstate.coordinator.slice_after is 'the rotating slice of heads goes on behind this entity';
comment on column pgdevstate.coordinator.audit_after is 'the audit goes on behind this entity';
comment on column pgdevstate.coordinator.audit_at is 'not before this time, so that audits cost a bounded share';
comment on column pgdevstate.coordinator.trimmed_id is 'the journal was trimmed up to this id';

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
	packs boolean not null default false,
	late_ms int not null default 0,
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
comment on column pgdevstate.ticker.busy_at is 'when members times rate was last more than a third of what takes the ticker';
comment on column pgdevstate.ticker.switched_at is 'when the ticker was last taken or given up';
comment on column pgdevstate.ticker.packs is 'all who were alive at the last tick read several changes in one notification (built for 5 or later)';
comment on column pgdevstate.ticker.late_ms is 'how much later than half a second behind the one before tick() comes, lately: what a call waits. Grows by at most 20 a tick, so that one that was late means little';
