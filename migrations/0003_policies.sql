-- Policies by pattern, and their version, by which nodes notice that they changed.
alter table pgdevstate.site add column policy_version bigint not null default 0;
comment on column pgdevstate.site.policy_version is 'grows with each change of policies, at least the clock in microseconds; 0: there never was one';

create domain pgdevstate.key_kind as text collate "C"
	constraint kind_is_device_or_mailbox check (value in ('device', 'mailbox'));
comment on domain pgdevstate.key_kind is 'device or mailbox';

create table pgdevstate.policy (
	site smallint not null,
	kind pgdevstate.key_kind not null,
	pattern pgdevstate.legal_name not null,
	policy text collate "C" not null,
	note text not null default '',
	set_by name not null default session_user,
	set_at timestamptz not null default clock_timestamp(),
	matcher text collate "C" not null generated always as (replace(replace(replace(replace(replace(
		lower(pattern), e'\\', e'\\\\'), '%', e'\\%'), '_', e'\\_'), '*', '%'), '?', '_')) stored,
	characters int not null generated always as (char_length(translate(pattern, '*?', ''))) stored,
	constraint policy_pkey primary key (site, kind, matcher),
	constraint policy_site_fkey foreign key (site) references pgdevstate.site (site),
	constraint policy_is_one_of_its_kind check (policy = any (case kind
		when 'device' then array['aggregate', 'latest', 'local'] else array['latest', 'sum', 'max'] end)),
	constraint policy_pattern_can_match check (kind = 'device' or pattern ~ '[@*]')
);
comment on table pgdevstate.policy is 'Policies of keys, by pattern; what no pattern matches is aggregate (devices) or latest (mailboxes). Change it with set_policy() and clear_policy(), which tell the nodes';
comment on column pgdevstate.policy.site is 'the site whose nodes go by it';
comment on column pgdevstate.policy.kind is 'device or mailbox';
comment on column pgdevstate.policy.pattern is 'name of devices, or mailbox@context, with * (anything) and ? (one character); ASCII letters match without case. Of several that match, the one with the most other characters applies';
comment on column pgdevstate.policy.policy is 'devices: aggregate (added up), latest (the last word wins), local (not shared); mailboxes: latest, sum, max';
comment on column pgdevstate.policy.note is 'why, for people';
comment on column pgdevstate.policy.set_by is 'the role that set it';
comment on column pgdevstate.policy.set_at is 'when it was set';
comment on column pgdevstate.policy.matcher is 'the pattern as LIKE has it, in lower case';
comment on column pgdevstate.policy.characters is 'how many of its characters are no wildcards';

-- oldest_node stays: older nodes go on working until the first policy is set
update pgdevstate.installed set version = 3;
