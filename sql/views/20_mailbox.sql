-- Mailboxes where the last word wins; then, where there are such policies at all, those whose
-- counts are added up or the highest of each is taken. Counts end at a million.
create or replace view pgdevstate.mailbox as
(
	select distinct on (m.mailbox, m.context)
		m.mailbox,
		m.context,
		m.new_messages,
		m.old_messages,
		m.urgent_messages,
		count(*) over (partition by m.mailbox, m.context) as entities,
		m.stamp as since,
		m.entity_id,
		e.name as entity,
		'latest'::text as policy
	from pgdevstate.entity_mailbox m
	join pgdevstate.living l on l.site = m.site and l.entity_id = m.entity_id
	join pgdevstate.entity e on e.site = m.site and e.entity_id = m.entity_id
	where (m.held or l.reporting)
		and ((lower(m.mailbox || '@' || m.context)
				like any ((select pgdevstate.policy_matchers('mailbox', '{sum,max}'))::text[])) is not true
			or pgdevstate.policy_of('mailbox', m.mailbox || '@' || m.context) = 'latest')
	order by m.mailbox, m.context, m.stamp desc, m.entity_id desc
)
union all
select m.mailbox,
	m.context,
	least(case p.policy when 'sum' then sum(m.new_messages) else max(m.new_messages) end, 1000000)::pgdevstate.message_count,
	least(case p.policy when 'sum' then sum(m.old_messages) else max(m.old_messages) end, 1000000)::pgdevstate.message_count,
	least(case p.policy when 'sum' then sum(m.urgent_messages) else max(m.urgent_messages) end, 1000000)::pgdevstate.message_count,
	count(*),
	max(m.stamp),
	((array_agg(m.entity_id::macaddr order by m.stamp desc, m.entity_id desc))[1])::pgdevstate.entity_id,
	((array_agg(e.name::text order by m.stamp desc, m.entity_id desc))[1])::pgdevstate.legal_name,
	p.policy
from pgdevstate.entity_mailbox m
join pgdevstate.living l on l.site = m.site and l.entity_id = m.entity_id
join pgdevstate.entity e on e.site = m.site and e.entity_id = m.entity_id
cross join lateral (select pgdevstate.policy_of('mailbox', m.mailbox || '@' || m.context) as policy) p
where (select pgdevstate.policy_matchers('mailbox', '{sum,max}')) is not null
	and lower(m.mailbox || '@' || m.context)
		like any ((select pgdevstate.policy_matchers('mailbox', '{sum,max}'))::text[])
	and (m.held or l.reporting) and p.policy in ('sum', 'max')
group by m.mailbox, m.context, p.policy;
comment on view pgdevstate.mailbox is 'Message counts of each mailbox across the cluster: the last word of a living entity, or the sum or highest of all, as the mailbox''s policy is';
comment on column pgdevstate.mailbox.mailbox is 'mailbox, as 1000';
comment on column pgdevstate.mailbox.context is 'its context, as default';
comment on column pgdevstate.mailbox.new_messages is 'new messages';
comment on column pgdevstate.mailbox.old_messages is 'old messages';
comment on column pgdevstate.mailbox.urgent_messages is 'urgent messages';
comment on column pgdevstate.mailbox.entities is 'how many entities say something that counts';
comment on column pgdevstate.mailbox.since is 'when these counts were said, or the newest of them';
comment on column pgdevstate.mailbox.entity_id is 'who said them, or the newest of them';
comment on column pgdevstate.mailbox.entity is 'name of who that is';
comment on column pgdevstate.mailbox.policy is 'latest: the last word; sum: all added up; max: the highest of each';
