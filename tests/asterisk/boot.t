# Asterisk starts while other servers' states change: pbx_config reads a device's state first, and its
# hint hears of changes later. So the module does not link before Asterisk has booted, and all hints
# are right. The test is the node.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::FakeNode;

my $count = 20_000;
my $other = '02:00:00:00:02:02';
my $node  = Pbx::FakeNode->new('a', entity_id => '02:00:00:00:01:01');
my $pbx   = pbx('a', node => $node, files => { 'extensions.conf' => join '', "[default]\n", map { "exten => d$_,hint,Custom:d$_\n" } 1 .. $count });
$pbx->spawn;
$node->accept;
is(() = $pbx->cli('core show hints') =~ /Custom:d\d+/g, $count, 'all hints are there when the module links');

# All of them, as fast as it takes them, from its first moment on, and once more each.
$node->wait_line('hello', qr/^hello\t/);
$node->say([ 'hello', 1, $node->{entity_id}, 'fake', '0.0' ], [ 'status', 'ready' ], 'begin');
my $sent = 0;
for my $state (qw(INUSE RINGING)) {
    my @left = map { [ 'device', $state, $other, "Custom:d$_" ] } 1 .. $count;
    poll_until {
        $node->hear;
        while (@left && (my $room = 256 - ($sent - $node->{acked})) > 0) {
            my @now = splice(@left, 0, $room);
            $node->say(@now);
            $sent += @now;
            $node->hear;
        }
        $Flow::last_seen = @left . " of $count are left, $node->{acked} of $sent are acknowledged";
        !@left;
    } "all are told that they are $state", 120;
}
$node->say('end');
$pbx->wait_booted;
poll_until {
    my $hints = $pbx->cli('core show hints');
    my $right = () = $hints =~ /State:Ringing /g;
    $Flow::last_seen = "$right of $count hints are Ringing";
    $right == $count;
} 'all hints come to say so';
is(grep({ /^begin$/ } @{ $node->hear }), 1, 'the report is not held up');
done_testing();
