# 10,000 devices of another server at once, for a server with a hint for each of them: it knows all,
# no task processor is overrun, every OPTIONS (one each 50 ms) is answered meanwhile, and a change
# of its own does not wait behind them. The same when they all go and when they all come back,
# and for a server that starts when they are there.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(cluster shows);
use Time::HiRes qw(time);

my $count   = $ENV{DEVICES} // 10_000;
my $timeout = 120;
my $hints   = join '', map { "exten => d$_,hint,Custom:d$_\n" } 1 .. $count;
my ($server) = cluster(1, dialplan => "[default]\n$hints", phones => ['probe']);
my $other = Pbx::Cluster::other_node('other');
my $speaker;
$server->start;
is(() = $server->cli('core show hints') =~ /Custom:d\d+/g, $count, "a server with $count hints");

# The last state of each device, as it was told.
my %state;
sub listen_to {
    my ($ami) = @_;
    %state = ();
    $ami->{on_event} = sub {
        my ($event) = @_;
        return if $event->{Event} ne 'DeviceStateChange';
        pop @{ $ami->{events} };    # a hash of the last ones is enough
        $state{ $event->{Device} } = $event->{State};
    };
}

# How long a change of the server's own takes, on a connection that hears of nothing else.
my @took;
my $toggle = 0;
sub local_change {
    my ($ami) = @_;
    my $own  = local_ami();
    my $mark = @{ $own->{events} };
    my $from = time;
    $own->set('DEVICE_STATE(Custom:own)', $toggle++ % 2 ? 'INUSE' : 'NOT_INUSE');
    $own->read_more(0.01) until @{ $own->{events} } > $mark || time > $from + 30;
    push @took, time - $from;
    $ami->drain;
}

my $local;
sub local_ami {
    return $local if $local;
    $local = Pbx::Ami->new($server->{address}) or die "no manager connection\n";
    $local->action('Filter', Operation => 'Add', Filter => 'Device: Custom:own');
    return $local;
}

sub all_are {
    my ($want, $name) = @_;
    my $from = time;
    my $ami  = $server->ami;
    @took = ();
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until {
        local_change($ami);
        my $n = grep { $_ eq $want } values %state;
        $Flow::last_seen = "$n of $count devices are $want";
        $n == $count;
    } $name, $timeout;
    my $seconds = time - $from;
    my ($slowest) = sort { $b <=> $a } @took;
    diag(sprintf '%s: %.1f s; %d own changes meanwhile, slowest %.0f ms', $name, $seconds, scalar @took, 1000 * $slowest);
    cmp_ok(scalar @took, '>', 3, '... and own changes do not wait until it is over');
    hints_are($want);
}

my %shown = (INUSE => 'InUse', RINGING => 'Ringing', UNKNOWN => 'Idle');
sub hints_are {
    my ($want) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until {
        my $hints = $server->cli('core show hints');
        my $n = () = $hints =~ /Custom:d\d+ +State:\Q$shown{$want}\E /g;
        $Flow::last_seen = join "\n", "$n of $count hints are $shown{$want}; others:",
            grep({ /Custom:d/ && !/State:\Q$shown{$want}\E / } split /\n/, substr($hints, 0, 50_000));
        $n == $count;
    } "... all hints are $shown{$want}", $timeout;
}

sub all_of { my ($state) = @_; return map { ("Custom:d$_" => $state) } 1 .. $count }

my $probe = Pbx::Sipp->start('options', $server, user => 'probe', rate => 20, forever => 1);
sub all_answered {
    my ($when) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $stats = $probe->stats;
    poll_until { ($stats = $probe->stats)->{'SuccessfulCall(C)'} } 'OPTIONS are answered';
    is($stats->{'FailedCall(C)'}, 0, "$when: all of $stats->{'TotalCallCreated'} OPTIONS are answered") or diag($probe->tail);
    my @alerts = grep { / [1-9]\d*\s*$/ } $server->cli('core show taskprocessors') =~ /^.*alert.*$/mgi;
    is("@alerts", '', "$when: no task processor is in alert");
}

listen_to($server->ami);
$speaker = Pbx::Speaker->new($other, [ all_of('INUSE') ]);
all_are('INUSE', "$count devices at once");
all_answered('after them');
$speaker->devices(all_of('RINGING'));
all_are('RINGING', 'all of them again');
all_answered('after the second time');
Pbx::Cluster::kill_node($other, $speaker);
all_are('UNKNOWN', 'the other server is dead: all of them go');
all_answered('after its death');
Pbx::Cluster::restart_node($other);
$speaker = Pbx::Speaker->new($other, [ all_of('RINGING') ]);
all_are('RINGING', 'it is back, and so are they');
all_answered('at the end');
$probe->stop;

# A server that starts late learns of all while it boots.
for (1 .. 3) {
    $server->kill9;
    $server->start;
    hints_are('RINGING');
}
done_testing();
