# The test of Asterisk's distributed_devstate.txt, line by line, on two nodes.
use lib 'tests/flow/lib';
use Flow;

my $dialplan = <<'END';
[devstate_test]

exten => 1234,hint,Custom:mystate

exten => set_inuse,1,Set(DEVICE_STATE(Custom:mystate)=INUSE)
exten => set_not_inuse,1,Set(DEVICE_STATE(Custom:mystate)=NOT_INUSE)

exten => check,1,NoOp(Custom:mystate is ${DEVICE_STATE(Custom:mystate)})
END

my $pg = Flow::Pg->new;
my $a  = $pg->node('server1', entity_id => '01:23:45:67:89:ab', dialplan => $dialplan)->start;
my $b  = $pg->node('server2', entity_id => '01:23:45:67:89:ac', dialplan => $dialplan)->start;

# "Configuring Asterisk": core show settings
like($a->ok_console('core show settings'), qr/^ *Entity ID: +01:23:45:67:89:ab$/m, 'settings show the entity id');

# "Basic testing": members and event channels, also as the document spells them
for my $spelling ('cluster show members', 'ais clm show members') {
    my $text = poll_until {
        contents_like($b->console($spelling), qr/Node Name: server1.*Node Name: server2/s) && $Flow::last_seen
    } "$spelling: both are there";
    like($text, qr/\A\s*={61}\n=== Cluster Members =+\n={61}\n===\n=== -{57}\n=== Node Name: /, '... in the look of the document');
    is(() = $text =~ /^=== ==> Member: Yes$/mg, 2, '... and both are members');
}
for my $spelling ('cluster show channels', 'ais evt show event channels') {
    my $text = $a->ok_console($spelling);
    for my $event (qw(mwi device_state)) {
        like($text, qr/^=== Event Channel Name: $event\n=== ==> Publishing Event Type: $event\n=== ==> Subscribing to Event Type: $event\n=== -{57}$/m,
            "$spelling: $event");
    }
}

# "Testing distributed device state"
sub check_shows {
    my ($node, $state) = @_;
    poll_until {
        contents_like($node->console('console dial check@devstate_test'),
            qr{^    -- Executing \[check\@devstate_test:1\] NoOp\("Console/dsp", "Custom:mystate is $state"\) in new stack$}m)
    } "$node->{name}: check says $state";
}

sub hint_shows {
    my ($node, $state) = @_;
    poll_until {
        contents_like($node->console('core show hints'),
            qr{^ +1234\@devstate_test +: Custom:mystate +State:$state +Watchers +0$}m)
    } "$node->{name}: the hint is $state";
}

for my $case (['set_inuse', 'INUSE', 'InUse'], ['set_not_inuse', 'NOT_INUSE', 'Idle'], ['set_inuse', 'INUSE', 'InUse']) {
    my ($exten, $state, $hint) = @$case;
    $a->ok_console("console dial $exten\@devstate_test");
    check_shows($_, $state) for $a, $b;
    hint_shows($_, $hint) for $a, $b;
    is($pg->psql("select state from pgdevstate.device where device = 'Custom:mystate'"), $state, "SQL: $state");
}

# "Various combinations": what the other server says is added to it
$b->ok_console('console dial set_not_inuse@devstate_test');
check_shows($_, 'INUSE') for $a, $b;
$a->ok_console('console dial set_not_inuse@devstate_test');
check_shows($_, 'NOT_INUSE') for $a, $b;

# "core set debug 1": each server's state, and how they add up
$b->ok_console('core set debug 1');
$a->ok_console('console dial set_inuse@devstate_test');
for my $line (
    "Adding state of 'INUSE' from server1 (01:23:45:67:89:ab) for 'Custom:mystate'",
    "Adding state of 'NOT_INUSE' from server2 (01:23:45:67:89:ac) for 'Custom:mystate'",
    "'Custom:mystate' adds up to 'INUSE' servers=2",
) {
    poll_until { contents_like($b->log, qr/ DEBUG .*\Q$line\E$/m) } "debug 1: $line";
}
is($b->ok_console('core set debug 0'), "Core debug was 1 and is now 0.\n", '... and off again');

# MWI
$a->ok_console('mailbox set 1000@default 2');
poll_until { contents_like($b->console('mailbox show 1000@default'), qr/\b2\b/) } 'a mailbox of server1 is seen on server2';
is($pg->psql("select new_messages from pgdevstate.mailbox where mailbox = '1000' and context = 'default'"), 2, 'SQL: 2 messages');

# A node that stops leaves at once; its held state stays in the database for its next start.
$a->stop;
check_shows($b, 'NOT_INUSE');
$a->start;
check_shows($_, 'INUSE') for $a, $b;
$_->stop for $a, $b;

done_testing();
