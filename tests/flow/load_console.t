# Consoles that do not read. What waits for them is bounded; one that gets more than it asked for (the
# log) is dropped, with a reason in the log and for itself when it reads again; one that asked for a
# long listing is waited for. Others are not slowed. No sanitizers here, whose memory is not the
# node's.
use lib 'tests/flow/lib';
use Flow;
use Console;
use Time::HiRes qw(time sleep);

$Flow::BIN = $Flow::B;
my $pg = Flow::Pg->new;
my $one  = $pg->node('server1', options => "lease=60\nlog_file=$Flow::DIR/server1.log")->start;
my $two  = $pg->node('server2', options => 'lease=60')->start;
$one->{log} = "$Flow::DIR/server1.log";
my $pour = Console->new($one, 'script');
my @states = qw(NOT_INUSE INUSE BUSY RINGING ONHOLD);
my ($turn, %devices) = (0);

sub rss_kb { my ($node) = @_; return slurp("/proc/$node->{pid}/status") =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die 'no VmRSS' }

# So many changes of a few devices; debug 1 tells each of them, to interactive consoles too.
sub changes {
    my ($many) = @_;
    my @commands;
    for (1 .. $many) {
        my ($device, $state) = ('Custom:' . (1 + $turn % 10), $states[ int($turn / 10) % @states ]);
        $devices{$device} = $state;
        push @commands, "devstate change $device $state";
        $turn++;
    }
    return $pour->pour(\@commands);
}

# The median time of a command, and of a change until the other node knows it.
sub quickness {
    my (@commands, @changes);
    for my $n (1 .. 15) {
        my $since = time;
        $one->console('core show version');
        push @commands, time - $since;
        my $state = $states[ $n % 2 ];
        $since = time;
        $one->console("devstate change Custom:quick $state");
        $devices{'Custom:quick'} = $state;
        until ($two->console('devstate show Custom:quick') =~ /State: +$state\n/) { die "$state is not seen" if time > $since + $Flow::DEADLINE }
        push @changes, time - $since;
    }
    return map { (sort { $a <=> $b } @$_)[7] } \@commands, \@changes;
}

my @idle = quickness();
$one->ok_console('core set debug 1');
changes(2000);

# --- consoles that get the log and do not read
my @slow   = map { Console->new($one, 'interactive') } 1 .. 5;
my $reads  = Console->new($one, 'interactive');
my $before = rss_kb($one);
my $lines  = 0;
for (1 .. 40) {
    changes(500);
    while ($lines < 500 * $_) {
        my ($type, $text) = $reads->next_frame;
        last if $type ne 'log' or $text =~ /client dropped/ && ++$lines < 0;
        $lines++;
    }
}
my $after = rss_kb($one);
note("VmRSS of the node: $before kB, with five consoles that do not read $after kB");
cmp_ok($after - $before, '<', 5 * 4096 * 2 + 4096, 'what waits for them is bounded');
poll_until { contents_like($one->log, qr/(?:WARNING .*client dropped: it does not read: 4\d{6} bytes wait for it pid=$$ uid=$>.*){5}/s) }
    'the log says that they were dropped, and why';
my @now = quickness();
note(sprintf 'a command: %.1f ms, %.1f times what it was; a change: %.1f ms, %.1f times', $now[0] * 1000, $now[0] / $idle[0], $now[1] * 1000, $now[1] / $idle[1]);
$one->ok_console('core set debug 0');

# They read again: what the socket had, then the reason.
for my $slow (@slow) {
    my @frames = $slow->rest;
    is($frames[-1][0], 'closed', 'the connection of one that did not read is closed');
    is($frames[-2][0], 'bye', '... the last word');
    like($frames[-2][1], qr/^it does not read: 4\d{6} bytes wait for it$/, '... is why');
    is(scalar(grep { $_->[0] ne 'log' } @frames), 2, '... behind nothing but the log');
}

# One that reads gets all of the log, and is not dropped.
my $dropped = () = $one->log =~ /client dropped/g;
is($dropped, 5, 'who reads is not dropped');
$reads->put(Console::frame('run', 'core show version'));
my ($type, $text) = ('', '');
($type, $text) = $reads->next_frame until $type eq 'out' || $type eq 'closed';
like($text, qr/^pgdevstate /, '... and is answered');

# --- a person at a terminal, suspended and back
my $typescript = "$Flow::DIR/typescript";
my $person = fork // die "fork: $!";
if ($person == 0) {
    open(STDIN, '-|', 'sleep', '600') or POSIX::_exit(126);    # a person who types nothing
    open(STDOUT, '>', '/dev/null') or POSIX::_exit(126);
    exec('setpriv', '--pdeathsig', 'KILL', 'script', '-qfec', "exec $Flow::BIN/pgdevstate -C $one->{conf} -r", $typescript) or POSIX::_exit(127);
}
poll_until { contents_like(slurp($typescript), qr/CLI> /) } 'a person at a terminal';
my ($client) = split ' ', slurp("/proc/$person/task/$person/children");
kill 'STOP', $client;
$one->ok_console('core set debug 1');
until ((() = $one->log =~ /client dropped/g) > 5 || $turn > 200_000) { changes(2000) }
$one->ok_console('core set debug 0');
kill 'CONT', $person, $client;    # script stops when its child does
poll_until { contents_like(slurp($typescript), qr/Disconnected from server1: it does not read: 4\d{6} bytes wait for it\. Press Enter to connect again/) }
    '... suspended, dropped, and told why when it goes on';
kill 'KILL', $client, $person;
waitpid $person, 0;

# --- a long listing that nobody reads: made as it is read, so that nobody is dropped
$pour->pour([map {"devstate change PJSIP/a-device-with-a-longer-name-$_ INUSE"} 1 .. 50_000]);
$devices{"PJSIP/a-device-with-a-longer-name-$_"} = 'INUSE' for 1 .. 50_000;
poll_until { $one->stats->{unsent} == 0 } '50,000 devices';
$before = rss_kb($one);
my @lists = map { Console->new($one, 'script') } 1 .. 20;
$_->put(Console::frame('run', 'devstate list')) for @lists;
@now = quickness();
$after = rss_kb($one);
note("VmRSS of the node: $before kB, with 20 listings that are not read $after kB");
cmp_ok($after - $before, '<', 20 * 50_000 * 64 / 1024, 'what waits for a listing is bounded: the names, and no more');
note(sprintf 'a command: %.1f ms, %.1f times what it was; a change: %.1f ms, %.1f times', $now[0] * 1000, $now[0] / $idle[0], $now[1] * 1000, $now[1] / $idle[1]);
for my $list (@lists[0, 19]) {
    my ($type, $text, $all) = ('', '', '');
    until ($type eq 'end' || $type eq 'closed') {
        ($type, $text) = $list->next_frame;
        $all .= $text if $type eq 'out';
    }
    is($type, 'end', 'read later, it comes to its end');
    is(() = $all =~ /^--- Name: 'PJSIP\/a-device/mg, 50_000, '... and is complete');
}
close $_->{socket} for @lists;
agree('all is known', { devices => \%devices, mailboxes => {} }, $one, $two);

$_->signal('TERM') for $one, $two;
is($_->wait_exit, 0, "$_->{name} stopped") for $one, $two;
done_testing();
