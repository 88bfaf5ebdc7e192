# Many nodes and many devices: random changes on eight nodes, thousands of devices by array and
# by console, a reader that comes late.
use lib 'tests/flow/lib';
use Flow;
use Time::HiRes qw(time);

my @states = qw(UNKNOWN NOT_INUSE INUSE BUSY INVALID UNAVAILABLE RINGING RINGINUSE ONHOLD);
my @weakest_first = qw(INVALID UNKNOWN UNAVAILABLE NOT_INUSE ONHOLD RINGING INUSE BUSY RINGINUSE);
my $seed = $ENV{SEED} // time;
srand $seed;
note("SEED=$seed");

sub sum_of {
    my %has = map { $_ => 1 } @_;
    return 'RINGINUSE' if $has{RINGING} && ($has{INUSE} || $has{BUSY} || $has{ONHOLD});
    return (grep { $has{$_} } @weakest_first)[-1];
}

my $dialplan = "[default]\n" . join '', map {"exten => $_,hint,SIP/$_\n"} 1 .. 40;
my $pg = Flow::Pg->new;
my @nodes = map { $pg->node("server$_", dialplan => $dialplan, options => 'lease=30') } 1 .. 8;
$_->spawn for @nodes;
$_->wait_ready for @nodes;
poll_until { 8 == grep { @{ $_->json('cluster show members') } == 8 } @nodes } 'all eight know all eight';
is($pg->psql('select count(*) from pgdevstate.member where alive'), 8, '... and SQL does');
is($pg->psql('select count(*) from pgdevstate.member where coordinator'), 1, '... one of them coordinates');

# --- all change the same devices at the same time
my (@says, @pids, %last_mailbox);
for my $i (0 .. $#nodes) {
    my (%said, @commands);
    for (1 .. 150) {
        my $device = 'SIP/' . (1 + int rand 40);
        if (exists $said{$device} && rand() < 0.2) {
            delete $said{$device};
            push @commands, "devstate remove $device";
        } else {
            $said{$device} = $states[ rand @states ];
            push @commands, "devstate change $device $said{$device}";
        }
        push @commands, 'mailbox set own' . ($i + 1) . ' ' . ($last_mailbox{ 'own' . ($i + 1) . '@default' } = int rand 100) if rand() < 0.1;
    }
    push @says, \%said;
    my $file = spew("$Flow::DIR/commands.$i", join '', map {"$_\n"} @commands);
    my $pid  = fork // die "fork: $!";
    if ($pid == 0) {
        open(STDIN,  '<', $file)                 or POSIX::_exit(126);
        open(STDOUT, '>', "$Flow::DIR/out.$i")   or POSIX::_exit(126);
        open(STDERR, '>', "$Flow::DIR/err.$i")   or POSIX::_exit(126);
        exec("$Flow::BIN/pgdevstate", '-C', $nodes[$i]{conf}, '-r') or POSIX::_exit(127);
    }
    push @pids, $pid;
}
for my $i (0 .. $#pids) {
    waitpid $pids[$i], 0;
    is($?, 0, 'server' . ($i + 1) . ': its changes were taken') or diag(slurp("$Flow::DIR/err.$i"));
}
my %devices;
for my $n (1 .. 40) {
    my @set = grep {defined} map { $_->{"SIP/$n"} } @says;
    $devices{"SIP/$n"} = sum_of(@set) if @set;
}
my %mailboxes = map { $_ => "$last_mailbox{$_}/0/0" } keys %last_mailbox;
agree('eight caches and SQL say what was set', { devices => \%devices, mailboxes => \%mailboxes }, $pg, @nodes);
for my $node (@nodes) {
    my @hints = @{ $node->json('core show hints') };
    is(scalar(grep { $_->{device_state} ne ($devices{"SIP/$_->{exten}"} // 'INVALID') } @hints), 0, "hints of $node->{name}");
    is($node->stats->{payloads_bad}, 0, '... heard nothing wrong');
}

# --- many devices at once, in SQL and on the console of one node
my $many = 5000;
my $since = time;
is($pg->psql("select pgdevstate.set_device_state(array_agg('SQL/' || n), array_agg((array['INUSE', 'RINGING', 'BUSY'])[1 + n % 3])) from generate_series(1, $many) n"),
    $many, "$many devices in one call of SQL");
$devices{"SQL/$_"} = (qw(INUSE RINGING BUSY))[ $_ % 3 ] for 1 .. $many;
agree('all nodes have them', { devices => \%devices, mailboxes => \%mailboxes }, $pg, @nodes[0, 7]);
note(sprintf 'by SQL: %.2f s', time - $since);
$since = time;
$nodes[3]->ok_batch("$many devices on a console", map { "devstate change PJSIP/$_ " . (qw(ONHOLD BUSY))[ $_ % 2 ] } 1 .. $many);
$devices{"PJSIP/$_"} = (qw(ONHOLD BUSY))[ $_ % 2 ] for 1 .. $many;
note(sprintf 'by console, one by one: %.2f s', time - $since);
agree('all nodes have them, too', { devices => \%devices, mailboxes => \%mailboxes }, $pg, @nodes);
is($nodes[0]->stats->{devices}, scalar keys %devices, 'counted');

# --- one that comes late
my $late = $pg->node('late', dialplan => $dialplan, options => 'lease=30');
$since = time;
$late->start;
note(sprintf 'ready with %d devices after %.2f s', scalar keys %devices, time - $since);
agree('who comes late knows all', { devices => \%devices, mailboxes => \%mailboxes }, $late);
is(scalar(grep { $_->{device_state} ne ($devices{"SIP/$_->{exten}"} // 'INVALID') } @{ $late->json('core show hints') }), 0, '... also in its hints');

# --- the node with the thousands stops and comes back
$nodes[3]->stop;
my %without = map { $_ => $devices{$_} } grep { !/^PJSIP/ } keys %devices;
for my $n (1 .. 40) {
    my @set = grep {defined} map { $says[$_]{"SIP/$n"} } grep { $_ != 3 } 0 .. 7;
    @set ? $without{"SIP/$n"} = sum_of(@set) : delete $without{"SIP/$n"};
}
my %less = map { $_ => $mailboxes{$_} } grep { $_ ne 'own4@default' } keys %mailboxes;
agree('it stops: its states leave everywhere', { devices => \%without, mailboxes => \%less }, $pg, $late, @nodes[0, 7]);
$nodes[3]->start;
agree('it is back: all are back', { devices => \%devices, mailboxes => \%mailboxes }, $pg, $late, @nodes[0, 3, 7]);

$_->signal('TERM') for @nodes, $late;
is($_->wait_exit, 0, "$_->{name} stopped") for @nodes, $late;
done_testing();
