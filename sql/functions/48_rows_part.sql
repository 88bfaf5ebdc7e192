-- Purpose: the next lines of an entity's rows, behind a name: read_rows() goes from part to part
--          along the primary key. So the first of a million rows is sent at once, and nothing is
--          sorted or counted over all of them. 200 devices or 100 mailboxes keep a chunk below
--          64 KiB whatever the names.

-- device_part: D lines, and the last device in them; null where there is none behind p_after.
-- Reads: entity_device. Writes: nothing. Errors: none.
create or replace function pgdevstate.device_part(
	p_site smallint, p_entity_id macaddr, p_after text, p_at timestamptz, out lines text, out last text)
language sql stable
as $$
	select e'D\t' || pg_catalog.string_agg(r.line, e'\nD\t') || e'\n', pg_catalog.max(r.device)
	from (
		select d.state || case when d.held then e'\th\t' else e'\t-\t' end
			|| (date_part('epoch', p_at - d.stamp) * 1000000)::bigint || e'\t' || d.device as line, d.device::text as device
		from pgdevstate.entity_device d
		where d.site = p_site and d.entity_id = p_entity_id and d.device > p_after
		order by d.device
		limit 200
	) r
$$;
comment on function pgdevstate.device_part(smallint, macaddr, text, timestamptz) is
	'part of read_rows: lines of the devices behind one, and the last of them';

-- mailbox_part: M lines, and the last mailbox and context in them.
-- Reads: entity_mailbox. Writes: nothing. Errors: none.
create or replace function pgdevstate.mailbox_part(
	p_site smallint, p_entity_id macaddr, p_after text[], p_at timestamptz, out lines text, out last text[])
language sql stable
as $$
	select pg_catalog.string_agg(r.line, ''), pg_catalog.max(r.name)
	from (
		select pg_catalog.concat_ws(e'\t', 'M', m.urgent_messages, m.new_messages, m.old_messages,
			case when m.held then 'h' else '-' end,
			(date_part('epoch', p_at - m.stamp) * 1000000)::bigint, m.mailbox, m.context) || e'\n' as line,
			array[m.mailbox::text, m.context::text] as name
		from pgdevstate.entity_mailbox m
		where m.site = p_site and m.entity_id = p_entity_id and (m.mailbox, m.context) > (p_after[1], p_after[2])
		order by m.mailbox, m.context
		limit 100
	) r
$$;
comment on function pgdevstate.mailbox_part(smallint, macaddr, text[], timestamptz) is
	'part of read_rows: lines of the mailboxes behind one, and the last of them';
