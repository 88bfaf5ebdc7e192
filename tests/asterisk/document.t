# The test of Asterisk's doc/distributed_devstate.txt (2008) on two real servers: its dialplan,
# its hint, its commands.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(started shows);

my $dialplan = <<'CONF';
[devstate_test]

exten => 1234,hint,Custom:mystate

exten => set_inuse,1,Set(DEVICE_STATE(Custom:mystate)=INUSE)
exten => set_not_inuse,1,Set(DEVICE_STATE(Custom:mystate)=NOT_INUSE)

exten => check,1,NoOp(Custom:mystate is ${DEVICE_STATE(Custom:mystate)})
CONF
$ENV{VERBOSE} = 1;
my ($server1, $server2) = started(2, dialplan => $dialplan);

# Step 1: entity ids.
for my $server ($server1, $server2) {
    like($server->cli('core show settings'), qr/^ *Entity ID: +\Q$server->{entity}\E$/m, "$server->{name}: core show settings has its entity id");
}

# The console of the document is a sound card's; a Local channel dials as well.
sub dial {
    my ($server, $exten) = @_;
    $server->cli("channel originate Local/$exten\@devstate_test application Wait 1");
}

# The extension says what DEVICE_STATE() is, in the log as on a console.
sub check {
    my ($server, $state) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $from = length slurp($server->{log});
    dial($server, 'check');
    poll_until {
        contents_like(substr(slurp($server->{log}), $from),
            qr/Executing \[check\@devstate_test:1\] NoOp\("Local\/check[^"]*", "Custom:mystate is \Q$state\E"\) in new stack/);
    } "$server->{name}: the dialplan says that it is $state";
}

sub hints {
    my ($state, @servers) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for my $server (@servers) {
        poll_until { contents_like($server->cli('core show hints'), qr/^1234\@devstate_test +: Custom:mystate +State:\Q$state\E /m) }
            "$server->{name}: core show hints says $state";
    }
}

# Both ways, and from both servers.
for my $from ($server1, $server2) {
    dial($from, 'set_inuse');
    shows($_, 'Custom:mystate', 'INUSE') for $server1, $server2;
    check($_, 'INUSE') for $server1, $server2;
    hints('InUse', $server1, $server2);
    dial($from, 'set_not_inuse');
    shows($_, 'Custom:mystate', 'NOT_INUSE') for $server1, $server2;
    check($_, 'NOT_INUSE') for $server1, $server2;
    hints('Idle', $server1, $server2);
}

# "various combinations of states on different servers" is states.t.
done_testing();
