create or replace view pgdevstate.mailbox_entity as
select m.mailbox,
	m.context,
	m.entity_id,
	e.name as entity,
	m.new_messages,
	m.old_messages,
	m.urgent_messages,
	l.entity_id is not null and (m.held or l.reporting) as counts,
	m.held,
	l.entity_id is not null as alive,
	e.reporting,
	m.stamp as since,
	e.kind,
	e.host,
	m.seq,
	p.policy
from pgdevstate.entity_mailbox m
join pgdevstate.entity e on e.site = m.site and e.entity_id = m.entity_id
left join pgdevstate.living l on l.site = m.site and l.entity_id = m.entity_id
cross join lateral (
	select case when (lower(m.mailbox || '@' || m.context) like any ((select pgdevstate.policy_matchers('mailbox', '{sum,max}'))::text[])) is not true
		then 'latest' else pgdevstate.policy_of('mailbox', m.mailbox || '@' || m.context) end as policy
) p;
comment on view pgdevstate.mailbox_entity is 'Who says what of each mailbox';
comment on column pgdevstate.mailbox_entity.mailbox is 'mailbox, as 1000';
comment on column pgdevstate.mailbox_entity.context is 'its context, as default';
comment on column pgdevstate.mailbox_entity.entity_id is 'who says it';
comment on column pgdevstate.mailbox_entity.entity is 'name of the entity';
comment on column pgdevstate.mailbox_entity.new_messages is 'new messages';
comment on column pgdevstate.mailbox_entity.old_messages is 'old messages';
comment on column pgdevstate.mailbox_entity.urgent_messages is 'urgent messages';
comment on column pgdevstate.mailbox_entity.counts is 'this row counts: the entity is alive, and the row is held or the entity reports';
comment on column pgdevstate.mailbox_entity.held is 'set by console, SQL or dialplan';
comment on column pgdevstate.mailbox_entity.alive is 'the entity is alive';
comment on column pgdevstate.mailbox_entity.reporting is 'the entity''s PBX has reported fully';
comment on column pgdevstate.mailbox_entity.since is 'when it was said';
comment on column pgdevstate.mailbox_entity.kind is 'node or static';
comment on column pgdevstate.mailbox_entity.host is 'host of the entity';
comment on column pgdevstate.mailbox_entity.seq is 'the entity''s change that wrote it';
comment on column pgdevstate.mailbox_entity.policy is 'the mailbox''s policy: latest, sum or max';
