# Calls on server a that are held and taken back, and a phone with as many calls as it takes, seen
# from server b: device, hint, AMI, the lamps of phones there.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(started shows);

my $dialplan = <<'CONF';
[default]
exten => 1000,hint,PJSIP/1000
exten => 1001,hint,PJSIP/1001
exten => 1001,1,Dial(PJSIP/1001)
exten => 99,1,Answer()
same => n,Echo()
CONF
my ($server1, $server2) = started(2, dialplan => $dialplan, modules => ['sip'], phone_options => "direct_media=no\ndevice_state_busy_at=2",
    a => { phones => [qw(1000 1001)] }, b => { phones => [qw(2000)] });
my %lamp = map { $_ => Pbx::Sipp->subscribe($server2, '1001', $_, user => '2000') } qw(dialog presence);
Pbx::Sipp->run("phone $_ registers on a", 'register', $server1, user => "100$_", keys => { contact => "127.0.9.1$_:5060" }) for 0, 1;
shows($server2, "PJSIP/100$_", 'NOT_INUSE') for 0, 1;


# Calls 1001, holds it for so long; the phone.
sub holds {
    my ($ms) = @_;
    return Pbx::Sipp->start('hold', $server1, user => '1000', address => '127.0.9.10', keys => { exten => '1001' },
        args => [ '-d', 700, '-set', 'hold', $ms ]);
}

# What b says of the device in all ways that ask: function, hint, manager.
sub b_says {
    my ($device, $exten, $expected, $why) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until {
        my $answer = $server2->ami->action('ExtensionState', Exten => $exten, Context => 'default');
        contents_like(join(' ', $server2->ami->device($device), Pbx::Cluster::hint($server2, $exten), $answer->{StatusText}), qr/^\Q$expected\E$/);
    } "b: $why: $expected";
}

# The lamps' newest words.
sub lamps_say {
    my ($why, $dialog, $presence) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { contents_like(($lamp{dialog}->bodies)[-1] // '', $dialog) } "b: dialog lamp, $why";
    poll_until { contents_like(($lamp{presence}->bodies)[-1] // '', $presence) } "b: presence lamp, $why";
}
my ($held, $free) = (qr/pname="\+sip.rendering" pvalue="no"/, qr{<state>terminated</state>});

# ---- held, until the other side hangs up ----
# In Asterisk the one whom a call is held for is ONHOLD; the one who holds it stays INUSE.
my $mark   = $server2->ami->mark;
my $callee = Pbx::Sipp->start('answer', $server1, address => '127.0.9.11', args => [ '-d', 300 ], calls => 2);
my $caller = holds(600_000);
b_says('PJSIP/1001', '1001', 'ONHOLD Hold Hold', 'a phone on a is held');
b_says('PJSIP/1000', '1000', 'INUSE InUse InUse', 'the one that holds it');
lamps_say('held', $held, qr/On hold/);
$server1->ami->hang_up(qr{^PJSIP/1001});
b_says('PJSIP/1001', '1001', 'NOT_INUSE Idle Idle', 'it was hung up');
lamps_say('hung up', $free, qr/Ready/);
$caller->stop;
is(join(' ', $server2->ami->states($mark, 'PJSIP/1001')), 'RINGING INUSE ONHOLD NOT_INUSE', 'b: all states of it, in order');

# ---- held and taken back ----
b_says('PJSIP/1000', '1000', 'NOT_INUSE Idle Idle', 'both are free');
my $told = scalar $lamp{dialog}->bodies;
$mark   = $server2->ami->mark;
$caller = holds(700);
$caller->succeeds('a call is held, taken back and ended');
$callee->succeeds('so says the one that was called');
b_says('PJSIP/1001', '1001', 'NOT_INUSE Idle Idle', 'it is over');
is(join(' ', $server2->ami->states($mark, 'PJSIP/1001')), 'RINGING INUSE ONHOLD INUSE NOT_INUSE', 'b: all states of the one that was held, in order');
is(join(' ', $server2->ami->states($mark, 'PJSIP/1000')), 'INUSE NOT_INUSE', 'b: and of the one that held it');
lamps_say('over', $free, qr/Ready/);
my @since = ($lamp{dialog}->bodies)[ $told .. scalar($lamp{dialog}->bodies) - 1 ];
my $lit = join ' ', map { /rendering/ ? 'held' : /confirmed/ ? 'talks' : /early/ ? 'rings' : 'free' } @since;
is($lit, 'rings talks held talks free', 'b: the dialog lamp went with it');

# ---- as many calls as it takes ----
my @calls;
for my $n (1, 2) {
    push @calls, Pbx::Sipp->start('call', $server1, user => '1000', address => "127.0.9.2$n", keys => { exten => '99' }, args => [ '-d', 600_000 ]);
    b_says('PJSIP/1000', '1000', $n == 1 ? 'INUSE InUse InUse' : 'BUSY Busy Busy', "$n of 2 calls (device_state_busy_at)");
}
my ($first) = map { $_->{Channel} } grep { $_->{Channel} =~ m{^PJSIP/1000} } $server1->ami->list('CoreShowChannels', 'CoreShowChannelsComplete');
$server1->ami->action('Hangup', Channel => $first);
b_says('PJSIP/1000', '1000', 'INUSE InUse InUse', 'one call is over');
$server1->ami->hang_up(qr{^PJSIP/1000});
b_says('PJSIP/1000', '1000', 'NOT_INUSE Idle Idle', 'both are over');
$_->stop for @calls;
done_testing();
