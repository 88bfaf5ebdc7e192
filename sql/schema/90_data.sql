-- The rows that every installation begins with.
insert into pgdevstate.installed (version, oldest_node) values (3, 1);

insert into pgdevstate.site (site, name, channel, is_here)
values (1, 'here', 'pgdevstate_' || replace(gen_random_uuid()::text, '-', ''), true);

insert into pgdevstate.coordinator (site) values (1);

insert into pgdevstate.setting (name, value, comment) values
	('journal_keep_s', 600, 'changes older than this are trimmed from the journal'),
	('journal_keep_rows', 200000, 'at most about this many rows are kept in the journal'),
	('journal_trim_rows', 20000, 'at most this many rows are trimmed by one tick'),
	('coordinator_lease_ms', 2000, 'a coordinator that did not tick for this long can be replaced'),
	('audit_max_rows', 50000, 'entities with more rows than this are not audited');
