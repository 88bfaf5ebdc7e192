-- Sites and settings.
create table pgdevstate.site (
	site smallint not null,
	name text not null,
	channel text not null,
	is_here boolean not null default false,
	policy_version bigint not null default 0,
	ticker boolean not null default false,
	constraint site_pkey primary key (site),
	constraint site_number_is_positive check (site > 0),
	constraint site_name_key unique (name),
	constraint site_channel_is_an_identifier check (channel ~ '^[a-z_][a-z0-9_]{0,62}$')
);
create unique index site_one_is_here on pgdevstate.site (is_here) where is_here;
comment on table pgdevstate.site is 'Sites, each with a PostgreSQL of its own; today there is one. The number is part of every key';
comment on column pgdevstate.site.site is 'number of the site';
comment on column pgdevstate.site.name is 'its name, for people';
comment on column pgdevstate.site.channel is 'NOTIFY channel of the site. A secret: whoever knows it can listen and forge; register() tells it to nodes';
comment on column pgdevstate.site.is_here is 'this database is that site';
comment on column pgdevstate.site.policy_version is 'grows with each change of policies, at least the clock in microseconds; 0: there never was one';
comment on column pgdevstate.site.ticker is 'changes are told by the ticker (relay()), not by the transactions that write them; tick() chooses';

create table pgdevstate.setting (
	site smallint not null default 1,
	name text not null,
	value bigint not null,
	comment text not null,
	constraint setting_pkey primary key (site, name),
	constraint setting_site_fkey foreign key (site) references pgdevstate.site (site),
	constraint setting_value_is_not_negative check (value >= 0)
);
comment on table pgdevstate.setting is 'Numbers that an administrator may change; they take effect at the next tick';
comment on column pgdevstate.setting.site is 'whose number it is';
comment on column pgdevstate.setting.name is 'name of the setting; its unit is part of the name';
comment on column pgdevstate.setting.value is 'its value';
comment on column pgdevstate.setting.comment is 'what it does';
