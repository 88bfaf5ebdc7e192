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
	constraint change_pkey primary key (site, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
	autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
	autovacuum_vacuum_cost_delay = 0);
create index change_by_entity on pgdevstate.change (site, entity_id, to_seq);
comment on table pgdevstate.change is 'The journal: what was told, for those who missed it; trimmed by tick(). Its trigger sends each row as a notification';
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
