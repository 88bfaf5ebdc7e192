-- The rows that every installation begins with.
insert into pgdevstate.installed (version, oldest_node) values (6, 1);

insert into pgdevstate.site (site, name, channel, is_here)
values (1, 'here', 'pgdevstate_' || replace(gen_random_uuid()::text, '-', ''), true);

insert into pgdevstate.coordinator (site) values (1);

insert into pgdevstate.ticker (site) values (1);

insert into pgdevstate.setting (name, value, comment) values
	('journal_keep_s', 600, 'changes older than this are trimmed from the journal'),
	('journal_keep_rows', 200000, 'at most about this many rows are kept in the journal'),
	('journal_trim_rows', 20000, 'at most this many rows are trimmed by one tick'),
	('coordinator_lease_ms', 2000, 'a coordinator that did not tick for this long can be replaced'),
	('audit_max_rows', 50000, 'entities with more rows than this are not audited'),
	('notify_mode', 0, 'how changes are told: 0 as suits members and rate, 1 each by itself, 2 by the ticker; set_notify_mode() sets it'),
	('direct_deliveries', 60000, 'more than so many changes a second times listeners, and notify_mode 0 takes the ticker; from a third of it on also where tick() comes late; below that third for 10 s, and no more'),
	('ticker_deliveries', 10000, 'so many times a second the ticker wakes a listener, all together: its period is 2 to 20 ms');
