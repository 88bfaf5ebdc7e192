# Measures pgdevstate on this machine against the least that PostgreSQL and libpq take for the same
# (the floor) and against corosync's CPG (the peer): `make bench`, `make bench-quick` (within a
# minute). What is compared is measured in turns, A B A B, in one run, on a private PostgreSQL; the table has medians of the
# rounds with their spread, and whether what is to be reached is. Every load is bounded, and what
# does not move for half a minute ends the bench with a message.
#   QUICK=1        small sizes, few rounds
#   ONLY='1 join'  these cases: 1 idle, 2 saturated, 3 fan-out, 4 join, 5 memory, 6 dead, 7 sql
#   ROUNDS=5       rounds of each figure
#   WAYS='direct'  how changes are told in fan-out: direct, ticker, auto (where the schema has setting
#                  notify_mode, all three; else direct is all there is)
#   LISTENERS='50 200', ROWS=1000000    sizes of cases 3 and 4
#   JSON=FILE      where the figures go (build/bench.json)
use lib 'tests/bench/lib', 'tests/flow/lib';
use Flow;
use Bench::Corosync ();
use Bench::Figures  qw(median spread number verdict table cases_of);
use Bench::Helper   ();
use List::Util      qw(min sum0);
use POSIX           qw(strftime);
use Time::HiRes     qw(time sleep);

$| = 1;
$Flow::BIN = $Flow::B;
Test::More->builder->output('/dev/null');
Test::More->builder->no_ending(1);    # it is no test: Flow lends its servers and nodes
my $quick   = $ENV{QUICK};
my $rounds  = $ENV{ROUNDS} // ($quick ? 2 : 5);
my %only    = cases_of($ENV{ONLY} // '1 2 3 4 5 6 7');
my $json    = $ENV{JSON} // "$Flow::B/bench.json";
my $program = "$Flow::B/bench";
my $pause_us = 2000;    # between changes of an idle cluster: 1 to 2 ms
die "ROUNDS: '$rounds' is no number of rounds, 1 or more\n" if $rounds !~ /^[1-9][0-9]*\z/;
my $began   = time;
my @rows;

sub progress { my ($format, @args) = @_; printf STDERR "%5.1f s  $format\n", time - $began, @args }

# Adds a row to the table: figures of the rounds in the unit; targets as in Bench::Figures.
sub row {
    my ($case, $what, $unit, %row) = @_;
    push @rows, { case => $case, what => $what, unit => $unit, %row };
    progress('%s: ours %s%s%s', $what, spread(@{ $row{ours} }), map { $row{$_} ? ", $_ " . spread(@{ $row{$_} }) : '' } qw(floor peer));
    return;
}

sub wait_until {
    my ($what, $seconds, $pause, $is) = @_;
    my $until = time + $seconds;
    while (!$is->()) {
        die "$what: not within $seconds s\n" if time > $until;
        sleep $pause;
    }
    return;
}

# ---- the server, its databases, nodes ----

my $pg = Flow::Pg->new(settings => ['max_connections=450', 'shared_buffers=512MB', 'fsync=on', 'max_wal_size=4GB']);
my %made;

sub database {
    my ($name) = @_;
    return $pg->conninfo(db => $name) if $made{$name}++;
    $pg->psql_in('postgres', "create database $name template pgdevstate");
    return $pg->conninfo(db => $name);
}

sub drop { my ($name) = @_; $pg->psql_in('postgres', "drop database if exists $name with (force)"); delete $made{$name}; return }

sub bench_node {
    my ($name, $db, $options) = @_;
    return $pg->node($name, conninfo => database($db), options => $options // '');
}

# Seconds from the start of the process until it is ready.
sub start_node {
    my ($node) = @_;
    Flow::spew($node->{log}, '');
    my $since = time;
    $node->spawn;
    wait_until("$node->{name} is ready", 120, 0.002, sub {
        die "$node->{name} ended:\n" . slurp($node->{log}) unless $node->running;
        slurp($node->{log}) =~ /NOTICE  *daemon: the database is/;
    });
    return time - $since;
}

sub end_node { my ($node) = @_; $node->signal('TERM'); $node->wait_exit(30) // die "$node->{name} does not end\n"; return }

# Two nodes with a link at each end.
sub link_path {
    my ($db, $options) = @_;
    my @nodes = map { bench_node("$db$_", $db, $options) } 1, 2;
    start_node($_) for @nodes;
    return (Bench::Helper->new("$program/link", map { "$_->{dir}/pgdevstate.link" } @nodes), @nodes);
}

# 10 static entities say n rows, the same devices each (or each its own); like that after a snapshot, quicker than saying it.
sub filled {
    my ($n) = @_;
    my $db = "join$n";
    return $db if $made{$db};
    database($db);
    my $devices = $n / 10;
    $pg->psql_in($db, "select pgdevstate.set_device_state('Custom:first', 'INUSE', 'server' || i) from generate_series(1, 10) i;"
            . ' insert into pgdevstate.entity_device (site, entity_id, device, state, held, stamp, seq)'
            . " select e.site, e.entity_id, 'PJSIP/' || lpad(d::text, 6, '0'), 1 + d % 3, true, now(), e.seq"
            . " from pgdevstate.entity e, generate_series(1, $devices - 1) d order by e.entity_id, d");
    $pg->psql_in($db, 'vacuum (analyze)');
    return $db;
}

sub rss_kb { my ($node) = @_; return slurp("/proc/$node->{pid}/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die "no VmRSS\n" }

# Seconds of processor time that the server's processes have had.
sub server_seconds {
    my ($postmaster) = slurp("$pg->{dir}/data/postmaster.pid") =~ /^(\d+)/;
    my $ticks = 0;
    for my $stat (glob '/proc/[0-9]*/stat') {
        my ($pid, $rest) = slurp($stat) =~ /^(\d+) \(.*\) \S (.*)/ or next;
        my @field = split / /, $rest;    # ppid, ...; utime, stime, cutime, cstime are 10 to 13
        $ticks += sum0(@field[ 10, 11 ]) if $field[0] == $postmaster;
        $ticks += sum0(@field[ 10 .. 13 ]) if $pid == $postmaster;
    }
    return $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# ---- 1 idle, 2 saturated ----

my $no_peer = $only{1} || $only{2} ? Bench::Corosync::missing("$program/cpg") : '';

sub latency_cases {
    my ($idle, $devices) = $quick ? (1000, 20_000) : (5000, 100_000);
    my ($link) = link_path('latency');
    # a database of its own: a NOTIFY wakes all who listen in its database, whatever they listen to
    my %path = (ours => $link, floor => Bench::Helper->new("$program/floor", database('floor')));
    if ($no_peer) { progress('no peer: %s', $no_peer) }
    else          { $path{peer} = Bench::Helper->new("$program/cpg", Bench::Corosync::start($Flow::DIR)) }
    my @paths = grep { $path{$_} } qw(ours floor peer);
    one_change(\%path, $idle, @paths) if $only{1};
    saturated(\%path, $devices, @paths) if $only{2};
    $_->end for values %path;
    Bench::Corosync::stop();
    $_->kill('KILL') for @Flow::nodes;
    return;
}

# Idle: each change finds the cluster at rest. At once: each comes as soon as the one before was seen,
# when its writer is still at work.
sub one_change {
    my ($path, $n, @paths) = @_;
    my %at_once;
    my %idle = in_turns($path, @paths, sub {
        my ($helper, $name) = @_;
        push @{ $at_once{$name} }, $helper->ask('idle', $n);
        return $helper->ask('idle', $n, $pause_us);
    });
    for ([ 'idle, one change', \%idle ], [ 'one change upon the other', \%at_once ]) {
        my ($what, $f) = @$_;
        row(1, "$what: p50", 'us', of('p50_us', $f), targets => [ [ 'floor', '<=', 2 ], [ 'peer', '<=', 1 ] ]);
        row(1, "$what: p99", 'us', of('p99_us', $f), targets => [ [ 'peer', '<=', 1 ] ]);
        row(1, "$what: max", 'us', of('max_us', $f));
    }
    return;
}

sub saturated {
    my ($path, $devices, @paths) = @_;
    $path->{$_}->ask('full', $devices) for @paths;    # what is new is inserted once
    my %half;
    my %f = in_turns($path, @paths, sub {
        my ($helper, $name) = @_;
        my $full = $helper->ask('full', $devices);
        push @{ $half{$name} }, $helper->ask('paced', $full->{rate} / 2, $quick ? 1000 : 2000, $devices);
        return $full;
    });
    row(2, "$devices devices as fast as they go", '/s', of('rate', \%f), targets => [ [ 'peer', '>=', 3 ], [ 'floor', '>=', 0.6 ] ]);
    my %late = (of('p99_us', \%half), $f{peer} ? (peer => [ map { $_->{p99_us} } @{ $f{peer} } ]) : ());
    row(2, 'p99 at half of that (CPG: at full)', 'us', %late, targets => [ [ 'peer', '<=', 1 ] ]);
    row(2, 'p50 at half of that', 'us', of('p50_us', \%half));
    return;
}

# Rounds of all paths, one after the other: {ours => [figures, ...], ...}
sub in_turns {
    my ($path, @paths) = @_;
    my $measure = pop @paths;
    my %figures;
    for my $round (1 .. $rounds) {
        push @{ $figures{$_} }, $measure->($path->{$_}, $_) for @paths;
        progress('round %d of %d', $round, $rounds);
    }
    return %figures;
}

# One figure of each round of each path.
sub of {
    my ($figure, $f) = @_;
    return map { my $path = $_; $path => [ map { $_->{$figure} } @{ $f->{$path} } ] } keys %$f;
}

# ---- 3 fan-out ----

my %mode = (auto => 0, direct => 1, ticker => 2);

sub ways {
    my $has = $pg->psql("select exists (select from pgdevstate.setting where name = 'notify_mode')") eq 't';
    my @ways = split ' ', $ENV{WAYS} // ($has ? 'direct ticker auto' : 'direct');
    for my $way (@ways) {
        die "WAYS: '$way' is none of: direct, ticker, auto\n" if !exists $mode{$way};
        die "WAYS: this schema knows no setting notify_mode, all is direct\n" if !$has && $way ne 'direct';
    }
    return @ways;
}

sub fan_out {
    my @ways = ways();
    my @listeners = split ' ', $ENV{LISTENERS} // ($quick ? '50' : '10 50 200 400');
    for my $way (@ways) {
        for my $nodes (@listeners) {
            swarm($way, $nodes, [ 100, 1000 ], $way eq $ways[-1]);
        }
    }
    return;
}

my %fan_out_target = ('50 1000' => [ 'ours', '<=', 10_000 ], '200 1000' => [ 'ours', '<=', 60_000 ]);

sub swarm {
    my ($way, $nodes, $rates, $has_target) = @_;
    my ($db, $ms) = ("swarm$nodes$way", $quick ? 1500 : 4000);
    database($db);
    $pg->psql_in($db, "update pgdevstate.setting set value = $mode{$way} where name = 'notify_mode'");
    my $swarm = Bench::Helper->new("$program/swarm", $pg->conninfo(db => $db), $nodes, 2);
    $swarm->ask('paced', 100, $quick ? 300 : 1000);
    for my $rate (@$rates) {
        my $first = $swarm->ask('paced', $rate, $quick ? 500 : 2500);    # backends get warm, and auto chooses
        my (@took, @busy, @nodes_busy);
        for my $round (1 .. ($quick ? 1 : min($rounds, 3))) {
            my $busy = server_seconds();
            my $f = $swarm->ask('paced', $rate, $ms);
            $f->{behind_ms} = 0 if $f->{behind_ms} < 0;
            push @busy, (server_seconds() - $busy) / ($ms + $f->{behind_ms}) * 1e5;
            push @nodes_busy, $f->{cpu_ms} / ($ms + $f->{behind_ms}) * 100;
            push @took, $f;
        }
        my %f = (ours => \@took);
        my $lost = sum0(map { $_->{expected} - $_->{n} } @took);
        my $name = "$nodes listeners, $rate changes/s, $way";
        $name .= ': ' . $pg->psql_in($db, 'select mode from pgdevstate.notify_mode') if $way eq 'auto';
        row(3, "$name: p99", 'us', of('p99_us', \%f), targets => [ grep { defined && $has_target } $fan_out_target{"$nodes $rate"} ]);
        row(3, "$name: p50", 'us', of('p50_us', \%f));
        row(3, "$name: max of the first seconds, while it is chosen", 'us', ours => [ $first->{max_us} ]) if $way eq 'auto';
        row(3, "$name: behind at the end" . ($lost ? ", $lost not seen within 10 s" : ''), 'ms', of('behind_ms', \%f));
        row(3, "$name: database", '% CPU', ours => \@busy);
        row(3, "$name: all the nodes", '% CPU', ours => \@nodes_busy);
    }
    $swarm->end;
    drop($db);
    return;
}

# ---- 4 join, 5 memory, 7 SQL ----

sub copy_seconds {
    my ($db) = @_;
    my $since = time;
    $pg->psql_in($db, '\copy pgdevstate.entity_device to /dev/null');
    return time - $since;
}

# Does something while two others go on, 200 changes/s: what it returns; their p99 is added to the list.
sub beside {
    my ($link, $ms, $late, $do) = @_;
    $link->say_command('paced', 200, $ms, 200);
    my $took = $do->();
    push @$late, $link->answer->{p99_us};
    return $took;
}

sub join_cases {
    for my $n (split ' ', $ENV{ROWS} // ($quick ? '100000' : '10000 100000 1000000')) {
        my $db = filled($n);
        my ($link, @nodes) = link_path($db);
        my $joiner = bench_node("joiner$n", $db);
        my (@join, @copy, %late);
        my $ms = int(400 + 1000 * start_node($joiner));
        end_node($joiner);
        for my $round (1 .. $rounds) {
            beside($link, 1000, $late{quiet} //= [], sub { });
            push @join, beside($link, $ms, $late{join} //= [], sub { start_node($joiner) });
            end_node($joiner);
            push @copy, beside($link, $ms, $late{copy} //= [], sub { copy_seconds($db) });
        }
        row(4, number($n) . ' rows: a node joins', 's', ours => \@join, floor => \@copy, targets => [ [ 'floor', '<=', 2 ] ]);
        row(4, number($n) . ' rows: p99 of the others meanwhile (floor: without)', 'us', ours => $late{join}, floor => $late{quiet},
            targets => [ [ 'floor', '<=', 2 ] ]);
        row(4, number($n) . ' rows: p99 of the others while psql copies them (floor: without)', 'us', ours => $late{copy}, floor => $late{quiet});
        $link->end;
        $_->kill('KILL') for @nodes;
    }
    return;
}

sub memory_cases {
    my $n = $quick ? 100_000 : 1_000_000;
    my $empty = bench_node('empty', 'empty');
    start_node($empty);
    my $joiner = bench_node('memory', filled($n));
    start_node($joiner);
    row(5, 'a node in a cluster of ' . number($n) . ' rows, 10 servers say the same devices: memory', 'bytes/row',
        ours => [ (rss_kb($joiner) - rss_kb($empty)) * 1024 / $n ], targets => [ [ 'ours', '<=', 64 + 12 / 10 ] ]);
    end_node($_) for $empty, $joiner;
    my %f;
    for my $kind (qw(own same)) {
        push @{ $f{$kind} }, Bench::Figures::parse_figures(scalar qx($program/keep 10 @{[$n / 10]} $kind)) for 1 .. ($quick ? 1 : 3);
        my %k    = (ours => $f{$kind});
        my $what = number($n) . ($kind eq 'own' ? ' devices, each of one server' : ' rows, 10 servers say the same devices');
        row(5, "$what: memory without names", 'bytes/row', of('bytes_without_names', \%k), targets => [ [ 'ours', '<=', 64 ] ]);
        row(5, "$what: look-up (floor: two reads)", 'ns', of('lookup_ns', \%k), floor => [ map { $_->{floor_ns} } @{ $f{$kind} } ], targets => [ [ 'floor', '<=', 1.5 ] ]);
        row(5, "$what: a change and its sum", 'ns', of('update_ns', \%k));
        row(5, "$what: a change that 10,000 hints are asked for", 'ns', of('hint_ns', \%k)) if $kind eq 'own';
    }
    return;
}

# Milliseconds of each statement, as psql measures them.
sub timed {
    my ($db, @statements) = @_;
    my ($out, $err, $status) = Flow::run_with_input(join('', "\\timing on\n", map { "$_;\n" } @statements), 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1',
        $pg->conninfo(db => $db));
    die "psql: $err" if $status;
    my @ms = $out =~ /^Time: ([0-9.]+) ms/mg;
    die "no times in: $out" if @ms != @statements;
    return @ms;
}

sub sql_cases {
    my $n  = $quick ? 100_000 : 1_000_000;
    my $db = filled($n);
    my @node = bench_node('sqlnode', $db);
    start_node($_) for @node;
    my $table = number($n) . ' rows, ' . number($n / 10) . ' devices: ';
    my ($view, $bare) = (
        'select state, count(*) from pgdevstate.device group by 1',
        'select state, count(*) from (select bit_or(1 << state) as state from pgdevstate.entity_device group by device) d group by 1'
    );
    my (@view, @bare);
    for my $round (1 .. $rounds) {
        my @ms = timed($db, ($view, $bare) x 3);
        push @view, median(@ms[ 0, 2, 4 ]);
        push @bare, median(@ms[ 1, 3, 5 ]);
    }
    row(7, "${table}states of all, by state", 'ms', ours => \@view, floor => \@bare, targets => [ [ 'floor', '<=', 1.5 ] ]);
    my ($one, $bare_one) = map { my $from = $_; sub { sprintf $from, 1 + int rand($n / 10 - 1) } }
        "select state from pgdevstate.device where device = 'PJSIP/%06d'",
        "select bit_or(1 << state) from pgdevstate.entity_device where device = 'PJSIP/%06d'";
    my (@one, @bare_one);
    for my $round (1 .. $rounds) {
        my @ms = timed($db, map { ($one->(), $bare_one->()) } 1 .. 200);
        push @one,      median(@ms[ grep { $_ % 2 == 0 } 0 .. $#ms ]);
        push @bare_one, median(@ms[ grep { $_ % 2 } 0 .. $#ms ]);
    }
    row(7, "${table}one device", 'ms', ours => \@one, floor => \@bare_one, targets => [ [ 'ours', '<=', 1 ] ]);
    end_node($_) for @node;
    return;
}

# ---- 6 a dead node ----

sub dead_node {
    my $devices = $quick ? 20_000 : 100_000;
    my $lease   = $quick ? 3 : 10;
    my (@after, @written);
    for my $round (1 .. ($quick ? 1 : 2)) {
        my $db = "dead$round";
        my ($link, @nodes) = link_path($db, "lease=$lease");
        $link->ask('full', $devices);
        wait_until('all is written', 30, 0.1, sub { $nodes[0]->stats->{unsent} == 0 });
        my $transaction = $pg->psql_in($db, 'select pg_current_xact_id()');
        my $since = time;
        $nodes[0]->kill('KILL');
        $link->ask('gone', $devices);
        push @after, time - $since;
        push @written, $pg->psql_in($db, 'select sum(n) from (' . join(' union all ', map { "select count(*) as n from pgdevstate.$_ where xmin::text::bigint >= $transaction" }
            qw(entity entity_device entity_mailbox change heartbeat coordinator)) . ') q');
        $link->end;
        $nodes[1]->kill('KILL');
    }
    row(6, number($devices) . " devices of a node that was killed, lease $lease s: until the other one's program is told", 's', ours => \@after,
        targets => [ [ 'ours', '<=', $lease + 1 ] ]);
    row(6, '... rows written, or written anew', 'rows', ours => \@written, targets => [ [ 'ours', '<=', 10 ] ]);
    return;
}

# ---- what it ran on, and the table ----

sub first_of { my ($re, $text) = @_; return $text =~ $re ? $1 : 'unknown' }

sub machine {
    my %is = (
        date       => strftime('%Y-%m-%d %H:%M UTC', gmtime),
        processor  => first_of(qr/^model name\s*:\s*(.*)$/m, slurp('/proc/cpuinfo')),
        processors => scalar(() = slurp('/proc/cpuinfo') =~ /^processor/mg),
        memory_gib => int(first_of(qr/^MemTotal:\s+(\d+)/m, slurp('/proc/meminfo')) / 1048576 + 0.5),
        kernel     => first_of(qr/^(\S+)/, slurp('/proc/sys/kernel/osrelease')),
        system     => first_of(qr/^PRETTY_NAME="(.*)"/m, slurp('/etc/os-release')),
        load       => first_of(qr/^(\S+)/, slurp('/proc/loadavg')),
        postgresql => $pg->psql('show server_version'),
        pgdevstate => first_of(qr/(\S+)$/m, (run_command("$Flow::B/pgdevstated", '-V'))[0]),
        commit     => first_of(qr/^(\S+)/, (run_command('git', 'describe', '--always', '--dirty'))[0]),
        corosync   => $no_peer || first_of(qr/version '([^']+)'/, (-x '/usr/sbin/corosync' ? (run_command('corosync', '-v'))[0] : '')),
        rounds     => $rounds,
        quick      => $quick ? JSON::PP::true() : JSON::PP::false(),
    );
    return \%is;
}

sub report {
    my ($machine) = @_;
    my @lines = [ 'case', 'what', 'unit', 'ours', 'floor', 'peer', 'x floor', 'x peer', 'to reach', 'reached' ];
    for my $row (@rows) {
        my $v = verdict($row);
        @$row{qw(x_floor x_peer target reached)} = @$v{qw(floor peer target reached)};
        push @lines, [ $row->{case}, $row->{what}, $row->{unit}, (map { spread(@{ $row->{$_} // [] }) } qw(ours floor peer)),
            (map { number($v->{$_}) } qw(floor peer)), $v->{target}, $v->{reached} ];
    }
    $machine->{load_after} = first_of(qr/^(\S+)/, slurp('/proc/loadavg'));
    print "\n", table(@lines), "\nmedians of the rounds (least .. most)";
    print "; $_: $machine->{$_}" for sort keys %$machine;
    print "\n";
    Flow::spew($json, JSON::PP->new->utf8->canonical->pretty->encode({ machine => $machine, rows => \@rows }));
    print "figures: $json\n";
    return;
}

my @cases = (
    [ '1 2', \&latency_cases ],
    [ '3',   \&fan_out ],
    [ '4',   \&join_cases ],
    [ '5',   \&memory_cases ],
    [ '6',   \&dead_node ],
    [ '7',   \&sql_cases ],
);
my $machine = machine();
for my $case (@cases) {
    my ($numbers, $measure) = @$case;
    $measure->() if grep { $only{$_} } split ' ', $numbers;
}
report($machine);
