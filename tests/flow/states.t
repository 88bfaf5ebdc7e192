# What several servers say of a device is added together: all pairs of states and random sets,
# the same on every node, in SQL, and by the rules as they are written down here once more.
use lib 'tests/flow/lib';
use Flow;

my @states = qw(UNKNOWN NOT_INUSE INUSE BUSY INVALID UNAVAILABLE RINGING RINGINUSE ONHOLD);
my @weakest_first = qw(INVALID UNKNOWN UNAVAILABLE NOT_INUSE ONHOLD RINGING INUSE BUSY RINGINUSE);
my %hint_of = (
    NOT_INUSE => 'Idle', UNKNOWN => 'Idle', INUSE => 'InUse', BUSY => 'Busy', UNAVAILABLE => 'Unavailable',
    INVALID => 'Unavailable', RINGING => 'Ringing', RINGINUSE => 'InUse&Ringing', ONHOLD => 'Hold',
);

sub sum_of {
    my %has = map { $_ => 1 } @_;
    return 'RINGINUSE' if $has{RINGING} && ($has{INUSE} || $has{BUSY} || $has{ONHOLD});
    my $sum;
    for my $state (@weakest_first) {
        $sum = $state if $has{$state};
    }
    return $sum;
}

my $seed = $ENV{SEED} // time;
srand $seed;
diag("SEED=$seed") if $ENV{SEED};
note("SEED=$seed");

my $dialplan = "[default]\nexten => see,1,NoOp(\${DEVICE_STATE(Custom:nobody)} \${DEVICE_STATE(PJSIP/nobody)}"
    . " \${DEVICE_STATE(custom:nobody)})\n[pairs]\n";
for my $x (@states) {
    $dialplan .= "exten => $x-$_,hint,PJSIP/$x-$_\n" for @states;
}
# Hints of two devices, each of which only one server says something of.
my $hints = "[both]\n";
for my $x (@states) {
    $hints .= "exten => $x-$_,hint,Custom:a-$x&Custom:b-$_\n" for @states;
}

my $pg = Flow::Pg->new;
my @nodes = map { $pg->node("server$_", dialplan => $dialplan . $hints) } 1 .. 4;
$_->spawn for @nodes;
$_->wait_ready for @nodes;
my ($first, $second) = @nodes;

# --- devices that nobody knows
like($first->ok_console('console dial see'), qr/NoOp\("Console\/dsp", "UNKNOWN INVALID UNKNOWN"\)/, 'devices that nobody knows, in the dialplan');
for my $case (['Custom:nobody', 'UNKNOWN'], ['PJSIP/nobody', 'INVALID']) {
    my ($device, $state) = @$case;
    my $shown = $first->json("devstate show $device");
    is("$shown->{state} $shown->{entities}", "$state 0", "... $device on the console");
}
is_deeply($first->devices, {}, '... are in no list');

# --- all 81 pairs
my %expected;
for my $x (@states) {
    $expected{"PJSIP/$x-$_"} = sum_of($x, $_) for @states;
    $expected{"Custom:a-$x"} = $expected{"Custom:b-$x"} = $x;
}
$first->ok_batch('81 states on the first',
    map { my $x = $_; "devstate change Custom:a-$x $x", map {"devstate change PJSIP/$x-$_ $x"} @states } @states);
$second->ok_batch('81 states on the second',
    map { my $y = $_; "devstate change Custom:b-$y $y", map {"devstate change PJSIP/$_-$y $y"} @states } @states);
agree('all 81 pairs: nodes and SQL say what the rules say', { devices => \%expected, mailboxes => {} }, $pg, @nodes);

for my $node ($first, $nodes[3]) {
    my (%seen, %want);
    for my $hint (@{ $node->json('core show hints') }) {
        my ($x, $y) = split /-/, $hint->{exten};
        $seen{"$hint->{exten}\@$hint->{context}"} = $hint->{state};
        $want{"$hint->{exten}\@$hint->{context}"} = $hint_of{ sum_of($x, $y) };
    }
    is(keys %want, 162, "$node->{name} has all hints");
    is_deeply(\%seen, \%want, '... mapped from the sums');
}

my $said = $nodes[2]->json('devstate show PJSIP/RINGING-ONHOLD');
is_deeply([sort map {"$_->{name} $_->{state}"} @{ $said->{statements} }], ['server1 RINGING', 'server2 ONHOLD'], 'who says what');
is("$said->{state} $said->{label} $said->{entities}", 'RINGINUSE Ring+Inuse 2', '... and the sum');

# --- names of states in any case; a bad one is refused
$first->ok_console('devstate change Custom:case rInGiNuSe');
poll_until { ($second->devices->{'Custom:case'} // '') eq 'RINGINUSE' } 'any case will do';
my ($out, $err, $status) = $first->run('devstate change Custom:case RINGIN');
is($status, 1, 'an unknown state: exit status 1');
like($err, qr/'RINGIN' is no device state; states are UNKNOWN, NOT_INUSE, INUSE, .*ONHOLD/, '... and the states that there are');
$first->ok_console('devstate remove Custom:case');

# --- random sets: each of four nodes says something of some of the devices, or takes it back
my @says = map { {} } @nodes;
for my $round (1 .. 3) {
    for my $i (0 .. $#nodes) {
        my @commands;
        for my $n (1 .. 60) {
            next if rand() < 0.4;
            if (exists $says[$i]{"SIP/$n"} && rand() < 0.3) {
                delete $says[$i]{"SIP/$n"};
                push @commands, "devstate remove SIP/$n";
            } else {
                $says[$i]{"SIP/$n"} = $states[ rand @states ];
                push @commands, "devstate change SIP/$n " . $says[$i]{"SIP/$n"};
            }
        }
        $nodes[$i]->ok_batch("round $round: server" . ($i + 1), @commands);
    }
    my %now = %expected;
    for my $n (1 .. 60) {
        my @set = grep {defined} map { $_->{"SIP/$n"} } @says;
        $now{"SIP/$n"} = sum_of(@set) if @set;
    }
    agree("round $round: random sets add up", { devices => \%now, mailboxes => {} }, $pg, @nodes);
}

$_->signal('TERM') for @nodes;
is($_->wait_exit, 0, "$_->{name} stopped") for @nodes;
done_testing();
