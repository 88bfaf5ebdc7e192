# Load that a link must stand: 100,000 devices reported at once, to one who watches, one with a
# window, and one who does not read, who is dropped with a reason while the others go on; a
# client that floods. Times and memory are printed. No sanitizers here, whose memory is not the
# node's.
use lib 'tests/flow/lib';
use Flow;
use Link;
use Time::HiRes qw(time);

$Flow::BIN = $Flow::B;
my $many   = 100_000;
my @states = qw(NOT_INUSE INUSE BUSY RINGING ONHOLD);
my $pg     = Flow::Pg->new;
my ($one, $two) = my @nodes = map { $pg->node("server$_", options => 'lease=30') } 1 .. 2;
$_->spawn for @nodes;
$_->wait_ready for @nodes;
my $id1 = $one->{entity_id};

sub rss_kb { my ($node) = @_; return slurp("/proc/$node->{pid}/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die 'no VmRSS' }

sub state_of { my ($i, $round) = @_; return $states[ ($i + $round) % @states ] }

sub device_lines { my ($round) = @_; return join '', map { "device\t" . state_of($_, $round) . "\tPJSIP/$_\n" } 1 .. $many }

# All that it should know, as it was told.
sub knows_all {
    my ($link, $round) = @_;
    my $told = $link->{device};
    return 0 unless keys %$told == $many;
    for my $i (1 .. $many) {
        return 0 unless ($told->{"PJSIP/$i"}{$id1} // '') eq state_of($i, $round);
    }
    return 1;
}

my $watch  = Link->new($two, 'watch');
my $window = Link->new($two, 'watch', 'window=1000');
my $stuck  = Link->new($two, 'watch');                  # reads nothing from now on
my $pbx    = Link->new($one, 'report', 'watch');
$_->wait_for(qr/^end$/) for $watch, $window, $stuck;
my @before = map { rss_kb($_) } @nodes;

# Reads those who read; the one with a window acknowledges what it took.
my $acked = 0;

sub readers_read {
    $watch->read;
    $window->read;
    my $facts = $window->{facts} // 0;
    cmp_ok($facts - $acked, '<=', 1000, 'a window is kept') if $facts - $acked > 1000;
    $window->say('ack', $facts - $acked) if $facts > $acked;
    $acked = $facts;
}
readers_read();

for my $round (0, 1) {
    my $since = time;
    $pbx->send("begin\n" . device_lines($round) . "end\n");
    $pbx->sync;
    my $said = time - $since;
    my ($seen, $seen_window);
    poll_until {
        for (1 .. 50) { readers_read() }
        $seen        ||= knows_all($watch,  $round) && time - $since;
        $seen_window ||= knows_all($window, $round) && time - $since;
        $seen && $seen_window
    }
    "round $round: $many devices are told to those who read";
    note(sprintf 'round %d: said in %.2f s, told by the other node after %.2f s, with a window of 1,000 after %.2f s',
        $round, $said, $seen, $seen_window);
    poll_until { $one->stats->{unsent} == 0 } "round $round: all is written";
    is($one->stats->{report}, 'complete', "round $round: the report is complete");
    is($pg->psql("select count(*) from pgdevstate.device where device like 'PJSIP/%'"), $many, "round $round: SQL knows all");
}
for my $i (0, 1) {
    my $after = rss_kb($nodes[$i]);
    note(sprintf 'VmRSS of %s: %d kB before, %d kB with %d devices: %d bytes a device%s', $nodes[$i]{name}, $before[$i], $after,
        $many, ($after - $before[$i]) * 1024 / $many, $i ? ', told to three' : '');
    cmp_ok(($after - $before[$i]) * 1024 / $many, '<', 1024, 'less than 1 kB a device');
}

# --- the same report again: nothing is written, nothing is told
$watch->sync;
my ($facts, $sent) = ($watch->{facts}, $one->stats->{rows_sent});
my $since = time;
$pbx->send("begin\n" . device_lines(1) . "end\n");
$pbx->sync;
note(sprintf 'the same again: taken in %.2f s', time - $since);
$watch->sync;
is($watch->{facts}, $facts, 'the same report again tells nothing');
is($one->stats->{rows_sent}, $sent, '... and writes nothing');

# --- one who floods questions and reads no answer is not read any more, and costs nobody else
my $flood = Link->connect_only($two);
$flood->say(qw(hello 1 - flood 1));
{
    local $SIG{PIPE} = 'IGNORE';
    my $line = "ping\t" . 'x' x 200 . "\n";
    my $stop = time + $Flow::DEADLINE;
    my $full = 0;
    while ($full < 50 && time < $stop) {
        my $n = syswrite($flood->{socket}, $line x 100);
        if (defined $n) { $full = 0 }
        else { $full++; select(undef, undef, undef, 0.01) }
    }
    cmp_ok($full, '>=', 50, 'a flood is stopped by the socket');
}
cmp_ok(rss_kb($two) - $before[1], '<', 1024 * 120, '... and by no memory');
$pbx->say('device', 'ONHOLD', 'PJSIP/7');
poll_until { readers_read(); $watch->{device}{'PJSIP/7'}{$id1} eq 'ONHOLD' } '... while others are told as before';

# --- who does not read is dropped, with a reason; the others are told as before
poll_until {
    readers_read();
    contents_like($two->log, qr/WARNING link: link lost: it does not read: nothing could be written for 30 s program="test" pid=$$/)
}
'who does not read is dropped', 30 + $Flow::DEADLINE;
$pbx->say('device', 'BUSY', 'PJSIP/7');
poll_until { readers_read(); $watch->{device}{'PJSIP/7'}{$id1} eq 'BUSY' } '... and the others go on';
poll_until { !$stuck->read } '... its link is closed';

# --- all of them leave at once
$since = time;
$pbx->bye;
poll_until { readers_read(); !%{ $watch->{device} } && !%{ $window->{device} } } 'goodbye: all are told that all are gone';
note(sprintf 'gone after %.2f s', time - $since);
is($_->stats->{payloads_bad}, 0, "$_->{name} heard nothing wrong") for @nodes;
$_->stop for @nodes;
done_testing();
