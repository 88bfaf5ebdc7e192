-- Entities: who says something. The head row, and the heartbeat beside it.
create table pgdevstate.entity (
	site smallint not null,
	entity_id pgdevstate.entity_id not null,
	kind pgdevstate.entity_kind not null,
	name pgdevstate.legal_name not null,
	host pgdevstate.legal_name_or_nothing not null default '',
	pid int not null default 0,
	boot_id text not null default '',
	version pgdevstate.legal_name_or_nothing not null default '',
	owner name not null default session_user,
	incarnation uuid not null,
	session uuid,
	backend_pid int,
	backend_start timestamptz,
	seq bigint not null default 0,
	reporting boolean not null default false,
	unconfirmed int not null default 0,
	registered_at timestamptz not null default clock_timestamp(),
	moved_at timestamptz not null default clock_timestamp(),
	expires_at timestamptz,
	built_for int not null default 1,
	constraint entity_pkey primary key (site, entity_id),
	constraint entity_site_fkey foreign key (site) references pgdevstate.site (site)
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
	autovacuum_vacuum_cost_delay = 0);
create unique index entity_static_name_key on pgdevstate.entity (site, name) where kind = 'static';
comment on table pgdevstate.entity is 'Who says something: the head row of each node and of each static (SQL) publisher. Locking it is what puts an entity''s changes in one order';
comment on column pgdevstate.entity.site is 'the site it belongs to';
comment on column pgdevstate.entity.entity_id is 'its six bytes, as Asterisk''s entity id';
comment on column pgdevstate.entity.kind is 'node: a pgdevstated with a lease; static: written by SQL functions, without one';
comment on column pgdevstate.entity.name is 'system name of the node, or the name of the static publisher';
comment on column pgdevstate.entity.host is 'host that the node runs on';
comment on column pgdevstate.entity.pid is 'process id of the node on its host';
comment on column pgdevstate.entity.boot_id is 'boot of that host: with it a crashed node is told from a twin';
comment on column pgdevstate.entity.version is 'the node''s version';
comment on column pgdevstate.entity.owner is 'login role that registered it; nobody else may write for it';
comment on column pgdevstate.entity.incarnation is 'a run of the node, random; the null uuid for static entities';
comment on column pgdevstate.entity.session is 'token of the one connection that may write; null: nobody is registered';
comment on column pgdevstate.entity.backend_pid is 'server process of that connection';
comment on column pgdevstate.entity.backend_start is 'start of that server process (process ids repeat)';
comment on column pgdevstate.entity.seq is 'number of the newest change; never restarts. A node''s moves by one, a static entity''s is at least the clock in microseconds';
comment on column pgdevstate.entity.reporting is 'the PBX''s full report is complete and its link is up: rows that are not held count';
comment on column pgdevstate.entity.unconfirmed is 'how many of the newest seq numbers resume() gave, that the node has not confirmed by publishing';
comment on column pgdevstate.entity.registered_at is 'when this run of the node registered, or the static entity was made';
comment on column pgdevstate.entity.moved_at is 'when seq moved last';
comment on column pgdevstate.entity.expires_at is 'static: until when its words count; null: for ever';
comment on column pgdevstate.entity.built_for is 'version of the schema that the node was built for; 1: it did not say (before 5), or it is static';

create table pgdevstate.heartbeat (
	site smallint not null,
	entity_id pgdevstate.entity_id not null,
	alive boolean not null,
	beat_at timestamptz not null,
	lease_ms pgdevstate.lease_ms,
	steady_since timestamptz not null default clock_timestamp(),
	constraint heartbeat_pkey primary key (site, entity_id),
	constraint heartbeat_entity_fkey foreign key (site, entity_id)
		references pgdevstate.entity (site, entity_id) on delete cascade
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
	autovacuum_vacuum_cost_delay = 0);
comment on table pgdevstate.heartbeat is 'Is the entity alive? Narrow, because each beat and each publish writes it. Locked after the head row, never before';
comment on column pgdevstate.heartbeat.site is 'the entity''s site';
comment on column pgdevstate.heartbeat.entity_id is 'the entity';
comment on column pgdevstate.heartbeat.alive is 'it registered and was neither reaped nor did it leave; its beat may be too old all the same, the views test that too';
comment on column pgdevstate.heartbeat.beat_at is 'last sign of life, in the database''s clock';
comment on column pgdevstate.heartbeat.lease_ms is 'it is dead when the last sign of life is older than this; null: static, no lease';
comment on column pgdevstate.heartbeat.steady_since is 'since when its signs of life came without a gap (beat_gap()): so long it knows that the database was there';
