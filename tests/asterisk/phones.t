# Phones on server a, seen from server b: PJSIP endpoints that register, are called and call; lamps
# (dialog, presence) of phones on b follow.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(started shows everywhere);

my $dialplan = <<'CONF';
[default]
exten => 1000,hint,PJSIP/1000
exten => 99,1,Answer()
same => n,Echo()
CONF
# b has no endpoint 1000
my ($server1, $server2) = started(2, dialplan => $dialplan, modules => ['sip'], a => { phones => [qw(1000)] }, b => { phones => [qw(2000)] });
my %lamp = map { $_ => Pbx::Sipp->subscribe($server2, '1000', $_, user => '2000') } qw(dialog presence);

shows($server2, 'PJSIP/1000', 'UNAVAILABLE');
my $mark = $server2->ami->mark;
Pbx::Sipp->run('a phone registers on a', 'register', $server1, user => '1000', keys => { contact => '127.0.9.1:5060' });
shows($_, 'PJSIP/1000', 'NOT_INUSE') for $server1, $server2;

my $phone = Pbx::Sipp->start('answer', $server1, address => '127.0.9.1', args => [ '-d', 2000 ]);
$server1->ami->action('Originate', Channel => 'PJSIP/1000', Application => 'Wait', Data => 60, Async => 'true');
$server2->ami->wait_event("b: it is $_", $mark, Event => 'DeviceStateChange', Device => 'PJSIP/1000', State => $_) for qw(RINGING INUSE);
poll_until { contents_like(Pbx::Cluster::hint($server2, '1000'), qr/^InUse$/) } 'b: the hint says InUse';
poll_until { contents_like(($lamp{dialog}->bodies)[-1] // '', qr{<state>confirmed</state>}) } 'b: the dialog lamp is on';
poll_until { contents_like(($lamp{presence}->bodies)[-1] // '', qr{busy|On the phone}i) } 'b: the presence lamp is on';
ok($lamp{dialog}->notified(qr{<state>early</state>}), 'b: it was blinking before');
$server1->ami->hang_up(qr{^PJSIP/1000});
$phone->succeeds('the call ends');
$server2->ami->wait_event('b: it is free', $mark, Event => 'DeviceStateChange', Device => 'PJSIP/1000', State => 'NOT_INUSE');
poll_until { contents_like(($lamp{dialog}->bodies)[-1] // '', qr{<state>terminated</state>}) } 'b: the dialog lamp is off';
poll_until { contents_like(($lamp{presence}->bodies)[-1] // '', qr{Ready|open}) } 'b: the presence lamp is off';
my @states = $server2->ami->states($mark, 'PJSIP/1000');
is("@states[-4 .. -1]", 'NOT_INUSE RINGING INUSE NOT_INUSE', 'b: all states of the call, in order');

# The phone calls.
$mark = $server2->ami->mark;
my $call = Pbx::Sipp->start('call', $server1, user => '1000', address => '127.0.9.1', keys => { exten => '99' }, args => [ '-d', 2000 ]);
$server2->ami->wait_event("b: when it calls, it is $_", $mark, Event => 'DeviceStateChange', Device => 'PJSIP/1000', State => $_) for qw(INUSE NOT_INUSE);
$call->succeeds('a phone calls on a');
done_testing();
