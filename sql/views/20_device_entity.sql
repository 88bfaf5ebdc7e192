create or replace view pgdevstate.device_entity as
select d.device,
	d.entity_id,
	e.name as entity,
	pgdevstate.device_state_name(d.state) as state,
	case p.policy
		when 'local' then false
		when 'latest' then e.kind = 'node' or l.entity_id is not null
		else l.entity_id is not null and (d.held or l.reporting)
	end as counts,
	d.held,
	l.entity_id is not null as alive,
	e.reporting,
	d.stamp as since,
	e.kind,
	e.host,
	d.seq,
	p.policy
from pgdevstate.entity_device d
join pgdevstate.entity e on e.site = d.site and e.entity_id = d.entity_id
left join pgdevstate.living l on l.site = d.site and l.entity_id = d.entity_id
cross join lateral (
	select case when (lower(d.device) like any ((select pgdevstate.policy_matchers('device', '{latest,local}'))::text[])) is not true
		then 'aggregate' else pgdevstate.policy_of('device', d.device) end as policy
) p;
comment on view pgdevstate.device_entity is 'Who says what of each device';
comment on column pgdevstate.device_entity.device is 'device, as PJSIP/1000';
comment on column pgdevstate.device_entity.entity_id is 'who says it';
comment on column pgdevstate.device_entity.entity is 'name of the entity';
comment on column pgdevstate.device_entity.state is 'what it says, a word';
comment on column pgdevstate.device_entity.counts is 'this row counts: the entity is alive, and the row is held or the entity reports; under latest a node''s last word stays; under local none does';
comment on column pgdevstate.device_entity.held is 'set by console, SQL or dialplan';
comment on column pgdevstate.device_entity.alive is 'the entity is alive';
comment on column pgdevstate.device_entity.reporting is 'the entity''s PBX has reported fully';
comment on column pgdevstate.device_entity.since is 'when it was said';
comment on column pgdevstate.device_entity.kind is 'node or static';
comment on column pgdevstate.device_entity.host is 'host of the entity';
comment on column pgdevstate.device_entity.seq is 'the entity''s change that wrote it';
comment on column pgdevstate.device_entity.policy is 'the device''s policy: aggregate, latest or local';
