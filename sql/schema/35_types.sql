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
