-- Roles: three that cannot log in. They belong to the whole server, so another database may
-- have made them already, or be making them at this moment.
do $$
declare
	v_role record;
begin
	if current_setting('server_encoding') <> 'UTF8' then
		raise exception using errcode = '22021',
			message = format('database %I has encoding %s, pgdevstate needs UTF8',
				current_database(), current_setting('server_encoding')),
			hint = 'Create it with: create database ... encoding ''UTF8'' template template0';
	end if;
	for v_role in
		select * from (values
			('pgdevstate_owner', 'owns everything in schema pgdevstate; its members administer'),
			('pgdevstate_node', 'may call what a node calls; each node''s login role is a member'),
			('pgdevstate_reader', 'may read the views of schema pgdevstate, nothing else')
		) as r(name, comment)
	loop
		continue when exists (select from pg_catalog.pg_roles where rolname = v_role.name);
		begin
			execute format('create role %I nologin', v_role.name);
			execute format('comment on role %I is %L', v_role.name, 'pgdevstate: ' || v_role.comment);
		exception
			when duplicate_object or unique_violation then
				null; -- another database's migration was first
			when insufficient_privilege then
				raise exception using errcode = '42501',
					message = format('role %I may not create role %I', current_user, v_role.name),
					hint = format('Migrate as a superuser or as a role with CREATEROLE (alter role %I createrole).',
						current_user);
		end;
	end loop;
	-- whoever is no superuser must be a member to give things to the owner
	if not pg_catalog.pg_has_role(current_user, 'pgdevstate_owner', 'usage') then
		begin
			execute format('grant pgdevstate_owner to %I', current_user);
		exception
			when unique_violation then
				null; -- as above
			when insufficient_privilege then
				raise exception using errcode = '42501',
					message = format('role %I is no member of pgdevstate_owner, which is to own the schema', current_user),
					hint = format('As a superuser: grant pgdevstate_owner to %I', current_user);
		end;
	end if;
end
$$;

create schema pgdevstate authorization pgdevstate_owner;
comment on schema pgdevstate is
	'States of devices and mailboxes that several telephone servers share. Read the views device, mailbox, member; write through functions only.';
-- What was installed here, by whom, and which nodes may use it.
create table pgdevstate.migration (
	version int not null,
	name text not null,
	checksum text not null,
	applied_at timestamptz not null default clock_timestamp(),
	applied_by text not null default session_user,
	constraint migration_pkey primary key (version),
	constraint migration_version_is_positive check (version > 0)
);
comment on table pgdevstate.migration is 'Migrations that were applied, one row each';
comment on column pgdevstate.migration.version is 'number of the migration: 1 for 0001_...';
comment on column pgdevstate.migration.name is 'its file''s name';
comment on column pgdevstate.migration.checksum is 'sha256 of its text, hex: a migration that was applied must never change';
comment on column pgdevstate.migration.applied_at is 'when it was applied';
comment on column pgdevstate.migration.applied_by is 'the role that applied it';

create table pgdevstate.installed (
	only_row boolean not null default true,
	version int not null,
	oldest_node int not null,
	functions_checksum text not null default '',
	functions_at timestamptz not null default clock_timestamp(),
	constraint installed_pkey primary key (only_row),
	constraint installed_has_one_row check (only_row),
	constraint installed_oldest_node_is_not_newer check (oldest_node between 1 and version)
);
comment on table pgdevstate.installed is 'One row: the version of this schema and of its functions';
comment on column pgdevstate.installed.only_row is 'always true: there is one row';
comment on column pgdevstate.installed.version is 'number of the newest migration; raised by that migration itself';
comment on column pgdevstate.installed.oldest_node is 'the oldest version that a node may have been built for and still work here';
comment on column pgdevstate.installed.functions_checksum is 'sha256 of the text of all functions and views, hex, written by pgdevstate migrate';
comment on column pgdevstate.installed.functions_at is 'when functions and views were installed last';
-- Sites and settings.
create table pgdevstate.site (
	site smallint not null,
	name text not null,
	channel text not null,
	is_here boolean not null default false,
	constraint site_pkey primary key (site),
	constraint site_number_is_positive check (site > 0),
	constraint site_name_key unique (name),
	constraint site_channel_is_an_identifier check (channel ~ '^[a-z_][a-z0-9_]{0,62}$')
);
create unique index site_one_is_here on pgdevstate.site (is_here) where is_here;
comment on table pgdevstate.site is 'Sites, each with a PostgreSQL of its own; today there is one. The number is part of every key';
comment on column pgdevstate.site.site is 'number of the site';
comment on column pgdevstate.site.name is 'its name, for people';
comment on column pgdevstate.site.channel is 'NOTIFY channel of the site. A secret: whoever knows it can listen and forge; register() tells it to nodes';
comment on column pgdevstate.site.is_here is 'this database is that site';

create table pgdevstate.setting (
	site smallint not null default 1,
	name text not null,
	value bigint not null,
	comment text not null,
	constraint setting_pkey primary key (site, name),
	constraint setting_site_fkey foreign key (site) references pgdevstate.site (site),
	constraint setting_value_is_not_negative check (value >= 0)
);
comment on table pgdevstate.setting is 'Numbers that an administrator may change; they take effect at the next tick';
comment on column pgdevstate.setting.site is 'whose number it is';
comment on column pgdevstate.setting.name is 'name of the setting; its unit is part of the name';
comment on column pgdevstate.setting.value is 'its value';
comment on column pgdevstate.setting.comment is 'what it does';
-- Domains: what a column may hold. Not checks of the tables: PostgreSQL reads each check of a
-- table anew for each statement that writes to it, which cost a fifth of publish().
create domain pgdevstate.legal_name as text collate "C"
	constraint name_is_1_to_255_bytes check (octet_length(value) between 1 and 255)
	constraint name_has_no_control_characters check (value !~ '[\u0001-\u001f\u007f-\u009f]');
comment on domain pgdevstate.legal_name is 'name of a device, mailbox or entity: 1 to 255 bytes without control characters, kept byte for byte';

create domain pgdevstate.legal_name_or_nothing as text collate "C"
	constraint name_is_at_most_255_bytes check (octet_length(value) <= 255)
	constraint name_has_no_control_characters check (value !~ '[\u0001-\u001f\u007f-\u009f]');
comment on domain pgdevstate.legal_name_or_nothing is 'a name, or the empty text';

create domain pgdevstate.mailbox_context as text collate "C"
	constraint context_is_at_most_255_bytes check (octet_length(value) <= 255)
	constraint context_has_neither_control_characters_nor_an_at check (value !~ '[\u0001-\u001f\u007f-\u009f@]');
comment on domain pgdevstate.mailbox_context is 'context of a mailbox: may be empty, has no @';

create domain pgdevstate.entity_id as macaddr
	constraint entity_id_is_an_address check (value not in ('00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff'));
comment on domain pgdevstate.entity_id is 'six bytes that name an entity, neither all 00 nor all ff';

create domain pgdevstate.entity_kind as text collate "C"
	constraint kind_is_node_or_static check (value in ('node', 'static'));
comment on domain pgdevstate.entity_kind is 'node or static';

create domain pgdevstate.device_state as smallint
	constraint state_is_0_to_8 check (value between 0 and 8);
comment on domain pgdevstate.device_state is 'state of a device, 0 to 8; device_state_name() has the words';

create domain pgdevstate.message_count as int
	constraint count_is_0_to_a_million check (value between 0 and 1000000);
comment on domain pgdevstate.message_count is 'number of messages, 0 to 1,000,000';

create domain pgdevstate.lease_ms as int
	constraint lease_is_a_second_to_an_hour check (value between 1000 and 3600000);
comment on domain pgdevstate.lease_ms is 'a lease in milliseconds, one second to one hour';

create domain pgdevstate.payload as text collate "C"
	constraint payload_fits_a_notification check (octet_length(value) <= 7900);
comment on domain pgdevstate.payload is 'text of a notification, at most 7,900 bytes';
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

create table pgdevstate.heartbeat (
	site smallint not null,
	entity_id pgdevstate.entity_id not null,
	alive boolean not null,
	beat_at timestamptz not null,
	lease_ms pgdevstate.lease_ms,
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
-- What entities say. A row belongs to the entity that wrote it. There is no index on a column
-- that changes, so that updates stay within their page (HOT). No foreign key to the entity: only
-- functions write here, with the head row locked, and a check for each new row would cost a
-- third of a full report; rows without an entity count nowhere.
create table pgdevstate.entity_device (
	site smallint not null,
	entity_id pgdevstate.entity_id not null,
	device pgdevstate.legal_name not null,
	state pgdevstate.device_state not null,
	held boolean not null,
	stamp timestamptz not null,
	seq bigint not null,
	constraint entity_device_pkey primary key (site, entity_id, device)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
	autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.05);
create index entity_device_by_device on pgdevstate.entity_device (device);
comment on table pgdevstate.entity_device is 'States of devices, as each entity says them';
comment on column pgdevstate.entity_device.site is 'the entity''s site';
comment on column pgdevstate.entity_device.entity_id is 'who says it';
comment on column pgdevstate.entity_device.device is 'device, as PJSIP/1000: 1 to 255 bytes without control characters, kept byte for byte';
comment on column pgdevstate.entity_device.state is 'state 0 to 8; device_state_name() has the words';
comment on column pgdevstate.entity_device.held is 'set by console, SQL or dialplan: counts even while the PBX does not report';
comment on column pgdevstate.entity_device.stamp is 'when it was said, in the database''s clock';
comment on column pgdevstate.entity_device.seq is 'the entity''s change that wrote this row';

create table pgdevstate.entity_mailbox (
	site smallint not null,
	entity_id pgdevstate.entity_id not null,
	mailbox pgdevstate.legal_name not null,
	context pgdevstate.mailbox_context not null,
	urgent_messages pgdevstate.message_count not null,
	new_messages pgdevstate.message_count not null,
	old_messages pgdevstate.message_count not null,
	held boolean not null,
	stamp timestamptz not null,
	seq bigint not null,
	constraint entity_mailbox_pkey primary key (site, entity_id, mailbox, context)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
	autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.05);
create index entity_mailbox_by_mailbox on pgdevstate.entity_mailbox (mailbox, context);
comment on table pgdevstate.entity_mailbox is 'Message counts of mailboxes, as each entity says them';
comment on column pgdevstate.entity_mailbox.site is 'the entity''s site';
comment on column pgdevstate.entity_mailbox.entity_id is 'who says it';
comment on column pgdevstate.entity_mailbox.mailbox is 'mailbox, as 1000: 1 to 255 bytes without control characters';
comment on column pgdevstate.entity_mailbox.context is 'its context, as default; may be empty, has no @';
comment on column pgdevstate.entity_mailbox.urgent_messages is 'urgent messages';
comment on column pgdevstate.entity_mailbox.new_messages is 'new messages, urgent ones not counted';
comment on column pgdevstate.entity_mailbox.old_messages is 'old messages';
comment on column pgdevstate.entity_mailbox.held is 'set by console, SQL or dialplan: counts even while the PBX does not report';
comment on column pgdevstate.entity_mailbox.stamp is 'when it was said, in the database''s clock';
comment on column pgdevstate.entity_mailbox.seq is 'the entity''s change that wrote this row';
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
-- The rows that every installation begins with.
insert into pgdevstate.installed (version, oldest_node) values (1, 1);

insert into pgdevstate.site (site, name, channel, is_here)
values (1, 'here', 'pgdevstate_' || replace(gen_random_uuid()::text, '-', ''), true);

insert into pgdevstate.coordinator (site) values (1);

insert into pgdevstate.setting (name, value, comment) values
	('journal_keep_s', 600, 'changes older than this are trimmed from the journal'),
	('journal_keep_rows', 200000, 'at most about this many rows are kept in the journal'),
	('journal_trim_rows', 20000, 'at most this many rows are trimmed by one tick'),
	('coordinator_lease_ms', 2000, 'a coordinator that did not tick for this long can be replaced'),
	('reap_gap_ms', 4000, 'when nobody looked for dead entities for this long, all leases begin anew instead'),
	('audit_max_rows', 50000, 'entities with more rows than this are not audited');
