# 100,000 devices said at once by one node: the others know all of them, and meanwhile what the
# others say is not held up. Memory and times are printed. No sanitizers here, whose memory is
# not the node's.
use lib 'tests/flow/lib';
use Flow;
use Console;
use Time::HiRes qw(time);

$Flow::BIN = $Flow::B;
my $many   = 100_000;
my @states = qw(NOT_INUSE INUSE BUSY RINGING ONHOLD);
my $pg     = Flow::Pg->new;
my ($one, $two, $three) = my @nodes = map { $pg->node("server$_", options => 'lease=30') } 1 .. 3;
$_->spawn for @nodes;
$_->wait_ready for @nodes;

sub rss_kb { my ($node) = @_; return slurp("/proc/$node->{pid}/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die 'no VmRSS' }
sub median { return (sort { $a <=> $b } @_)[ @_ / 2 ] }

# What a listing says, in lines: quicker than JSON for so many.
sub listed { my ($node) = @_; return join "\n", sort grep {/^--- Name: /} split /\n/, $node->console('devstate list') }

sub listed_by_sql {
    return join "\n", sort split /\n/, $pg->psql("select format('--- Name: ''%s''  State: ''%s''', device, state) from pgdevstate.device");
}

# One change of b until c knows it, in seconds.
my $said = 0;

sub one_change {
    my $state = $states[ ++$said % 2 ];
    my $since = time;
    $two->console("devstate change Custom:b $state");
    until ($three->console('devstate show Custom:b') =~ /State: +$state\n/) { die "change $said of server2 is not seen" if time > $since + $Flow::DEADLINE }
    return time - $since;
}

sub all_know {
    my ($name, $state_of) = @_;
    my $want = join "\n", sort "--- Name: 'Custom:b'  State: '$states[ $said % 2 ]'", map { "--- Name: 'PJSIP/$_'  State: '" . $state_of->($_) . q(') } 1 .. $many;
    for my $node (@nodes) {
        poll_until { $Flow::last_seen = substr(my $has = listed($node), 0, 300); $has eq $want } "$name: $node->{name} knows all of it";
    }
    is(listed_by_sql() eq $want, 1, "$name: SQL does");
}

# In a process of its own, so that the other nodes can be asked meanwhile; seconds it took.
sub report {
    my ($state_of) = @_;
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    $Flow::DIR = "$Flow::DIR/report";
    mkdir $Flow::DIR;
    my $took = eval { Console->new($one, 'script')->pour([map { "devstate change PJSIP/$_ " . $state_of->($_) } 1 .. $many]) };
    spew("$Flow::DIR/took", $took // "failed: $@");
    POSIX::_exit(defined $took ? 0 : 1);
}

my @before = map { rss_kb($_) } @nodes;
my @idle   = map { one_change() } 1 .. 20;
for my $round (1, 2) {
    my $state_of = sub { $states[ ($_[0] + $round) % @states ] };
    my $since    = time;
    my $pid      = report($state_of);
    my @busy;
    # In both rounds these devices are new states of the last: done when the last of them is known.
    my $last = $state_of->($many);
    do { push @busy, one_change() } until $three->console("devstate show PJSIP/$many") =~ /State: +$last\n/ && $one->stats->{unsent} == 0 || time - $since > 120;
    my $took = time - $since;
    waitpid $pid, 0;
    is($?, 0, "round $round: $many devices were taken") or diag(slurp("$Flow::DIR/report/took"));
    all_know("round $round", $state_of);
    note(sprintf 'round %d: said in %.2f s, known to server3 after %.2f s', $round, slurp("$Flow::DIR/report/took"), $took);
    note(sprintf 'round %d: a change of server2 meanwhile: median %.1f ms, longest %.1f ms, of %d; idle: %.1f ms; ratio %.1f',
        $round, 1000 * median(@busy), 1000 * (sort { $a <=> $b } @busy)[-1], scalar @busy, 1000 * median(@idle), median(@busy) / median(@idle));
}
for my $i (0 .. 2) {
    my $after = rss_kb($nodes[$i]);
    note(sprintf 'VmRSS of %s: %d kB before, %d kB with %d devices: %d bytes a device', $nodes[$i]{name}, $before[$i], $after, $many, ($after - $before[$i]) * 1024 / $many);
    cmp_ok(($after - $before[$i]) * 1024 / $many, '<', 1024, 'less than 1 kB a device');
}
is($_->stats->{payloads_bad}, 0, "$_->{name} heard nothing wrong") for @nodes;
is($_->stats->{phase}, 'ready', '... and is ready') for @nodes;

# One that comes later knows all of it, too.
my $late  = $pg->node('late', options => 'lease=30');
my $since = time;
$late->start;
poll_until { $late->stats->{phase} eq 'ready' } '... in the cluster';
note(sprintf 'a fourth node: ready after %.2f s, VmRSS %d kB', time - $since, rss_kb($late));
is(listed($late) eq listed($one), 1, 'a fourth node knows all of it');

# All of them are taken back at once.
$since = time;
$one->stop;
poll_until { contents_like($three->console('devstate list'), qr/^--- 1 devices$/m) } 'it stops: they leave';
note(sprintf 'it stops: they left after %.2f s', time - $since);

$_->signal('TERM') for $two, $three, $late;
is($_->wait_exit, 0, "$_->{name} stopped") for $two, $three, $late;
done_testing();
