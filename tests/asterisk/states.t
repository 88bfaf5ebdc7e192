# Device states of two servers: they arrive in order, and what both say is added together, by
# Asterisk itself, as everywhere else: all pairs that can be set.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(started everywhere shows);

my ($server1, $server2) = started(2, dialplan => "[default]\nexten => 1,hint,Custom:order\n");
my ($ami1, $ami2) = map { $_->ami } $server1, $server2;

# ---- order, by the event that is not coalesced ----
for my $round (1 .. 5) {
    my $mark = $ami2->mark;
    my @states = qw(NOT_INUSE RINGING INUSE ONHOLD);
    for my $state (@states, 'BUSY') {
        $ami1->set("DEVICE_STATE(Custom:order-$round)", $state);
    }
    $ami2->wait_event("round $round: the last state arrives", $mark, Event => 'DeviceStateChange',
        Device => "Custom:order-$round", State => 'BUSY');
    my @seen = grep { $_ ne 'BUSY' } $ami2->states($mark, "Custom:order-$round");
    # newest wins: one may be missing when several changed at once, but none is late
    is(join(' ', @seen), join(' ', grep { my $s = $_; grep { $s eq $_ } @seen } @states), "round $round: in order: @seen");
}

# One at a time none is missing.
my $from = $ami2->mark;
for my $state (qw(NOT_INUSE RINGING INUSE ONHOLD)) {
    my $mark = $ami2->mark;
    $ami1->set('DEVICE_STATE(Custom:order)', $state);
    $ami2->wait_event("$state is told on the other server", $mark, Event => 'DeviceStateChange', Device => 'Custom:order', State => $state);
}
is(join(' ', $ami2->states($from, 'Custom:order')), 'NOT_INUSE RINGING INUSE ONHOLD', 'each once, in order');

# ---- pairs ----
my %rank = (INVALID => 0, UNKNOWN => 1, UNAVAILABLE => 2, NOT_INUSE => 3, ONHOLD => 4, RINGING => 5, INUSE => 6, BUSY => 7, RINGINUSE => 8);
my @settable = qw(NOT_INUSE INUSE BUSY INVALID UNAVAILABLE RINGING RINGINUSE ONHOLD);

sub sum_of {
    my (@states) = @_;
    my %has = map { $_ => 1 } @states;
    return 'RINGINUSE' if $has{RINGING} && ($has{INUSE} || $has{BUSY} || $has{ONHOLD});
    my ($sum) = sort { $rank{$b} <=> $rank{$a} } @states;
    return $sum;
}

my %expected;
for my $one (@settable) {
    for my $other (@settable) {
        $expected{"Custom:$one-$other"} = sum_of($one, $other);
        $ami1->set("DEVICE_STATE(Custom:$one-$other)", $one);
        $ami2->set("DEVICE_STATE(Custom:$one-$other)", $other);
    }
}
is(scalar keys %expected, 64, 'all pairs that DEVICE_STATE() can set');
for my $server ($server1, $server2) {
    poll_until {
        my %has = map { $_ => $server->ami->device($_) // '' } keys %expected;
        $Flow::last_seen = join "\n", map { "$_: $has{$_}, should be $expected{$_}" } grep { $has{$_} ne $expected{$_} } sort keys %expected;
        $Flow::last_seen eq '';
    } "$server->{name}: all sums are right";
}

# ... and what is left when one of the two goes back.
for my $pair (sort keys %expected) {
    $ami1->set("DEVICE_STATE($pair)", 'NOT_INUSE');
    my ($other) = $pair =~ /-(\w+)$/;
    $expected{$pair} = sum_of('NOT_INUSE', $other);
}
for my $server ($server1, $server2) {
    poll_until {
        my %has = map { $_ => $server->ami->device($_) // '' } keys %expected;
        $Flow::last_seen = join "\n", map { "$_: $has{$_}, should be $expected{$_}" } grep { $has{$_} ne $expected{$_} } sort keys %expected;
        $Flow::last_seen eq '';
    } "$server->{name}: and after one of the two went back";
}
done_testing();
