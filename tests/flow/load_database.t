# A publisher faster than the database: tens of thousands of changes a second while the node's
# server process is stopped, or its head row locked. What the node keeps is bounded by keys and not by
# changes, the newest value of each key is what all know afterwards, and what lies between is not
# sent. No sanitizers here, whose memory is not the node's.
use lib 'tests/flow/lib';
use Flow;
use Console;
use Time::HiRes qw(time);

$Flow::BIN = $Flow::B;
my @states = qw(NOT_INUSE INUSE BUSY RINGING ONHOLD);
my $pg     = Flow::Pg->new;
my $a      = $pg->node('server1', options => 'lease=60')->start;
my $b      = $pg->node('server2', options => 'lease=60')->start;
my $pour   = Console->new($a, 'script');
my %devices;
my $turn = 0;

# Each of so many keys changes so often; what is said last is what counts.
sub pour {
    my ($name, $keys, $rounds) = @_;
    my @commands;
    for (1 .. $rounds) {
        $turn++;
        for my $n (1 .. $keys) {
            my $device = "Custom:$keys-$n";
            my $state  = $states[ ($n + $turn) % @states ];
            push @commands, "devstate change $device $state";
            $devices{$device} = $state;
        }
    }
    my $took = $pour->pour(\@commands);
    note(sprintf '%s: %d changes of %d devices in %.2f s, %d/s', $name, scalar @commands, $keys, $took, @commands / $took);
    return scalar @commands;
}

sub rss_kb { my ($node) = @_; return slurp("/proc/$node->{pid}/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die 'no VmRSS' }

sub backend { return $pg->psql("select pid from pg_stat_activity where usename = 'node_server1' and application_name = 'pgdevstated'") }

# The server is held, much is said twice, the server goes on, all agree.
sub held {
    my ($name, $keys, $rounds, $hold, $release) = @_;
    pour("$name, keys that are known before", $keys, 1);
    poll_until { $a->stats->{unsent} == 0 } "$name: $keys devices are known";
    my $sent = $a->stats->{rows_sent};
    $hold->();
    $a->console("devstate change Custom:first INUSE");    # it is in flight from now on
    $devices{'Custom:first'} = 'INUSE';
    pour("$name, while it is held", $keys, 1);
    my $before = rss_kb($a);
    my $said   = pour("$name, while it is held, again", $keys, $rounds);
    my $after  = rss_kb($a);
    my $stats  = $a->stats;
    cmp_ok($stats->{unsent}, '>=', $keys, "$name: nothing gets through");
    cmp_ok($stats->{unsent}, '<=', $keys + 1, '... and what waits is a word for each device');
    cmp_ok($stats->{oldest_unsent_ms}, '>', 0, '... whose age is told');
    note("$name: VmRSS of the node $before kB, after $said more changes $after kB");
    # Buffers of the console are in it too; $said changes would be some 100 bytes each.
    cmp_ok($after, '<=', $before * 1.1 + 4096, "$name: memory is bounded by devices, not by changes");
    is_deeply($a->devices, \%devices, '... and the node itself knows the newest');
    $release->();
    agree("$name: it goes on: all know what was said last", { devices => \%devices, mailboxes => {} }, $pg, $a, $b);
    poll_until { $a->stats->{unsent} == 0 } '... nothing is left unsent';
    my $rows = $a->stats->{rows_sent} - $sent;
    note("$name: $rows rows were sent for " . ($said + $keys) . ' changes');
    cmp_ok($rows, '<', $said / 2, "$name: what lies between is not sent");
    is($a->stats->{oldest_unsent_ms}, 0, '... and nothing is old');
}

# --- the server process is stopped, and with it who would make another one: until the node gives its
# session up, and only for a while
my @stopped;
sub stop_server { @stopped = ((split /\n/, slurp("$pg->{dir}/data/postmaster.pid"))[0], backend()); kill('STOP', @stopped) }
sub go_on       { kill('CONT', @stopped) }
END { go_on() if @stopped }    # whatever happens, so that the server can be ended
held('server process stopped, few devices', 50, 2000, \&stop_server, sub {
    poll_until { contents_like($a->log, qr/ERROR .*no answer to \w+ within/) } 'the node gives its session up';
    go_on();
});
held('server process stopped, many devices', 20_000, 10, \&stop_server, \&go_on);

# --- somebody has the node's head row locked: publish() gives up and is tried again
my ($to_psql, $psql);

sub lock_head {
    $psql = open($to_psql, '|-', 'psql', '-XAtq', '-o', "$Flow::DIR/locked", $pg->conninfo) or die "psql: $!";
    $to_psql->autoflush(1);
    print {$to_psql} "begin; select 'locked' from pgdevstate.entity where entity_id = '$a->{entity_id}' for update;\n";
    poll_until { slurp("$Flow::DIR/locked") =~ /locked/ } 'its head row is locked';
}
held('head row locked', 2000, 50, \&lock_head, sub {
    poll_until { contents_like($a->log, qr/WARNING .*publish failed.*55P03/) } 'publish() gives up waiting, and the log tells';
    close $to_psql;
});

# --- a server that is only slow: its process stopped and going on, again and again, while changes come in
my $done = "$Flow::DIR/done";
my $pid  = fork // die "fork: $!";
if ($pid == 0) {
    until (-e $done) {
        my $backend = eval { backend() } or next;
        kill 'STOP', $backend;
        Time::HiRes::sleep(0.2);    # the fault itself
        kill 'CONT', $backend;
        Time::HiRes::sleep(0.02);
    }
    POSIX::_exit(0);
}
pour("a slow server, round $_", 1000, 50) for 1 .. 4;
spew($done, '');
waitpid $pid, 0;
agree('a slow server: all know what was said last', { devices => \%devices, mailboxes => {} }, $pg, $a, $b);
is($b->stats->{payloads_bad}, 0, 'nothing wrong was heard');

$_->signal('TERM') for $a, $b;
is($_->wait_exit, 0, "$_->{name} stopped") for $a, $b;
done_testing();
