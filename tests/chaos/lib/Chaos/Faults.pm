# The faults. Each is a table:
#
#   name      as it is printed               short   1: also in the short form
#   group     'server': one of them at a time in a mix;  'alone': in no mix;  else nothing
#   takes     how many nodes it has to do with (1)
#   rank      in a mix: who has a lower one begins first (1): 0 needs nodes that are connected, 2 cuts
#             them off, 3 may be one of the server, which others need to begin
#   hold      seconds that it lasts
#   prepare   before the load begins         begin   makes it
#   proof     while it lasts: did it really happen?  (not in mixes, where the server may be away)
#   end       ends it; what a stopped process does after its SIGCONT is on the clock
#   after     when all agree: did it really happen, and was it said?
#   again     [name, sub]: a second act with an agreement of its own; in a mix the sub is the end
#   lossy     who may forget acknowledged words when it was killed in the same round (its own word
#             is nobody's any more): 'nodes', or 'all': SQL's words too
#
# Each of these subs gets the table itself, and keeps there what it did.
package Chaos::Faults;
use lib 'tests/flow/lib', 'tests/chaos/lib';
use Flow;
use Chaos::World;
use Chaos::Load;
use Chaos::Pbx;
use Time::HiRes qw(time sleep);

our @ISA    = ('Exporter');
our @EXPORT = qw(@faults %busy $mixing hold);
use constant HOLD => LEASE + 1.5;
our (%busy, $mixing);
my $dids = 0;

sub hold { sleep $_[0] // HOLD }
sub any { my @from = @_; return $from[ rand @from ] }

# A living node, in a mix one that no other fault has to do with if there is one.
sub node {
    my ($f, @from) = @_;
    @from = living() unless @from;
    my $node = any(grep { !$busy{ $_->{name} } } @from) // any(@from) // give_up("$f->{name}: no node is left for it");
    $busy{ $node->{name} } = 1;
    return $f->{node} = $node;
}
sub coordinating { my ($f) = @_; my $c = coordinator(); return $busy{ $c->{name} } ? node($f) : node($f, $c) }

sub stop_process {
    my (@pids) = @_;
    kill 'STOP', @pids;
    poll { @pids == grep { state_of($_) =~ /[TZ]|^$/ } @pids } 'they are stopped';
}
sub stats_sum { my ($what) = @_; my $n = 0; $n += $_->stats->{$what} for living(); return $n }

# It is out, or gave up the session that did not answer, and is back on another.
sub was_out {
    my ($f) = @_;
    my $node = $f->{node};
    ok(node_dead($node) || (state_of($node->{pid}) ne 'T' && $node->stats->{connects} > $f->{connects}), "... $node->{name} was out");
}

# Stopped past its lease; it is out by then.
sub stopped {
    my ($name, $short, $pids, @more) = @_;
    return {
        @more,
        name  => $name, short => $short,
        begin => sub {
            my ($f) = @_;
            $f->{pids} = [$pids->($f)];
            $f->{connects} = $f->{node}->stats->{connects} unless $mixing;
            stop_process(@{ $f->{pids} });
        },
        proof => \&was_out,
        end   => sub { my ($f) = @_; kill 'CONT', @{ $f->{pids} } },
    };
}

# A session that holds the node's head, so that its publish() waits inside; {pid}: who waits.
sub connected { my ($node) = @_; return state_of($node->{pid}) ne 'T' && $node->stats->{phase} eq 'ready' }

sub hold_publish {
    my ($f) = @_;
    my $node = node($f, grep { connected($_) } living());
    $f->{lock} = fork // die "fork: $!";
    if ($f->{lock} == 0) {
        open(STDOUT, '>', '/dev/null');
        open(STDERR, '>', '/dev/null');
        exec('psql', '-Xq', '-c', 'begin', '-c', "select from pgdevstate.entity where name = '$node->{name}' for update",
            '-c', "select pg_sleep(60) /* $node->{name} */", $pg->conninfo) or POSIX::_exit(127);
    }
    poll {
        $f->{pid} = $pg->psql("select pid from pg_stat_activity where usename = 'node_$node->{name}'"
                . " and state = 'active' and wait_event_type = 'Lock' and query ~ 'publish'")
    } 'a publish() waits';
}

sub let_publish {
    my ($f) = @_;
    kill 'KILL', $f->{lock};
    waitpid $f->{lock}, 0;
    my $server = $f->{server} // $pg;
    eval { $server->psql("select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'pg_sleep.*$f->{node}{name}' and pid <> pg_backend_pid()") };
}

sub stopped_publish {
    return {
        name  => 'a backend stopped in publish()', short => 1, rank => 0,
        begin => sub {
            my ($f) = @_;
            hold_publish($f);
            $f->{connects} = $f->{node}->stats->{connects} unless $mixing;
            stop_process($f->{pid});
            let_publish($f);
        },
        proof => \&was_out,
        end   => sub { my ($f) = @_; kill 'CONT', $f->{pid} },
    };
}

sub killed_publish {
    return {
        name => 'kill -9 of a backend in publish()', hold => 0, lossy => 'nodes', group => 'server',
        begin => sub { my ($f) = @_; hold_publish($f); crash_backend($f, $f->{pid}); let_publish($f) },
        end   => sub { await_server() },
        after => \&server_crashed,
    };
}

sub crash_backend {
    my ($f, $pid) = @_;
    $f->{from} = $pg->log_size;
    kill('KILL', $pid) == 1 or give_up("$f->{name}: there is no backend $pid");
    poll { $pg->log_since($f->{from}) =~ /was terminated by signal 9/ } 'the server noticed';
}
sub await_server { poll { $pg->psql('select 1') } 'the server is back' }

sub server_crashed {
    my ($f) = @_;
    like($pg->log_since($f->{from}), qr/was terminated by signal 9.*all server processes terminated; reinitializing/s, '... the server began anew')
        unless $mixing;
}

sub killed_backend {
    return {
        name => 'kill -9 of a backend', short => 1, hold => 0, lossy => 'nodes', group => 'server',
        begin => sub { my ($f) = @_; crash_backend($f, backend(node($f, grep { connected($_) } living()))) },
        end   => sub { await_server() },
        after => \&server_crashed,
    };
}

sub killed {
    my ($name, $short, $pick, @more) = @_;
    return {
        name  => $name, short => $short, hold => 0, group => 'kill', @more,
        begin => sub {
            my ($f) = @_;
            $f->{nodes} = [$pick->($f)];
            for my $node (@{ $f->{nodes} }) {
                $busy{ $node->{name} } = 1;
                load_killed($node);
                is($node->kill('KILL'), 128 + 9, "... $node->{name} was killed");
            }
        },
        end   => sub { },
        again => ['... and started again', sub { my ($f) = @_; $_->spawn for @{ $f->{nodes} } }],
    };
}

# Away past the lease. `stop` ends it, what it was is proved by its log.
sub server_away {
    my ($name, $short, $stop, $lossy) = @_;
    return {
        name  => $name, short => $short, lossy => $lossy, group => 'server', takes => 0,
        begin => sub {
            my ($f) = @_;
            $f->{connects} = stats_sum('connects') unless $mixing;
            $stop->();
            poll { !eval { $pg->psql('select 1') } } 'it is away';
        },
        end   => sub { poll { eval { $pg->start; 1 } } 'it starts' },
        after => sub { my ($f) = @_; cmp_ok(stats_sum('connects') - $f->{connects}, '>=', scalar living(), '... all came back') unless $mixing },
    };
}

my @ways = ('to the server', 'to the node');

sub half_open {
    my ($name, $short, $how_many, @drop) = @_;
    return {
        name  => $name, short => $short, group => 'net', rank => 2, takes => $how_many,
        begin => sub {
            my ($f) = @_;
            my @far = far_nodes();
            @far = node($f, @far) if $how_many == 1;
            $f->{far} = \@far;
            $busy{ $_->{name} } = 1 for @far;
            network_drop($_, @drop) for @far;
        },
        proof => sub { my ($f) = @_; ok(node_dead($_), "... $_->{name} was out") for @{ $f->{far} } },
        end   => sub { my ($f) = @_; network_pass($_, @drop) for @{ $f->{far} } },
    };
}

# What a helper did: as many bytes as times.
sub did_file { my ($f) = @_; return $f->{did} //= "$Flow::DIR/did." . ++$dids }

sub did {
    my ($f) = @_;
    open(my $out, '>>', did_file($f)) or die "$!\n";
    syswrite $out, '.';
}

# On and off, a third of a second each, one way or the other.
sub flapping {
    return {
        name  => 'a network that flaps', group => 'net', rank => 2,
        begin => sub {
            my ($f) = @_;
            my $node = node($f, far_nodes());
            did_file($f);
            $f->{helper} = helper(sub {
                my $way = any(@ways);
                network_drop($node, $way);
                did($f);
                sleep 0.1 + rand 0.4;
                network_pass($node, $way);
                sleep 0.1 + rand 0.4;
            });
        },
        proof => sub { my ($f) = @_; poll { (-s did_file($f) // 0) > 2 } 'it flapped' },
        end => sub { my ($f) = @_; helper_end($f->{helper}); network_clear($f->{node}) },
    };
}

# All sessions of all nodes are ended by the server, again and again.
sub cut {
    return {
        name  => 'all connections cut, again and again', short => 1, hold => 3, takes => 0,
        begin => sub {
            my ($f) = @_;
            $f->{connects} = stats_sum('connects') unless $mixing;
            my $server = $pg;
            $f->{helper} = helper(sub {
                sleep rand 0.6;
                $server->psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgdevstated'");
            });
        },
        proof => sub { my ($f) = @_; poll { stats_sum('connects') - $f->{connects} >= 2 * living() } 'all were cut more than once' },
        end   => sub { my ($f) = @_; helper_end($f->{helper}) },
    };
}

sub reads { my ($node) = @_; my $s = $node->stats; return $s->{reloads} + $s->{snapshots} }

sub trim {
    return {
        name  => 'journal trimmed under a stopped node',
        begin => sub {
            my ($f) = @_;
            my $node = node($f);
            $f->{read} = reads($node) unless $mixing;
            stop_process($node->{pid});
        },
        proof => sub {
            my ($f) = @_;
            cmp_ok($pg->psql('with gone as (delete from pgdevstate.change returning 1) select count(*) from gone'), '>', 20, '... there was a journal');
            ok(node_dead($f->{node}), "... $f->{node}{name} was out");
        },
        end => sub { my ($f) = @_; eval { $pg->psql('delete from pgdevstate.change') } if $mixing; kill 'CONT', $f->{node}{pid} },
        after => sub { my ($f) = @_; cmp_ok(reads($f->{node}), '>', $f->{read}, '... it read the rows') unless $mixing },
    };
}

sub trim_often {
    return {
        name  => 'journal trimmed again and again, connections cut', hold => 3, takes => 0,
        begin => sub {
            my ($f) = @_;
            my $server = $pg;
            did_file($f);
            $f->{helper} = helper(sub {
                did($f) if $server->psql('with gone as (delete from pgdevstate.change returning 1) select count(*) from gone');
                $server->psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgdevstated' and random() < 0.2");
                sleep 0.1;
            });
        },
        proof => sub { my ($f) = @_; poll { (-s did_file($f) // 0) > 2 } 'it was trimmed' },
        end => sub { my ($f) = @_; helper_end($f->{helper}) },
    };
}

my $twins = 0;

sub twin {
    return {
        name  => 'a twin started and stopped', hold => 1, group => 'alone',
        begin => sub {
            my ($f) = @_;
            $f->{twin} = new_twin(node($f), 'twin' . ++$twins)->spawn;
            poll { $f->{twin}->stats->{phase} eq 'refused' } 'the twin is refused';
        },
        proof => sub {
            my ($f) = @_;
            my ($out, $err, $status) = $f->{twin}->run('devstate change Custom:shared1 BUSY');
            is($status, 1, '... the twin may not write') or diag($out . $err);
        },
        end => sub { my ($f) = @_; $f->{twin}->kill('TERM') },
    };
}

# As when its machine is suspended; or all machines.
sub suspended {
    my ($name, $group, @others) = @_;
    return {
        name  => $name, group => $group, takes => 0,
        begin => sub { my ($f) = @_; $f->{pids} = [server_processes(), @others ? map { $_->{pid} } living() : ()]; stop_process(@{ $f->{pids} }) },
        end   => sub { my ($f) = @_; kill 'CONT', @{ $f->{pids} } },
    };
}

# Behind everybody's back: equal heads, other rows. Only the audit can find that.
sub tampered {
    return {
        name  => 'rows changed by hand', hold => 0, group => 'alone',
        begin => sub {
            my ($f) = @_;
            my $id = node($f)->{entity_id};
            load_quiet();
            load_wait();
            $f->{bad} = stats_sum('audits_bad');
            my $n = $pg->psql("with d as (update pgdevstate.entity_device set state = (state + 1 + floor(random() * 8)::int) % 9 where entity_id = '$id' returning 1),"
                    . " m as (delete from pgdevstate.entity_mailbox where entity_id = '$id' returning 1) select (select count(*) from d) + (select count(*) from m)");
            cmp_ok($n, '>', 0, '... there was something to change');
        },
        end   => sub { },
        after => sub { my ($f) = @_; cmp_ok(stats_sum('audits_bad'), '>', $f->{bad}, '... an audit found it') },
    };
}

# The server crashes, twice, while the coordinator is stopped.
sub crashes {
    return {
        name => 'crashes while the coordinator is stopped', lossy => 'nodes', group => 'alone', hold => 0,
        begin => sub {
            my ($f) = @_;
            stop_process(node($f, coordinator())->{pid});
            crash_backend($f, backend(any(grep { $_ != $f->{node} } living())));
            await_server();
            $pg->stop('immediate');
            hold();
            poll { eval { $pg->start; 1 } } 'it starts';
        },
        end => sub { my ($f) = @_; kill 'CONT', $f->{node}{pid} },
    };
}

# A telephone server that dies beside its living node takes its words along, and brings them back.
sub killed_pbx {
    return {
        name  => 'kill -9 of a telephone server', short => 1, hold => 0, group => 'pbx',
        begin => sub { my ($f) = @_; pbx_kill(node($f, grep { pbx_of($_) } living())) },
        end   => sub { },
        again => ['... and started again, its node lives', sub { my ($f) = @_; pbx_start($f->{node}) }],
    };
}

# --- disks
sub small_disks { return grep { $_->{small_disk} } living() }

# It goes on: takes statements, and a new log file that cannot be made; it says so when it can.
sub full_disk {
    return {
        name  => q{a full disk for a node's files}, short => 1, group => 'kill',
        begin => sub { my ($f) = @_; node_fill(node($f, small_disks())) },
        proof => sub {
            my ($f) = @_;
            my $node = $f->{node};
            rename $node->{log_file}, "$node->{log_file}.1" or give_up("$node->{log_file}: $!");
            node_fill($node, "$node->{log_file}.1");
            my $lost = $node->stats->{log_lines_lost};
            $pg->psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'node_$node->{name}'");
            my $was = $node->stats->{connects};
            $node->signal('HUP');
            poll { my $s = $node->stats; $s->{phase} eq 'ready' && $s->{connects} >= $was } 'it goes on';
            cmp_ok($node->stats->{log_lines_lost}, '>', $lost, '... and loses lines of its log');
            ok(!-e $node->{log_file}, '... no new log file could be made');
        },
        end   => sub { my ($f) = @_; node_free($f->{node}) },
        after => sub {
            my ($f) = @_;
            my $node = $f->{node};
            $node->signal('HUP');
            poll { join('', map { slurp($_) } glob "$node->{log_file}*") =~ /lines were lost here/ } 'it says that lines were lost' unless $mixing;
            unlink "$node->{log_file}.1";
        },
    };
}

# Where no socket can be made, a node that is started says so and ends; with room it is there again.
sub full_disk_start {
    return {
        name  => 'a node killed while its disk is full', hold => 0, group => 'kill',
        begin => sub {
            my ($f) = @_;
            my $node = node($f, small_disks());
            load_killed($node);
            $node->kill('KILL');
            unlink glob "$node->{dir}/*.ctl";
            node_fill($node);
            my $at = -s $node->{log};
            $node->spawn;
            my $status = $node->wait_exit;
            ok($status, '... it could not start') and like(substr(slurp($node->{log}), $at), qr/No space left on device/, '... and said why');
        },
        end   => sub { },
        again => ['... and started with room', sub { my ($f) = @_; node_free($f->{node}); $f->{node}->spawn }],
    };
}

# Each fsync and each write takes its time; a checkpoint and a writer that waits for the disk make
# use of it.
sub slow_disk {
    my ($name, $sync_ms, $write_ms, $calls) = @_;
    return {
        name  => $name, group => 'server', hold => HOLD + 2, takes => 0,
        begin => sub {
            my ($f) = @_;
            $f->{slowed} = disk_slowed();
            disk_set($sync_ms, $write_ms);
            my $server = $pg;
            $f->{helper} = helper(sub { $server->psql('checkpoint'); sleep 0.2 });
        },
        proof => sub { my ($f) = @_; poll { disk_slowed() - $f->{slowed} >= $calls } 'calls were slow' },
        end   => sub { my ($f) = @_; disk_set(0, 0); helper_end($f->{helper}) },
    };
}

# No page more for tables: publish() fails, and the server goes on.
sub full_data {
    return {
        name  => 'PostgreSQL: a full disk for data', group => 'server', takes => 0, hold => HOLD,
        begin => sub {
            my ($f) = @_;
            $f->{from}   = $pg->log_size;
            $f->{server} = $pg;
            $pg->psql('vacuum full pgdevstate.change');
            server_disk_fill('data');
            poll { $pg->log_since($f->{from}) =~ /ERROR: .*No space left on device/ } 'something could not be written';
        },
        proof => sub { ok((grep { $_->stats->{unsent} } living()), '... somebody has something unsent') },
        end   => sub { my ($f) = @_; server_disk_free('data', $f->{server}) },
    };
}

# No room for WAL: the server panics, cannot recover, and is started when there is room.
sub full_wal {
    return {
        name => 'PostgreSQL: a full disk for WAL', short => 1, group => 'server', takes => 0, lossy => 'nodes',
        begin => sub {
            my ($f) = @_;
            $f->{from}   = $pg->log_size;
            $f->{server} = $pg;
            server_disk_fill('wal');
            poll {
                eval { $pg->psql(q{select pg_switch_wal() from pg_logical_emit_message(true, 'chaos', 'x')}) };
                $pg->log_since($f->{from}) =~ /PANIC: .*No space left on device/
            } 'the server panics';
        },
        end => sub {
            my ($f) = @_;
            server_disk_free('wal', $f->{server});
            poll { eval { $pg->psql('select 1') } || eval { $pg->start; 1 } } 'it starts';
        },
    };
}

sub clock_jumps {
    my ($name, $seconds) = @_;
    return {
        name  => $name, group => 'server', takes => 0,
        begin => sub { my ($f) = @_; $f->{was} = $pg->psql('select extract(epoch from clock_timestamp())'); disk_set(0, 0, $seconds) },
        proof => sub {
            my ($f) = @_;
            my $now = $pg->psql('select extract(epoch from clock_timestamp())');
            cmp_ok(abs($now - $f->{was} - $seconds), '<', 30, '... it jumped');
        },
        end => sub { disk_set(0, 0, 0) },
    };
}

# --- two servers
# A standby that stopped receiving a second ago is promoted: what was committed since is gone.
sub failover {
    return {
        name => 'failover to a standby that is behind', short => 1, group => 'server', takes => 0, lossy => 'all', hold => 1,
        prepare => sub { my ($f) = @_; $f->{standby} = standby_make(); $f->{rewinds} = stats_sum('rewinds') },
        begin => sub {
            my ($f) = @_;
            $f->{standby}->psql_in('postgres', q{alter system set primary_conninfo = ''});
            $f->{standby}->psql_in('postgres', 'select pg_reload_conf()');
            poll { $pg->psql('select 1 where not exists (select from pg_stat_replication)') } 'it is behind';
            hold(1);
            $pg->kill9;
            $f->{old} = take_over($f->{standby});
        },
        end => sub {
            my ($f) = @_;
            $f->{standby}->ctl('promote');
            poll { eval { $f->{old}->psql('select 1') } ? 0 : 1 } 'the old one is away';
        },
        after => sub { my ($f) = @_; cmp_ok(stats_sum('rewinds'), '>', $f->{rewinds}, '... which had lost something') unless $mixing },
    };
}

# Some nodes are on the new primary, some stay on the old one, which goes on; one changes sides
# and comes back. Each side agrees within the bound, and shows nothing of the other side's. Then
# the old one is stopped.
sub split_sides {
    my ($f) = @_;
    my @order = sort { $a->{at} <=> $b->{at} } map { { node => $_, at => rand } } living();
    my @all = map { $_->{node} } @order;
    my $n = 1 + int rand(@all - 1);
    return ([@all[0 .. $n - 1]], [@all[$n .. $#all]]);
}

sub two_primaries {
    my ($name, $stop) = @_;
    return {
        name => $name, group => 'server', takes => 0, lossy => 'all',
        prepare => sub { my ($f) = @_; $f->{new} = standby_make() },
        begin => sub {
            my ($f) = @_;
            my ($stay, $go) = split_sides($f);
            @{$f}{qw(stay go)} = ($stay, $go);
            $f->{old} = take_over($f->{new});
            $f->{new}->ctl('promote');
            reject($f->{old}, @$go);
            reject($f->{new}, @$stay);
        },
        # a traveller: writes here, writes there, and comes back
        proof => sub {
            my ($f) = @_;
            for my $side ([$f->{old}, $f->{stay}], [$f->{new}, $f->{go}]) {
                my ($server, $nodes) = @$side;
                is(join(' ', sort split /\n/, $server->psql("select distinct usename from pg_stat_activity where application_name = 'pgdevstated'")),
                    join(' ', sort map {"node_$_->{name}"} @$nodes), '... nodes are divided');
            }
            my $who = any(@{ $f->{stay} });
            for my $sides ([$f->{old}, $f->{new}], [$f->{new}, $f->{old}]) {
                my ($from, $to) = @$sides;
                reject($to, grep { $_ != $who } @{ $to == $f->{new} ? $f->{stay} : $f->{go} });
                reject($from, $who, @{ $from == $f->{new} ? $f->{stay} : $f->{go} });
                poll { $to->psql("select 1 from pgdevstate.member where alive and name = '$who->{name}'") } "$who->{name} changed sides";
                hold(1);
            }
        },
        sides => sub { my ($f) = @_; return ([$f->{old}, @{ $f->{stay} }], [$f->{new}, @{ $f->{go} }]) },
        end   => sub { my ($f) = @_; admit($f->{new}); $stop->($f->{old}) },
        after => sub {
            my ($f) = @_;
            is($f->{new}->psql("select count(distinct usename) from pg_stat_activity where application_name = 'pgdevstated'"), scalar living(), '... all are on one');
        },
    };
}

our @faults = (
    { name => 'none', short => 1, hold => 1, begin => sub { }, end => sub { }, group => 'alone' },
    killed('kill -9 of a node',          1, sub { node($_[0]) }),
    killed('kill -9 of the coordinator', 0, sub { coordinating($_[0]) }),
    killed('kill -9 of three nodes',     0, sub { my ($f) = @_; map { node($f) } 1 .. 3 }, takes => 3),
    stopped('a node stopped past its lease',          0, sub { node($_[0])->{pid} }),
    stopped('the coordinator stopped past its lease', 1, sub { coordinating($_[0])->{pid} }),
    stopped('all nodes stopped past their lease',       0, sub { my ($f) = @_; $f->{node} = (living())[0]; map { $_->{pid} } living() }, group => 'server', takes => 0),
    stopped('a backend stopped past the lease',       0, sub { backend(node($_[0])) }, rank => 0),
    stopped_publish(), killed_publish(), killed_backend(), cut(),
    server_away('PostgreSQL: immediate stop and start', 0, sub { $pg->stop('immediate') }, 'nodes'),
    server_away('PostgreSQL: fast stop and start',      0, sub { $pg->halt }),
    server_away('PostgreSQL: kill -9 and start',        1, sub { $pg->kill9 }, 'nodes'),
    half_open('packets lost to the server',              0, 1, 'to the server'),
    half_open('packets lost to the node',                1, 1, 'to the node'),
    half_open('packets lost both ways',                  0, 1, @ways),
    half_open('packets lost both ways, of three nodes',  0, 3, @ways),
    killed_pbx(), flapping(), trim(), trim_often(), twin(),
    suspended('the server suspended past the lease', 'server'), suspended('all machines suspended past the lease', 'alone', 'nodes'),
    tampered(), crashes(), full_disk(), full_disk_start(),
    slow_disk('PostgreSQL: a slow disk',    400,   5,     10),
    slow_disk('PostgreSQL: a hanging disk', 20000, 20000, 1),
    full_data(), full_wal(),
    clock_jumps('PostgreSQL: the clock jumps an hour ahead', 3600), clock_jumps('PostgreSQL: the clock jumps an hour back', -3600),
    failover(),
    two_primaries('two primaries, the old one is stopped', sub { $_[0]->halt }),
    two_primaries('two primaries, the old one is killed',  sub { $_[0]->kill9 }),
);

1;
