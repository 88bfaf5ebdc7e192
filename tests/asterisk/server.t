# One Asterisk without any cluster: that what the other tests stand on does what they think: the
# root, AMI, phones that register, are called, call and subscribe, a message in a mailbox.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Config qw(pjsip_conf phones voicemail_conf);

my $dialplan = <<'CONF';
[default]
exten => 1000,hint,PJSIP/1000
exten => 99,1,Answer()
same => n,Echo()
exten => leave,1,Answer()
same => n,VoiceMail(1000@default,s)
exten => speak,1,Answer()
same => n,Playtones(440)
same => n,Wait(1)
CONF
my $server = pbx('one', modules => [qw(sip voicemail)]);
$server->reconfigure(
    'extensions.conf' => $dialplan,
    'pjsip.conf'      => pjsip_conf($server->{address}, phones('', '1000')),
    'voicemail.conf'  => voicemail_conf('1000')
);
$server->start;
my $ami = $server->ami;
like($server->cli('core show version'), qr/^Asterisk \Q$Pbx::VERSION_WANTED\E\./, 'the version that was asked for');
like($server->cli('core show settings'), qr/Entity ID: +\Q$server->{entity}\E/, 'its entity id');

# A device state, and its order.
my $mark = $ami->mark;
$ami->set('DEVICE_STATE(Custom:x)', $_) for qw(INUSE RINGING NOT_INUSE);
$ami->wait_event('the last state is told', $mark, Event => 'DeviceStateChange', Device => 'Custom:x', State => 'NOT_INUSE');
is(join(' ', $ami->states($mark, 'Custom:x')), 'INUSE RINGING NOT_INUSE', '... and the others, in order');
is($ami->device('Custom:x'), 'NOT_INUSE', 'DEVICE_STATE() says it, too');

# A phone.
Pbx::Sipp->run('a phone registers', 'register', $server, user => '1000', keys => { contact => '127.0.9.1:5060' });
my $phone = Pbx::Sipp->start('answer', $server, address => '127.0.9.1', args => [ '-d', 1000 ]);
my $lamp = Pbx::Sipp->subscribe($server, '1000', 'dialog');
poll_until { $lamp->notified(qr/terminated/) } 'the lamp is subscribed';
$mark = $ami->mark;
$ami->action('Originate', Channel => 'PJSIP/1000', Application => 'Wait', Data => 60, Async => 'true');
$ami->wait_event('it is called and answers', $mark, Event => 'DeviceStateChange', Device => 'PJSIP/1000', State => 'INUSE');
poll_until { $lamp->notified(qr/confirmed/) } 'the lamp is on';
$ami->hang_up(qr{^PJSIP/1000});
$phone->succeeds('the call ends');
$ami->wait_event('it is free', $mark, Event => 'DeviceStateChange', Device => 'PJSIP/1000', State => 'NOT_INUSE');
is(join(' ', $ami->states($mark, 'PJSIP/1000')), 'RINGING INUSE NOT_INUSE', 'its states in order');
poll_until { ($lamp->bodies)[-1] =~ /terminated/ } 'the lamp is off';

# A message.
my $mwi = Pbx::Sipp->subscribe($server, '1000', 'message-summary');
poll_until { $mwi->notified(qr{Voice-Message: 0/0}) } 'the mailbox is empty';
$ami->action('Originate', Channel => 'Local/leave@default', Context => 'default', Exten => 'speak', Priority => 1, Async => 'true');
poll_until { $mwi->notified(qr{Voice-Message: 1/0}) } 'a message lights the lamp';
is($ami->mailbox('1000@default'), '1/0', 'AMI counts it, too');

# Calls, and requests answered.
Pbx::Sipp->run('a phone calls', 'call', $server, user => '1000', keys => { exten => '99' }, args => [ '-d', 200 ]);
Pbx::Sipp->run('OPTIONS are answered', 'options', $server, user => '1000', calls => 20, rate => 20);
done_testing();
