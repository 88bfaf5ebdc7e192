-- Purpose: write one change of one entity to the journal, in as many chunks as it needs. The
--          caller holds the head's lock. p_lines are complete lines; they are divided at line
--          ends only: 7,000 bytes and at most one more line (< 620) and the header (< 220) are
--          below the limit of 7,900.
-- Reads:   site.   Writes: change (its trigger notifies, or the ticker will).   Errors: none.
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
begin
	-- behind the head's lock, so this transaction has its number: ticker_step() counts on that
	select not s.ticker into v_told from pgdevstate.site s where s.is_here;
	if pg_catalog.octet_length(p_lines) <= 7600 then
		insert into pgdevstate.change (site, entity_id, incarnation, from_seq, to_seq, chunk, chunks, at, told, payload)
		values (p_site, p_entity_id, p_incarnation, p_from_seq, p_to_seq, 1, 1, p_now, v_told,
			v_head || e'\t1\t1' || v_tail || p_lines);
		return;
	end if;
	with line as (
		select l.n, l.line, pg_catalog.sum(pg_catalog.octet_length(l.line) + 1) over (order by l.n)
			- pg_catalog.octet_length(l.line) - 1 as start
		from pg_catalog.string_to_table(pg_catalog.rtrim(p_lines, e'\n'), e'\n') with ordinality as l(line, n)
	), part as (
		select l.start / 7000 + 1 as chunk, pg_catalog.string_agg(l.line, e'\n' order by l.n) || e'\n' as lines
		from line l
		group by 1
	)
	insert into pgdevstate.change (site, entity_id, incarnation, from_seq, to_seq, chunk, chunks, at, told, payload)
	select p_site, p_entity_id, p_incarnation, p_from_seq, p_to_seq, p.chunk, p.chunks, p_now, v_told,
		v_head || e'\t' || p.chunk || e'\t' || p.chunks || v_tail || p.lines
	from (
		select pg_catalog.row_number() over (order by q.chunk) as chunk, pg_catalog.count(*) over () as chunks, q.lines
		from part q
	) p
	order by p.chunk;
end
$$;
comment on function pgdevstate.write_change(smallint, macaddr, uuid, bigint, bigint, text, timestamptz, text, uuid, bigint) is
	'writes one change of an entity to the journal, in chunks that fit a notification';
