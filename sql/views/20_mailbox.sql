create or replace view pgdevstate.mailbox as
select distinct on (m.mailbox, m.context)
	m.mailbox,
	m.context,
	m.new_messages,
	m.old_messages,
	m.urgent_messages,
	count(*) over (partition by m.mailbox, m.context) as entities,
	m.stamp as since,
	m.entity_id,
	e.name as entity
from pgdevstate.entity_mailbox m
join pgdevstate.living l on l.site = m.site and l.entity_id = m.entity_id
join pgdevstate.entity e on e.site = m.site and e.entity_id = m.entity_id
where m.held or l.reporting
order by m.mailbox, m.context, m.stamp desc, m.entity_id desc;
comment on view pgdevstate.mailbox is 'Message counts of each mailbox across the cluster: the last word of a living entity';
comment on column pgdevstate.mailbox.mailbox is 'mailbox, as 1000';
comment on column pgdevstate.mailbox.context is 'its context, as default';
comment on column pgdevstate.mailbox.new_messages is 'new messages';
comment on column pgdevstate.mailbox.old_messages is 'old messages';
comment on column pgdevstate.mailbox.urgent_messages is 'urgent messages';
comment on column pgdevstate.mailbox.entities is 'how many entities say something that counts';
comment on column pgdevstate.mailbox.since is 'when these counts were said';
comment on column pgdevstate.mailbox.entity_id is 'who said them';
comment on column pgdevstate.mailbox.entity is 'name of who said them';
