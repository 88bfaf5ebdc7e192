create or replace view pgdevstate.device as
select d.device,
	pgdevstate.device_state_sum(1 << d.state) as state,
	count(*) as entities,
	max(d.stamp) as since
from pgdevstate.entity_device d
join pgdevstate.living l on l.site = d.site and l.entity_id = d.entity_id
where d.held or l.reporting
group by d.device;
comment on view pgdevstate.device is 'The state of each device across the cluster: what all living entities say, added together';
comment on column pgdevstate.device.device is 'device, as PJSIP/1000';
comment on column pgdevstate.device.state is 'its state, a word';
comment on column pgdevstate.device.entities is 'how many entities say something that counts';
comment on column pgdevstate.device.since is 'the newest change among what counts';
