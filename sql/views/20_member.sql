create or replace view pgdevstate.member as
select e.entity_id,
	e.name,
	e.kind,
	e.host,
	e.pid,
	l.entity_id is not null as alive,
	e.registered_at as since,
	e.version,
	e.reporting,
	(select count(*) from pgdevstate.entity_device d where d.site = e.site and d.entity_id = e.entity_id) as devices,
	(select count(*) from pgdevstate.entity_mailbox m where m.site = e.site and m.entity_id = e.entity_id) as mailboxes,
	e.seq,
	h.beat_at,
	greatest(statement_timestamp() - h.beat_at, interval '0') as beat_age,
	h.lease_ms * interval '1 millisecond' as lease,
	e.expires_at,
	l.entity_id is not null and c.entity_id is not null as coordinator,
	e.owner,
	s.site,
	s.name as site_name
from pgdevstate.entity e
join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id
join pgdevstate.site s on s.site = e.site
left join pgdevstate.living l on l.site = e.site and l.entity_id = e.entity_id
left join pgdevstate.coordinator c on c.site = e.site and c.entity_id = e.entity_id;
comment on view pgdevstate.member is 'Members of the cluster: nodes, and static entities that SQL writes for';
comment on column pgdevstate.member.entity_id is 'the entity id';
comment on column pgdevstate.member.name is 'system name of the node, or the name of the static entity';
comment on column pgdevstate.member.kind is 'node or static';
comment on column pgdevstate.member.host is 'host that the node runs on';
comment on column pgdevstate.member.pid is 'process id of the node on its host';
comment on column pgdevstate.member.alive is 'it gave a sign of life within its lease, or is static and its time is not over';
comment on column pgdevstate.member.since is 'when this run of the node began, or the static entity was made';
comment on column pgdevstate.member.version is 'the node''s version';
comment on column pgdevstate.member.reporting is 'its PBX has reported fully: rows that are not held count';
comment on column pgdevstate.member.devices is 'how many devices it says something of';
comment on column pgdevstate.member.mailboxes is 'how many mailboxes it says something of';
comment on column pgdevstate.member.seq is 'number of its newest change';
comment on column pgdevstate.member.beat_at is 'its last sign of life';
comment on column pgdevstate.member.beat_age is 'how long ago that was';
comment on column pgdevstate.member.lease is 'it is dead when the last sign of life is older; null: static';
comment on column pgdevstate.member.expires_at is 'static: until when its words count; null: for ever';
comment on column pgdevstate.member.coordinator is 'it sends the pulse, declares others dead and trims the journal';
comment on column pgdevstate.member.owner is 'the login role that writes for it';
comment on column pgdevstate.member.site is 'number of its site';
comment on column pgdevstate.member.site_name is 'name of its site';
