-- What entities say. A row belongs to the entity that wrote it. There is no index on a column
-- that changes, so that updates stay within their page (HOT). No foreign key to the entity: only
-- functions write here, with the head row locked, and a check for each new row would cost a
-- third of a full report; rows without an entity count nowhere.
create table pgdevstate.entity_device (
	site smallint not null,
	entity_id macaddr not null,
	device text collate "C" not null,
	state smallint not null,
	held boolean not null,
	stamp timestamptz not null,
	seq bigint not null,
	constraint entity_device_pkey primary key (site, entity_id, device),
	constraint entity_device_state_is_known check (state between 0 and 8),
	constraint entity_device_name_is_legal check
		(octet_length(device) between 1 and 255 and device !~ '[\u0001-\u001f\u007f-\u009f]')
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
	entity_id macaddr not null,
	mailbox text collate "C" not null,
	context text collate "C" not null,
	urgent_messages int not null,
	new_messages int not null,
	old_messages int not null,
	held boolean not null,
	stamp timestamptz not null,
	seq bigint not null,
	constraint entity_mailbox_pkey primary key (site, entity_id, mailbox, context),
	constraint entity_mailbox_counts_are_sane check (urgent_messages between 0 and 1000000
		and new_messages between 0 and 1000000 and old_messages between 0 and 1000000),
	constraint entity_mailbox_name_is_legal check
		(octet_length(mailbox) between 1 and 255 and mailbox !~ '[\u0001-\u001f\u007f-\u009f]'),
	constraint entity_mailbox_context_is_legal check
		(octet_length(context) <= 255 and context !~ '[\u0001-\u001f\u007f-\u009f@]')
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
