-- Devices that are added up, and then, where there are such policies at all, those where the last
-- word wins: of all entities, also of dead ones (only a static entity's word ends with its time).
-- Devices that are not shared are not there. Policies are looked up for what a pattern with
-- another policy matches, once for each device: the aggregate in HAVING keeps the look behind the grouping.
-- The living are few and are worked out once, before the rows are read: to a million of rows nothing
-- but one small hash table is joined. State is spelled out, not device_state_sum(): the words are
-- inlined then, instead of a call for each device.
create or replace view pgdevstate.device as
(with l as materialized (select * from pgdevstate.living)
select d.device,
	pgdevstate.device_state_name(pgdevstate.device_state_of_set(bit_or(1 << d.state))) as state,
	count(*) as entities,
	max(d.stamp) as since,
	'aggregate'::text as policy
from pgdevstate.entity_device d
join l on l.site = d.site and l.entity_id = d.entity_id
where d.held or l.reporting
group by d.device
having case when bit_or(1 << d.state) is not null then
	(select pgdevstate.policy_matchers('device', '{latest,local}')) is null
	or (lower(d.device) like any ((select pgdevstate.policy_matchers('device', '{latest,local}'))::text[])) is not true
	or pgdevstate.policy_of('device', d.device) = 'aggregate'
end)
union all
(with l as materialized (select * from pgdevstate.living)
select d.device,
	pgdevstate.device_state_name((array_agg(d.state::int order by d.stamp desc, d.entity_id desc))[1]),
	count(*),
	max(d.stamp),
	'latest'::text
from pgdevstate.entity_device d
join pgdevstate.entity e on e.site = d.site and e.entity_id = d.entity_id
left join l on l.site = d.site and l.entity_id = d.entity_id
where (select pgdevstate.policy_matchers('device', '{latest}')) is not null
	and lower(d.device) like any ((select pgdevstate.policy_matchers('device', '{latest}'))::text[])
	and (e.kind = 'node' or l.entity_id is not null)
group by d.device
having case when count(*) > 0 then pgdevstate.policy_of('device', d.device) = 'latest' end);
comment on view pgdevstate.device is 'The state of each device across the cluster: what all living entities say, added together, or the last word, as the device''s policy is';
comment on column pgdevstate.device.device is 'device, as PJSIP/1000';
comment on column pgdevstate.device.state is 'its state, a word';
comment on column pgdevstate.device.entities is 'how many entities say something that counts';
comment on column pgdevstate.device.since is 'the newest change among what counts';
comment on column pgdevstate.device.policy is 'aggregate: added up; latest: the last word';
