-- Exact leases: since when a node's signs of life came without a gap. With it tick() tells whether
-- the database was away, or only the node that reaped; reap_gap_ms guessed.
alter table pgdevstate.heartbeat add column steady_since timestamptz not null default clock_timestamp();
comment on column pgdevstate.heartbeat.steady_since is 'since when its signs of life came without a gap (beat_gap()): so long it knows that the database was there';

delete from pgdevstate.setting where name = 'reap_gap_ms';
update pgdevstate.installed set version = 2;
