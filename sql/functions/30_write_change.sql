-- Purpose: write one change of one entity to the journal, in as many chunks as it needs. The
--          caller holds the head's lock. p_lines are complete lines; they are divided at line
--          ends only: 7,600 bytes (a line has less than 620) and the header (< 220) are below the
--          limit of 7,900. Where to divide is looked for in the bytes: a line of SQL that takes
--          the text apart cost a sixth of a publish of 512 devices.
--          Each chunk is notified here, or by the ticker.
-- Reads:   site.   Writes: change; notifies.   Errors: none.
create or replace function pgdevstate.write_change(
	p_site smallint, p_entity_id macaddr, p_incarnation uuid, p_from_seq bigint, p_to_seq bigint,
	p_flags text, p_now timestamptz, p_lines text,
	p_continues uuid default null, p_continues_seq bigint default null)
returns void
language plpgsql
as $$
declare
	v_head text := pg_catalog.concat_ws(e'\t', '1', 'C', p_site, p_entity_id, p_incarnation, p_from_seq, p_to_seq);
	v_tail text := pg_catalog.concat_ws(e'\t', '', p_flags, coalesce(p_continues::text, '-'),
		coalesce(p_continues_seq, 0), pgdevstate.clock_us(p_now)) || e'\n';
	v_told boolean;
	v_channel text;
	v_bytes bytea;
	v_at int := 0;
	v_end int;
	v_parts text[] := '{}'::text[];
begin
	-- behind the head's lock, so this transaction has its number: ticker_step() counts on that
	select not s.ticker, s.channel into v_told, v_channel from pgdevstate.site s where s.is_here;
	if pg_catalog.octet_length(p_lines) <= 7600 then
		v_parts := array[p_lines];
	else
		v_bytes := pg_catalog.convert_to(p_lines, 'UTF8');
		while v_at < pg_catalog.octet_length(v_bytes) loop
			v_end := least(v_at + 7600, pg_catalog.octet_length(v_bytes));
			while pg_catalog.get_byte(v_bytes, v_end - 1) <> 10 loop -- the end of a line
				v_end := v_end - 1;
			end loop;
			v_parts := v_parts || pg_catalog.convert_from(pg_catalog.substr(v_bytes, v_at + 1, v_end - v_at), 'UTF8');
			v_at := v_end;
		end loop;
	end if;
	for v_chunk in 1..pg_catalog.cardinality(v_parts) loop
		insert into pgdevstate.change (site, entity_id, incarnation, from_seq, to_seq, chunk, chunks, at, told, payload)
		values (p_site, p_entity_id, p_incarnation, p_from_seq, p_to_seq, v_chunk, pg_catalog.cardinality(v_parts), p_now, v_told,
			v_head || e'\t' || v_chunk || e'\t' || pg_catalog.cardinality(v_parts) || v_tail || v_parts[v_chunk])
		returning case when told then pg_catalog.pg_notify(v_channel, payload) end is not null into v_told;
	end loop;
end
$$;
comment on function pgdevstate.write_change(smallint, macaddr, uuid, bigint, bigint, text, timestamptz, text, uuid, bigint) is
	'writes one change of an entity to the journal, in chunks that fit a notification';
