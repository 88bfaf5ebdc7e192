-- Several sessions at once: publishing, resuming, beginning new runs, ticking, each at random;
-- no deadlock, and what the journal tells is what the tables have.
\ir lib/node.sql
create extension dblink;
select no_plan();

create table public.worker (n int primary key, id macaddr not null, incarnation uuid, session uuid, acked bigint, token uuid);
insert into public.worker select g, ('0200000001' || lpad(to_hex(g), 2, '0'))::macaddr from generate_series(1, 6) g;

-- one step of a node; another worker's step may reap it, which it must survive
create procedure public.step(p_n int)
language plpgsql as $$
declare
	v_me public.worker;
	v_got record;
	v_what float8 := random();
begin
	select w.* into v_me from public.worker w where w.n = p_n;
	if v_me.session is null or v_what < 0.02 then
		update pgdevstate.heartbeat set alive = false where entity_id = v_me.id;
		v_me.incarnation := gen_random_uuid();
		v_got := pgdevstate.register(v_me.id, v_me.incarnation, 'w' || p_n, 'h', p_n, 'b', 'v', 10000);
		v_me.session := v_got.session;
		v_me.acked := v_got.seq;
	elsif v_what < 0.06 then
		v_got := pgdevstate.resume(v_me.id, v_me.incarnation, v_me.acked - (random() < 0.5)::int, 'w' || p_n, 'h', p_n, 'b');
		if v_got.outcome not in ('resumed', 'lost') then
			raise exception 'resume of % at %: %', p_n, v_me.acked, v_got;
		end if;
		v_me.session := v_got.session;
		v_me.acked := v_got.seq;
	elsif v_what < 0.2 then
		begin
			v_got := pgdevstate.tick(v_me.id, v_me.incarnation, v_me.session, v_me.token);
			v_me.token := v_got.token;
		exception when sqlstate 'PD002' then
			null; -- who is dead does not become the coordinator
		end;
	else
		begin
			select p.* into v_got
			from (
				select array_agg('d' || (random() * 30)::int) as devices, array_agg((random() * 9 - 1)::int) as states,
					array_agg(random() < 0.2) as held, array_agg(0::bigint) as ages
				from generate_series(0, (random() * random() * 40)::int)
			) b
			cross join lateral pgdevstate.publish(v_me.id, v_me.incarnation, v_me.session, b.devices, b.states, b.held, b.ages,
				array['m' || (random() * 5)::int], '{c}', array[(random() * 3 - 1)::int], '{1}', '{1}', '{f}', '{0}',
				random() < 0.1, case when random() < 0.1 then random() < 0.5 end) p;
			if v_got.seq not in (v_me.acked, v_me.acked + 1) then
				raise exception 'publish of %: % after %', p_n, v_got.seq, v_me.acked;
			end if;
			v_me.acked := v_got.seq;
		exception when sqlstate 'PD002' then
			v_got := pgdevstate.resume(v_me.id, v_me.incarnation, v_me.acked, 'w' || p_n, 'h', p_n, 'b');
			if v_got.outcome <> 'resumed' then
				raise exception 'reaped, then resume of % at %: %', p_n, v_me.acked, v_got;
			end if;
			v_me.session := v_got.session;
			v_me.acked := v_got.seq;
		end;
	end if;
	commit;
	update public.worker w set (incarnation, session, acked, token) = (v_me.incarnation, v_me.session, v_me.acked, v_me.token) where w.n = p_n;
	commit;
end
$$;
create procedure public.work(p_n int, p_steps int)
language plpgsql as $$
begin
	for i in 1..p_steps loop
		if random() < 0.03 then -- late with its beat: who ticks next reaps it
			update pgdevstate.heartbeat set beat_at = clock_timestamp() - interval '1 minute'
			where entity_id = (select w.id from public.worker w where w.n = p_n);
			commit;
		end if;
		if random() < 0.05 then -- the coordinator is late too: another may take over
			update pgdevstate.coordinator set renewed_at = '-infinity';
			commit;
		end if;
		call public.step(p_n);
	end loop;
end
$$;

update pgdevstate.setting set value = 100000000 where name in ('journal_keep_rows', 'journal_keep_s');
select dblink_connect('w' || n, pg_temp.conninfo()) from worker order by n \g /dev/null
-- warnings are of superusers' sessions that cannot be ended, as they are here
select dblink_exec('w' || n, 'set client_min_messages = error') from worker order by n \g /dev/null
select dblink_send_query('w' || n, format('call public.work(%s, 300)', n)) from worker order by n \g /dev/null
create temp table ended (n int, message text);
do $$
begin
	for n in 1..6 loop
		begin
			perform from dblink_get_result('w' || n) as r(x text);
			insert into ended values (n, 'ok');
		exception when others then
			insert into ended values (n, sqlstate || ' ' || sqlerrm);
		end;
	end loop;
end
$$;
select is(message, 'ok', 'worker ' || n) from ended order by n;
select cmp_ok(sum(seq), '>', 600::numeric, format('%s changes', sum(seq))) from pgdevstate.entity;
select cmp_ok(pulse, '>', 10::bigint, format('%s pulses', pulse)) from pgdevstate.coordinator;

-- the journal of each entity leads from 0 to its head without a gap
select is(string_agg(concat_ws(' ', entity_id, from_seq, was), ', '), null, 'every change continues the one before')
from (
	select entity_id, from_seq, chunk, lag(to_seq, 1, 0::bigint) over (partition by entity_id order by to_seq, id) as was
	from pgdevstate.change
	where chunk = 1
) c
where from_seq <> was;
select is(max(c.to_seq), e.seq, e.name || ' is where its journal ends')
from pgdevstate.entity e join pgdevstate.change c using (entity_id) group by e.name, e.seq order by 1;

-- played back, newest last, it is the rows
create temp table line as
select c.entity_id, c.to_seq, c.chunk, l.n, string_to_array(l.line, e'\t') as f
from pgdevstate.change c
cross join lateral string_to_table(c.payload, e'\n') with ordinality l(line, n)
where l.n > 1 and l.line <> '';
create temp table replayed as
select distinct on (entity_id, key) entity_id, key, value
from (
	select entity_id, to_seq, chunk, n,
		case when f[1] in ('D', 'd') then 'device ' || f[array_length(f, 1)] else 'mailbox ' || f[array_length(f, 1) - 1] || '@' || f[array_length(f, 1)] end as key,
		case f[1] when 'D' then f[2] || f[3] when 'M' then f[2] || ' ' || f[3] || ' ' || f[4] || f[5] end as value
	from line
	where f[1] <> 'E'
) k
order by entity_id, key, to_seq desc, chunk desc, n desc;
delete from replayed where value is null;
select is(pg_temp.rows('select entity_id, key, value from replayed order by entity_id, key collate "C"'), pg_temp.rows($$
	select entity_id, 'device ' || device as key, state || case when held then 'h' else '-' end as value from pgdevstate.entity_device
	union all
	select entity_id, 'mailbox ' || mailbox || '@' || context,
		concat_ws(' ', urgent_messages, new_messages, old_messages) || case when held then 'h' else '-' end from pgdevstate.entity_mailbox
	order by 1, 2$$), 'the journal played back is the rows');
drop table worker cascade;

select * from finish();
