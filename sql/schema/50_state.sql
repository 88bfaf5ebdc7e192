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
