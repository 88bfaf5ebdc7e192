# Servers that come and go: late, killed, stopped in each way; nodes and the database likewise.
# What a dead server said goes out everywhere (DEVICE_STATE(), hint, AMI, queue agree), and is
# back when it is.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(cluster everywhere shows);
use Time::HiRes qw(time);

my $dialplan = <<'CONF';
[default]
exten => 1,hint,Custom:lamp
exten => 2,hint,PJSIP/1000
[agents]
exten => _X.,1,Wait(300)
CONF
my @members = ('Local/1@agents/n,0,Agent custom,Custom:lamp', 'Local/2@agents/n,0,Agent phone,PJSIP/1000');
my ($server1, $server2, $server3) = cluster(3, dialplan => $dialplan, phones => [], boxes => [],
    a => { phones => ['1000'], boxes => ['1000'] }, b => { queues => { support => \@members } });
$_->start for $server1, $server2;
my ($node1, $pg) = ($server1->{node}, Pbx::Cluster::pg());

# What a server says of Custom:lamp, in all the ways that there are: device, hint, queue member.
sub all_of {
    my ($server) = @_;
    my %status = map { $_->{Name} => $_->{Status} }
        grep { $_->{Event} eq 'QueueMember' } $server->ami->list('QueueStatus', 'QueueStatusComplete', Queue => 'support');
    return join ' ', $server->ami->device('Custom:lamp'), Pbx::Cluster::hint($server, '1'), $status{'Agent custom'} // '-',
        $server->ami->device('PJSIP/1000'), Pbx::Cluster::hint($server, '2'), $status{'Agent phone'} // '-';
}

sub b_says {
    my ($expected, $why) = @_;
    my $from = time;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { contents_like(all_of($server2), qr/^\Q$expected\E$/) } "b: $why: $expected";
    diag(sprintf '%-50s %.1f s', $why, time - $from);
}
# the device's state and its number are what a server without cluster says of it: nothing
my $on  = 'INUSE InUse 2 NOT_INUSE Idle 1';
my $off = 'UNKNOWN Idle 0 INVALID Unavailable 4';

# A message on a, and a state.
sub speak_up {
    mkdir "$server1->{dir}/spool/voicemail$_" for '', '/default', '/default/1000', '/default/1000/INBOX';
    spew("$server1->{dir}/spool/voicemail/default/1000/INBOX/msg0000.$_", '') for qw(txt gsm);
    $server1->count_messages('1000');
    Pbx::Sipp->run('the phone registers on a', 'register', $server1, user => '1000', keys => { contact => '127.0.9.1:5060' });
    $server1->ami->set('DEVICE_STATE(Custom:lamp)', 'INUSE');
}

speak_up();
b_says($on, 'a says so');

# What a server says of a mailbox was told by MessageWaiting.
sub mailbox_of {
    my ($server, $counts, $why) = @_;
    my ($new, $old) = split m{/}, $counts;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $event = $server->ami;
    poll_until {
        my @told = $event->events(0, Event => 'MessageWaiting', Mailbox => '1000@default');
        contents_like(@told ? "$told[-1]{New}/$told[-1]{Old}" : 'nothing', qr{^$new/$old$});
    } "$server->{name}: $why: $counts";
}
mailbox_of($server2, '1/0', 'a has a message');

# ---- a late joiner ----
my $mark;
$server3->start;
shows($server3, 'Custom:lamp', 'INUSE');
shows($server3, 'PJSIP/1000', 'NOT_INUSE');
poll_until { contents_like(Pbx::Cluster::hint($server3, '1'), qr/^InUse$/) } 'c: the hint, too';

# ---- Asterisk ends, in each way, and comes back ----
my %ways = (
    'kill -9 of Asterisk'      => sub { $server1->kill9 },
    'core stop now'            => sub { $server1->cli('core stop now');        is($server1->wait_exit, 0, 'a: has stopped') },
    'core stop gracefully'     => sub { $server1->cli('core stop gracefully'); is($server1->wait_exit, 0, 'a: has stopped') },
    'SIGTERM'                  => sub { $server1->signal('TERM');              is($server1->wait_exit, 0, 'a: has stopped') },
    'module unload'            => sub { like($server1->cli('module unload res_pgdevstate.so'), qr/Unloaded/, 'a: unloads') },
);
for my $way (sort keys %ways) {
    $mark = $server2->ami->mark;
    $ways{$way}->();
    b_says($off, "$way on a");
    mailbox_of($server2, '0/0', $way);
    if ($way eq 'module unload') {
        like($server1->cli('module load res_pgdevstate.so'), qr/Loaded/, 'a: loads again');
    } else {
        $server1->start;
    }
    b_says($on, "$way on a, which is back");
    mailbox_of($server2, '1/0', "$way, back");
}

# Who joins and leaves, on the console and as events.
$mark = $server2->ami->mark;
$node1->stop;
$server2->ami->wait_event('b: an event says who left', $mark, Event => 'ClusterMember', Name => 'a', Status => 'Left', EntityID => $server1->{entity});
poll_until { contents_like($server2->cli('pgdevstate show members'), qr/\A(?!.*Node Name: a\n).*Node Name: c\n/s) } 'b: its members are those that live';
$node1->start;
$server2->ami->wait_event('b: an event says who joined', $mark, Event => 'ClusterMember', Name => 'a', Status => 'Joined');
poll_until { contents_like($server2->cli('pgdevstate show members'), qr/Node Name: a\n/) } 'b: and the console';
b_says($on, "a's node was stopped and started");

# ---- a restart that is quick: nobody sees anything ----
$mark = $server2->ami->mark;
$server1->kill9;
$server1->start;
shows($server1, 'Custom:lamp', 'INUSE');
$server1->ami->set('DEVICE_STATE(Custom:marker)', 'BUSY');
shows($server2, 'Custom:marker', 'BUSY');
b_says($on, 'a was restarted');

# ---- the node ----
$node1->kill('KILL');
b_says($off, "kill -9 of a's node");
$node1->spawn;
$node1->wait_ready;
b_says($on, "... which is back");
$mark = $server2->ami->mark;
$node1->kill('KILL');
$node1->spawn;
$node1->wait_ready;
$server1->ami->set('DEVICE_STATE(Custom:marker)', 'INUSE');
shows($server2, 'Custom:marker', 'INUSE');
is(join(' ', $server2->ami->states($mark, 'Custom:lamp')), '', 'a quick restart of the node: no lamp flickers');

# its own node: what b sees of others stays, and b's own states come back to them
$mark = $server2->ami->mark;
my $node2 = $server2->{node};
$server2->ami->set('DEVICE_STATE(Custom:b)', 'INUSE');
shows($server1, 'Custom:b', 'INUSE');
$node2->kill('KILL');
$server1->ami->set('DEVICE_STATE(Custom:marker)', 'RINGING');
$node2->spawn;
$node2->wait_ready;
shows($server2, 'Custom:marker', 'RINGING');
is(join(' ', $server2->ami->states($mark, 'Custom:lamp')), '', "b's own node restarted: no lamp flickers");
shows($server1, 'Custom:b', 'INUSE');

# ---- the database ----
$mark = $server2->ami->mark;
$pg->kill9;
$server1->ami->set('DEVICE_STATE(Custom:marker)', 'ONHOLD');
poll_until { eval { $pg->start; 1 } } 'PostgreSQL is back after kill -9';
shows($server2, 'Custom:marker', 'ONHOLD');
b_says($on, 'PostgreSQL was killed and is back');
is(join(' ', $server2->ami->states($mark, 'Custom:lamp')), '', 'no lamp flickered');
done_testing();
