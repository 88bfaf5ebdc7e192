# A queue on server b with an agent whose phone is on server a: who is busy there is not rung here.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(started shows);

my $dialplan = <<'CONF';
[default]
exten => support,1,Answer()
same => n,Queue(support,,,,300)
exten => caller,1,Answer()
same => n,Wait(300)
[agents]
exten => _X.,1,Wait(300)
CONF
my @members = map { "Local/$_\@agents/n,0,Agent $_,PJSIP/$_" } qw(1000 1001);
my ($server1, $server2) = started(2, dialplan => $dialplan, phones => [qw(1000 1001)], b => { phones => [], queues => { support => \@members } });
for my $n (0, 1) {
    Pbx::Sipp->run("the phone of agent 100$n registers on a", 'register', $server1, user => "100$n", keys => { contact => "127.0.9.$n:5060" });
}

# What the queue thinks of its members: name => state's number.
sub members {
    my %status = map { $_->{Name} => $_->{Status} }
        grep { $_->{Event} eq 'QueueMember' } $server2->ami->list('QueueStatus', 'QueueStatusComplete', Queue => 'support');
    return join ', ', map { "$_=" . ($status{$_} // '?') } 'Agent 1000', 'Agent 1001';
}

sub queue_sees {
    my ($expected) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { contents_like(members(), qr/^\Q$expected\E$/) } "the queue sees $expected";
}

queue_sees('Agent 1000=1, Agent 1001=1');
my $phone = Pbx::Sipp->start('answer', $server1, address => '127.0.9.0', args => [ '-d', 0 ]);
$server1->ami->action('Originate', Channel => 'PJSIP/1000', Application => 'Wait', Data => 300, Async => 'true');
queue_sees('Agent 1000=2, Agent 1001=1');

my $mark = $server2->ami->mark;
$server2->ami->action('Originate', Channel => 'Local/caller@default', Context => 'default', Exten => 'support', Priority => 1, Async => 'true');
$server2->ami->wait_event('who is free is rung', $mark, Event => 'AgentCalled', MemberName => 'Agent 1001');
# the second try comes after the first one's timeout: by then the busy one had been tried, too
$server2->ami->wait_event('... again', scalar(@{ $server2->ami->{events} }), Event => 'AgentCalled', MemberName => 'Agent 1001');
is(scalar $server2->ami->events($mark, Event => 'AgentCalled', MemberName => 'Agent 1000'), 0, 'who is busy on a is not');

$mark = $server2->ami->mark;
$server1->ami->hang_up(qr{^PJSIP/1000});
$phone->succeeds('the call on a ends');
queue_sees('Agent 1000=1, Agent 1001=1');
$server2->ami->wait_event('... and is then rung', $mark, Event => 'AgentCalled', MemberName => 'Agent 1000');
done_testing();
