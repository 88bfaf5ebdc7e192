# Chaos on the real thing: five nodes on a real server, random changes on all of them, and faults
# one after the other. After each, all living nodes, the SQL views and what each node was told
# have to agree; how long that took is measured and printed, and what was lost is counted.
#
#   SHORT=1    eight faults, within a minute
#   SEED=N     the same faults on the same victims (not the same moments)
#   ONLY='3 7' these faults, by number
#   B=DIR      the daemons there, with or without sanitizers (build)
#
# As root everything runs in a network namespace of its own and the fifth node in another one, at
# the end of a veth pair: so packets can be lost one way only. Namespaces end with their processes.
BEGIN {
    if (!$^C && $> == 0 && !$ENV{CHAOS_NETNS} && system('unshare -n true 2>/dev/null') == 0) {
        $ENV{CHAOS_NETNS} = 1;
        exec('unshare', '-n', $^X, '-Itests/flow/lib', $0, @ARGV) or die "unshare: $!";
    }
}
use lib 'tests/flow/lib';
use Flow;
use POSIX ();
use Time::HiRes qw(time sleep);

use constant { LEASE => 3, HOLD => 4.5, NODES => 5 };
my $bound         = LEASE + 3;
my $deadline      = $ENV{CHAOS_DEADLINE} // 30;
my @states        = qw(UNKNOWN NOT_INUSE INUSE BUSY INVALID UNAVAILABLE RINGING RINGINUSE ONHOLD);
my @weakest_first = qw(INVALID UNKNOWN UNAVAILABLE NOT_INUSE ONHOLD RINGING INUSE BUSY RINGINUSE);
my $seed          = $ENV{SEED} // time % 100_000;
srand $seed;
diag("SEED=$seed");
$Flow::BIN = $Flow::B;

# The block's value as soon as it is true; ends the test when that takes too long.
sub poll (&) {
    my ($block) = @_;
    my $until = time + $deadline;
    while (time < $until) {
        my $value = eval { $block->() };
        return $value if $value;
        sleep 0.02;
    }
    BAIL_OUT("nothing came of it within $deadline s" . ($@ ? ": $@" : '') . " at line " . (caller)[2]);
}

# --- the network: 192.0.2.1 is the server's end, 192.0.2.2 the fifth node's
my ($ns, @inside);
my $left_out = 'not root, or no network namespaces';
if ($ENV{CHAOS_NETNS}) {
    $ns     = network() and $left_out = '';
    @inside = ('nsenter', "--net=/proc/$ns/ns/net") if $ns;
}

sub network {
    system('ip link set lo up') == 0 or return;
    pipe(my $out, my $in) or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open(STDOUT, '>&', $in) or POSIX::_exit(126);
        exec(qw(setpriv --pdeathsig KILL unshare -n sh -c), 'echo ready; exec sleep 3600 >/dev/null') or POSIX::_exit(127);
    }
    close $in;
    <$out>;
    my $inside = "nsenter --net=/proc/$pid/ns/net";
    for my $command (
        "ip link add outer type veth peer name inner netns $pid",
        'ip addr add 192.0.2.1/24 dev outer', 'ip link set outer up',
        "$inside ip addr add 192.0.2.2/24 dev inner", "$inside ip link set inner up", "$inside ip link set lo up") {
        next if system("$command 2>/dev/null") == 0;
        kill 'KILL', $pid;
        $left_out = "this failed: $command";
        return;
    }
    return $pid;
}

# A wrong hardware address at the sender's end: its packets are dropped at the other one, silently.
my %way = (
    'to the server' => "@inside ip neigh %s 192.0.2.1 dev inner",
    'to the node'   => 'ip neigh %s 192.0.2.2 dev outer',
);

sub network_drop {
    system(sprintf($way{$_}, 'replace') . ' lladdr 02:de:ad:00:00:01 nud permanent') == 0 or die "$_: cannot drop" for @_;
}

sub network_pass {
    system(sprintf($way{$_}, 'del')) == 0 or die "$_: cannot let pass" for @_;
}

# --- five nodes; the two hosts of their conninfo are the server and the standby to come
my $pg      = Flow::Pg->new(settings => $ns ? ['listen_addresses=192.0.2.1'] : []);
my $spare   = "$pg->{dir}/standby";
if ($ns) {
    Flow::run_command('sh', '-c', "echo 'host all all 192.0.2.0/24 trust' >>$pg->{dir}/data/pg_hba.conf");
    $pg->ctl('reload');
}
my @nodes = map { new_node($_) } 1 .. NODES;
$_->spawn for @nodes;
$_->wait_ready for @nodes;
my %says = map { $_->{name} => { devices => {}, mailboxes => {} } } @nodes;

sub new_node {
    my ($n) = @_;
    my $far  = $ns && $n == NODES;
    my @host = $far ? ('192.0.2.1,192.0.2.1', '5432,5433') : ("$pg->{dir},$spare", '5432,5433');
    return $pg->node("server$n",
        conninfo => "host=$host[0] port=$host[1] user=" . role("server$n") . " dbname=pgdevstate target_session_attrs=read-write",
        options  => 'lease=' . LEASE,
        prefix   => $far ? \@inside : []);
}

sub role {
    my ($name) = @_;
    $pg->psql("create role node_$name login in role pgdevstate_node");
    return "node_$name";
}
sub living { return grep { $_->{pid} } @nodes }
sub any    { my @from = @_ ? @_ : @nodes[0 .. 3]; return $from[ rand @from ] }

sub coordinator {
    my $name = poll { $pg->psql('select name from pgdevstate.member where coordinator') };
    return (grep { $_->{name} eq $name } @nodes)[0];
}

# --- load: a process for each node that says random things in small batches until it is told to
# stop, and leaves what was said last (and everything it said) in a file
my $round = 0;
my %load;

sub command_of {
    my ($said, $name) = @_;
    my $n    = int rand 8;
    my $kind = rand() < 0.75 ? 'devices' : 'mailboxes';
    my $key  = $kind eq 'devices' ? (rand() < 0.5 ? "Custom:shared$n" : "Custom:$name-$n") : (rand() < 0.3 ? "shared$n" : "$name-$n") . '@default';
    if (exists $said->{$kind}{$key} && rand() < 0.12) {
        delete $said->{$kind}{$key};
        return ($kind eq 'devices' ? "devstate remove $key" : "mailbox remove $key", "$key=");
    }
    my $value = $said->{$kind}{$key} = $kind eq 'devices' ? $states[ rand @states ] : join '/', map { 1 + int rand 20 } 1 .. 3;
    return ($kind eq 'devices' ? "devstate change $key $value" : "mailbox set $key $value", "$key=$value");
}

sub load_start {
    my ($node) = @_;
    my $base = "$Flow::DIR/load.$node->{name}";
    unlink "$base.stop", "$base.said", "$base.begun";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{TERM} = $SIG{PIPE} = 'DEFAULT';
        srand($seed + 100 * $round + $$);
        $Flow::DIR = "$base.d";
        mkdir $Flow::DIR;
        my ($said, %ever, $status, $err) = ($says{ $node->{name} });
        until (-e "$base.stop" || $status) {
            my @commands = map { [command_of($said, $node->{name})] } 1 .. 1 + int rand 4;
            $ever{ $_->[1] } = 1 for @commands;
            (undef, $err, $status) = $node->batch(map { $_->[0] } @commands);
            spew("$base.begun", '');
            sleep rand 0.1;
        }
        spew("$base.said", JSON::PP->new->encode([$status // 0, $err // '', $said, \%ever]));
        POSIX::_exit(0);
    }
    $load{ $node->{name} } = $pid;
}

sub load_quiet { spew("$Flow::DIR/load.$_.stop", '') for keys %load }

my %ever;

sub load_join {
    my @refused;
    for my $node (@nodes) {
        my $pid = delete $load{ $node->{name} } or next;
        waitpid $pid, 0;
        my ($status, $err, $said, $all) = @{ JSON::PP->new->decode(slurp("$Flow::DIR/load.$node->{name}.said")) };
        $says{ $node->{name} } = $said;
        $ever{ $node->{name} } = $all;
        push @refused, "$node->{name}: status $status: $err" if $status && $node->{pid};
    }
    return @refused;
}

# --- what is known
sub sum_of {
    my %has = map { $_ => 1 } @_;
    return 'RINGINUSE' if $has{RINGING} && ($has{INUSE} || $has{BUSY} || $has{ONHOLD});
    return (grep { $has{$_} } @weakest_first)[-1];
}

# What SQL knows: {devices, mailboxes}, and who says it: {"devices\tserver1" => {...}}.
sub sql_known {
    my $text = $pg->psql(<<'SQL');
with said(what, k, v) as (
    select 'devices', device, state from pgdevstate.device
    union all
    select 'mailboxes', mailbox || '@' || context, concat_ws('/', new_messages, old_messages, urgent_messages) from pgdevstate.mailbox
    union all
    select E'devices\t' || entity, device, state from pgdevstate.device_entity where counts
    union all
    select E'mailboxes\t' || entity, mailbox || '@' || context, concat_ws('/', new_messages, old_messages, urgent_messages)
    from pgdevstate.mailbox_entity where counts)
select coalesce(json_object_agg(what, o), '{}') from (select what, json_object_agg(k, v) o from said group by what) g
SQL
    return JSON::PP->new->utf8->decode($text);
}

sub keys_that_differ {
    my ($has, $want) = @_;
    my %all = (%{ $has // {} }, %{ $want // {} });
    return map { "$_: " . ($has->{$_} // 'nothing') . ', should be ' . ($want->{$_} // 'nothing') }
        grep { ($has->{$_} // '') ne ($want->{$_} // '') } sort keys %all;
}

# Statements of living nodes that SQL does not have as they were said last.
sub lost {
    my ($sql) = @_;
    my @lost;
    for my $node (living()) {
        for my $kind (qw(devices mailboxes)) {
            push @lost, map {"SQL, $kind of $node->{name}: $_"} keys_that_differ($sql->{"$kind\t$node->{name}"} // {}, $says{ $node->{name} }{$kind});
        }
    }
    return @lost;
}

# Everything that anybody has wrong. Mailboxes that several set: SQL says who was last.
sub disagreement {
    my ($sql) = @_;
    my (%sums, %set);
    for my $said (map { $says{ $_->{name} }{devices} } living()) {
        push @{ $set{$_} }, $said->{$_} for keys %$said;
    }
    $sums{$_} = sum_of(@{ $set{$_} }) for keys %set;
    my @wrong = (lost($sql), map {"SQL, sums: $_"} keys_that_differ($sql->{devices} // {}, \%sums));
    return @wrong if @wrong;
    for my $node (living()) {
        push @wrong, map {"$node->{name}: $_"} keys_that_differ($node->devices, \%sums),
            keys_that_differ($node->mailboxes, $sql->{mailboxes} // {});
        return @wrong if @wrong;
    }
    return;
}

# --- one fault: the code does it, calls load_quiet() and ends it
my @table;

sub chaos {
    my ($name, $fault) = @_;
    $round++;
    load_start($_) for living();
    my @begun = map {"$Flow::DIR/load.$_.begun"} keys %load;
    poll { @begun == grep { -e } @begun };
    sleep 0.3 + rand 0.5;
    $fault->();
    my $end = time;
    load_quiet();
    my @refused = load_join();
    judge($name, $end, @refused);
}

sub judge {
    my ($name, $end, @refused) = @_;
    my ($took, $sql, @wrong);
    while (1) {
        @wrong = eval { $sql = sql_known(); disagreement($sql) };
        push @wrong, $@ if $@;
        $took = time - $end;
        last if !@wrong || $took > $deadline;
        sleep 0.05;
    }
    my @lost = $sql ? lost($sql) : ('everything');
    push @table, [$name, @wrong ? "over $deadline" : sprintf('%.2f', $took), $bound, scalar @lost, !@wrong && $took > $bound ? 'late' : ''];
    ok(!@wrong, "$name: all agree") or diag(join "\n", grep {defined} @wrong[0 .. 15]);
    is(scalar @lost, 0, "$name: nothing is lost");
    is("@refused", '', "$name: what was said was taken");
    is(join(' ', map { $_->{name} } grep { $_->{pid} && !$_->running } @nodes), '', "$name: no node ended");
}

sub hold { sleep $_[0] // HOLD }

# A fault that does nothing would pass: the node has to be out at its end.
sub lease_ended {
    my ($node) = @_;
    is($pg->psql("select count(*) from pgdevstate.member where alive and name = '$node->{name}'"), 0, "... $node->{name} was out");
}

sub freeze {
    my ($pid, $node, $meanwhile) = @_;
    kill 'STOP', $pid;
    $meanwhile->() if $meanwhile;
    hold();
    lease_ended($node);
    load_quiet();
    kill 'CONT', $pid;
}

sub backend {
    my ($node) = @_;
    return poll { $pg->psql("select pid from pg_stat_activity where usename = 'node_$node->{name}' and application_name = 'pgdevstated' limit 1") };
}

# Stopped inside publish(): it waits for the head row, is stopped there, and the row is let go.
sub freeze_publish {
    my $node = any();
    my $pid;
    my $lock = fork // die "fork: $!";
    if ($lock == 0) {
        open(STDOUT, '>', '/dev/null');
        open(STDERR, '>', '/dev/null');
        exec('psql', '-Xq', '-c', 'begin', '-c', "select from pgdevstate.entity where name = '$node->{name}' for update",
            '-c', 'select pg_sleep(60)', $pg->conninfo) or POSIX::_exit(127);
    }
    poll { $pid = $pg->psql("select pid from pg_stat_activity where usename = 'node_$node->{name}' and wait_event_type = 'Lock' and query ~ 'publish'") };
    freeze($pid, $node, sub {
        $pg->psql("select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'pg_sleep' and pid <> pg_backend_pid()");
        waitpid $lock, 0;
    });
}

# A killed node is no living one: what SQL kept of it counts, if it has ever been said.
sub restart {
    my ($node) = @_;
    my $name = $node->{name};
    my $end  = time;
    $node->start;
    my $sql = sql_known();
    my %was = map { my $k = $_; map { $_ => $sql->{"$k\t$name"}{$_} } keys %{ $sql->{"$k\t$name"} // {} } } qw(devices mailboxes);
    my @odd = grep { !$ever{$name}{"$_=$was{$_}"} && ($says{$name}{devices}{$_} // $says{$name}{mailboxes}{$_} // '') ne $was{$_} } keys %was;
    $says{$name} = { map { $_ => $sql->{"$_\t$name"} // {} } qw(devices mailboxes) };
    judge('... and started again', $end, map {"never said: $_ $was{$_}"} @odd);
}

sub kill_node {
    my ($name, $pick) = @_;
    my $node;
    my %before = map { $_->{name} => $says{ $_->{name} } } @nodes;
    chaos($name, sub { $node = $pick->(); load_quiet(); $node->kill('KILL') });
    for my $kind (qw(devices mailboxes)) {
        my $had = $before{ $node->{name} }{$kind};
        $ever{ $node->{name} }{"$_=$had->{$_}"} = 1 for keys %$had;
    }
    restart($node);
}

sub half_open {
    my ($name, @ways) = @_;
    $name = "half-open connection: lost $name";
    if ($left_out) {
        push @table, [$name, 'LEFT OUT', $bound, '-', $left_out];
    SKIP: { skip "$name: $left_out", 1 }
        return;
    }
    chaos($name, sub { network_drop(@ways); hold(); lease_ended($nodes[-1]); load_quiet(); network_pass(@ways) });
}

sub server_away {
    my ($stop) = @_;
    $stop->();
    hold();
    load_quiet();
    poll { eval { $pg->start; 1 } };
}

# All processes of the server, as when its machine is suspended.
sub suspend_server {
    my ($main) = split /\n/, slurp("$pg->{dir}/data/postmaster.pid");
    my ($children) = Flow::run_command('ps', '-o', 'pid=', '--ppid', $main);
    my @pids = ($main, split ' ', $children);
    kill 'STOP', @pids;
    hold();
    load_quiet();
    kill 'CONT', @pids;
}

# Behind everybody's back: equal heads, other rows. Only the audit can find that.
sub tamper {
    my $node = any();
    load_quiet();
    $pg->psql('update pgdevstate.entity_device set state = ' . int(rand 9) . " where entity_id = '$node->{entity_id}'");
    $pg->psql("delete from pgdevstate.entity_mailbox where entity_id = '$node->{entity_id}'");
}

# The server crashes, twice, while the coordinator is stopped.
sub mixed {
    my $stopped = coordinator();
    my $other   = any(grep { $_ != $stopped } @nodes[0 .. 3]);
    kill 'STOP', $stopped->{pid};
    kill 'KILL', backend($other);
    poll { $pg->psql('select 1') };
    server_away(sub { $pg->stop('immediate') });
    kill 'CONT', $stopped->{pid};
}

sub trim {
    my $node = any();
    freeze($node->{pid}, $node, sub { hold(1); $pg->psql('delete from pgdevstate.change') });
}

sub twin {
    my $node = any();
    my $twin = $pg->node("twin$round", conninfo => $node->{conninfo}, entity_id => $node->{entity_id}, options => 'lease=' . LEASE);
    $twin->spawn;
    poll { $twin->stats->{phase} eq 'refused' };
    hold(1);
    my ($out, $err, $status) = $twin->run('devstate change Custom:shared1 BUSY');
    is($status, 1, 'the twin may not write') or diag($out . $err);
    load_quiet();
    $twin->kill('TERM');
}

# A standby that stopped receiving a second ago is promoted: what was committed since is gone.
sub as_server { return Flow::run_command($> == 0 ? ('runuser', '-u', 'postgres', '--') : (), @_) }

sub standby_make {
    my ($bin) = Flow::run_command("$Flow::ROOT/scripts/private-pg", 'bindir');
    chomp $bin;
    my (undef, $err, $status) = as_server('sh', '-ec', <<"SH");
cd /; umask 077; mkdir '$spare'
'$bin/pg_basebackup' -h '$pg->{dir}' -p 5432 -U postgres -D '$spare/data' -R -c fast --no-sync
printf '%s\\n' "unix_socket_directories = '$spare'" 'port = 5433' >>'$spare/data/postgresql.auto.conf'
SH
    BAIL_OUT("no standby: $err") if $status;
    my $standby = bless { %$pg, dir => $spare, port => 5433 }, 'Flow::Pg';
    $standby->start;
    unshift @Flow::servers, $standby;
    poll { $pg->psql("select 1 from pg_stat_replication where state = 'streaming'") };
    return $standby;
}

sub failover {
    my ($standby) = @_;
    $standby->psql_in('postgres', q{alter system set primary_conninfo = ''});
    $standby->psql_in('postgres', 'select pg_reload_conf()');
    poll { $pg->psql('select 1 where not exists (select from pg_stat_replication)') };
    hold(1);
    $pg->kill9;
    my $old = $pg;
    $pg = $standby;
    hold(1);
    load_quiet();
    $standby->ctl('promote');
    poll { eval { $old->psql('select 1') } ? 0 : 1 };
}

sub rewinds { my $n = 0; $n += $_->stats->{rewinds} for living(); return $n }

sub failover_chaos {
    my $standby = standby_make();
    my $before  = rewinds();
    chaos('failover to a standby that is behind', sub { failover($standby) });
    cmp_ok(rewinds(), '>', $before, '... which had lost something');
}

my @faults = (
    [1, sub { chaos('none', sub { hold(1) }) }],
    [1, sub { kill_node('kill -9 of a node', sub { any() }) }],
    [0, sub { kill_node('kill -9 of the coordinator', sub { coordinator() }) }],
    [0, sub { chaos('a node stopped past its lease', sub { my $node = any(); freeze($node->{pid}, $node) }) }],
    [1, sub { chaos('the coordinator stopped past its lease', sub { my $node = coordinator(); freeze($node->{pid}, $node) }) }],
    [0, sub { chaos('a backend stopped past the lease', sub { my $node = any(); freeze(backend($node), $node) }) }],
    [1, sub { chaos('a backend stopped in publish()', sub { freeze_publish() }) }],
    [1, sub { chaos('kill -9 of a backend', sub { kill 'KILL', backend(any()); poll { $pg->psql('select 1') } }) }],
    [0, sub { chaos('PostgreSQL: immediate stop and start', sub { server_away(sub { $pg->stop('immediate') }) }) }],
    [1, sub { chaos('PostgreSQL: kill -9 and start', sub { server_away(sub { $pg->kill9 }) }) }],
    [0, sub { half_open('to the server', 'to the server') }],
    [1, sub { half_open('to the node', 'to the node') }],
    [0, sub { half_open('both ways', sort keys %way) }],
    [0, sub { chaos('journal trimmed under a stopped node', sub { trim() }) }],
    [0, sub { chaos('a twin started and stopped', sub { twin() }) }],
    [0, sub { chaos('the server suspended past the lease', sub { suspend_server() }) }],
    [0, sub { chaos('rows changed by hand', sub { tamper() }) }],
    [0, sub { chaos('crashes while the coordinator is stopped', sub { mixed() }) }],
    [1, sub { failover_chaos() }],
);
my $only = $ENV{ONLY};
my $n    = 0;
for my $fault (@faults) {
    $n++;
    next if $only ? $only !~ /\b$n\b/ : $ENV{SHORT} && !$fault->[0];
    $fault->[1]->();
}

diag(sprintf '%-44s %12s %8s %6s', 'fault', 'agree, s', 'bound', 'lost');
diag(sprintf '%-44s %12s %8s %6s  %s', @$_) for @table;
is($_->stats->{payloads_bad}, 0, "$_->{name} heard nothing wrong") for living();
kill 'KILL', $ns if $ns;
done_testing();
