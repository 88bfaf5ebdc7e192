-- Devices that are added up, and then, where there are such policies at all, those where the last
-- word wins: of all entities, also of dead ones (only a static entity's word ends with its time).
-- Devices that are not shared are not there. Policies are looked up for what a pattern with
-- another policy matches, once for each device: the aggregate in HAVING keeps the look behind the grouping.
-- The living are few and are worked out once, before the rows are read. Where they are of one site, and so
-- few that going through them takes less time than hashing, a row's entity is looked for in an array; else
-- in a hash table. No join: rows stay in the index's order, and nothing outgrows work_mem. "Is not null"
-- tells the planner that most rows count; else it takes half of them for lost, and groups them on disk.
-- State is spelled out, not device_state_sum(): the words are inlined then, instead of a call for each device.
create or replace view pgdevstate.device as
(with l as materialized (select * from pgdevstate.living),
	few as materialized (
		select min(l.site) as site,
			array_agg(l.entity_id::macaddr) as living,
			array_agg(l.entity_id::macaddr) filter (where l.reporting) as reporting
		from l
		having count(*) <= 32 and min(l.site) = max(l.site)
	)
select d.device,
	pgdevstate.device_state_name(pgdevstate.device_state_of_set(bit_or(1 << d.state))) as state,
	count(*) as entities,
	max(d.stamp) as since,
	'aggregate'::text as policy
from pgdevstate.entity_device d
where case when case when d.site = (select few.site from few)
		then d.entity_id = any (case when d.held then (select few.living from few) else (select few.reporting from few) end)
		else (d.site, d.entity_id, d.held) in (
			select l.site, l.entity_id, h.held from l cross join (values (true), (false)) h (held) where h.held or l.reporting)
	end then true end is not null
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
