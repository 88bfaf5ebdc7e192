-- Who counts: alive, the beat within the lease, the time to live not over. The beat is tested
-- here too, for the time when nobody is left to reap. For the other views; not for the reader.
create or replace view pgdevstate.living as
select e.site, e.entity_id, e.reporting
from pgdevstate.entity e
join pgdevstate.heartbeat h on h.site = e.site and h.entity_id = e.entity_id
where h.alive
	and (h.lease_ms is null or h.beat_at + h.lease_ms * interval '1 millisecond' > statement_timestamp())
	and (e.expires_at is null or e.expires_at > statement_timestamp());
comment on view pgdevstate.living is 'Entities that are alive at this moment, whether they were reaped or not';
comment on column pgdevstate.living.site is 'the entity''s site';
comment on column pgdevstate.living.entity_id is 'the entity';
comment on column pgdevstate.living.reporting is 'its PBX''s full report is complete: rows that are not held count';
