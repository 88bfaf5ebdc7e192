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
