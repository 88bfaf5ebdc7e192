# How fast a device state gets from one Asterisk to another, and whether a node that hangs or raves
# slows calls. Four ways side by side, A B C D A B C D: on one server without cluster, through
# pgdevstate, through PJSIP PUBLISH, and through the same module and PostgreSQL with relays in the
# nodes' place that do nothing but pass on (relay.c): no node is faster. Each is AMI Setvar on one
# connection to DeviceStateChange on another. In the same turns the least that PostgreSQL takes, one
# upsert with a NOTIFY from libpq to libpq, without Asterisk: no way through PostgreSQL is shorter.
# Prints medians of the rounds with their spread, and how they stand to each other. Run it with
# `make bench-asterisk` (as root).
# Each round has three parts: changes of a cluster at rest (a pause of 1 to 2 ms before each), changes
# that come as soon as the one before was seen (whose writer is still at work: on two cores that
# takes from the next one), and changes as fast as they go.
#   CHANGES=5000  ROUNDS=3   a round's changes, of each part
#   CALLS=4000               calls of a round of the second part
#   ONLY=latency|hops|calls  hops: how much of the way is nodes and database (not part of the rest)
use lib 'tests/asterisk/lib', 'tests/flow/lib', 'tests/bench/lib';
use Pbx;
use Pbx::Cluster ();
use Pbx::Config qw(pjsip_conf publish_conf);
use Bench::Helper;
use Bench::Relay;
use IO::Socket::UNIX ();
use List::Util qw(min max);
use Time::HiRes qw(time sleep);

my $changes = $ENV{CHANGES} // 5000;
my $rounds  = $ENV{ROUNDS}  // 3;
my $calls   = $ENV{CALLS}   // 4000;
my $only    = $ENV{ONLY}    // 'latency calls';
my $bench   = ($ENV{B} // 'build') . '/bench';
my @relays;
$| = 1;

sub median { my @v = sort { $a <=> $b } @_; return $v[ $#v / 2 ] }
sub quantile { my ($q, @v) = @_; @v = sort { $a <=> $b } @v; return $v[ int($q * $#v) ] }
sub spread { my ($format, @v) = @_; return sprintf "$format (%s)", median(@v), join ' .. ', map { sprintf $format, $_ } min(@v), max(@v) }
sub say_line { print '# ', sprintf(shift, @_), "\n" }

# A path: the server where states are set, and the one where they are to be seen.
sub path {
    my ($name, $from, $to) = @_;
    my $set = Pbx::Ami->new($from->{address}, events_wanted => 'off') or die "no AMI\n";
    my $see = Pbx::Ami->new($to->{address}) or die "no AMI\n";
    return { name => $name, set => $set, see => $see, seen => {} };
}

# Events are taken out as they come; only the last state of each device counts.
sub watch {
    my ($path) = @_;
    my $see = $path->{see};
    $see->{on_event} = sub {
        my ($event) = @_;
        $see->{events} = [];
        $path->{seen}{ $event->{Device} } = [ $event->{State}, $event->{at} ] if $event->{Event} eq 'DeviceStateChange';
    };
}

sub wait_for {
    my ($path, $device, $state) = @_;
    my $until = time + 20;
    while (1) {
        my $seen = $path->{seen}{$device};
        return $seen->[1] if $seen && $seen->[0] eq $state;
        die "$path->{name}: $device did not become $state within 20 s\n" if time > $until;
        $path->{see}->read_more(0.1);
    }
}

# One after the other: microseconds each.
sub one_by_one {
    my ($path, $pause) = @_;
    my @took;
    for my $n (1 .. $changes) {
        my ($device, $state) = ("Custom:lat" . $n % 50, int($n / 50) % 2 ? 'INUSE' : 'RINGING');
        sleep $pause * (1 + rand) / 2 if $pause;
        my $from = time;
        $path->{set}->send_action('Setvar', Variable => "DEVICE_STATE($device)", Value => $state);
        push @took, 1e6 * (wait_for($path, $device, $state) - $from);
        $path->{set}->drain;
        $path->{set}{answers} = {};
    }
    return @took;
}

# As fast as they go, each device once: changes/s until the last one is seen.
sub all_at_once {
    my ($path, $round) = @_;
    my $state = $round % 2 ? 'INUSE' : 'BUSY';
    my ($sent, $seen_all, $waiting) = (0, 0, 0);
    my $from = time;
    my %open;
    while (%open || $sent < $changes) {
        while ($sent < $changes && $waiting < 64) {
            $path->{set}->send_action('Setvar', Variable => 'DEVICE_STATE(Custom:rate' . ++$sent . ')', Value => $state);
            $open{"Custom:rate$sent"} = 1;
            $waiting++;
        }
        my ($fd, @sockets) = ('', map { $path->{$_}{socket} } qw(set see));
        vec($fd, fileno($_), 1) = 1 for @sockets;
        select($fd, undef, undef, 1);
        $path->{set}->drain;
        $waiting -= keys %{ $path->{set}{answers} };
        $path->{set}{answers} = {};
        $path->{see}->drain;
        for my $device (keys %{ $path->{seen} }) {
            delete $open{$device} if $path->{seen}{$device}[0] eq $state;
        }
        $path->{seen} = {};
        die "$path->{name}: " . keys(%open) . " changes were never seen\n" if time > $from + 60;
    }
    return $changes / (time - $from);
}

# Each pair and the single server start from nothing and stay; who is not asked is idle.
sub servers {
    my ($alone) = map { pbx($_, modules => ['sip']) } 'alone';
    my @ours = Pbx::Cluster::started(2);
    my @publish = map { pbx("publish$_", modules => ['sip']) } 1, 2;
    for my $n (0, 1) {
        my ($self, $peer) = @publish[ $n, 1 - $n ];
        $self->reconfigure('pjsip.conf' => pjsip_conf($self->{address}, publish_conf($self->{name}, $peer->{name} => $peer->{address})));
    }
    $alone->reconfigure('pjsip.conf' => pjsip_conf($alone->{address}));
    $_->spawn for $alone, @publish;
    $_->wait_booted for $alone, @publish;
    Pbx::Cluster::know_each_other(@publish);
    my ($one, $other) = relays();
    my @relayed = Pbx::Cluster::started(2, a => { node => $one }, b => { node => $other });
    return ($alone, \@ours, \@publish, \@relayed);
}

# A database of its own: a NOTIFY wakes all who listen in its database, whatever they listen to.
sub database {
    my ($name) = @_;
    Pbx::Cluster::pg()->psql("create database $name");
    return Pbx::Cluster::pg()->conninfo(db => $name);
}

# Relays, as far as a server has to know a node.
sub relays {
    my @nodes = map { { name => "relay$_", dir => "$Flow::DIR/relay$_", entity_id => "02:00:00:00:03:0$_" } } 1, 2;
    mkdir $_->{dir} or die "$_->{dir}: $!" for @nodes;
    push @relays, Bench::Relay::pair("$bench/relay", database('relay'), map { "$_->{dir}/pgdevstate.link" } @nodes);
    return @nodes;
}

# How changes one after the other come: seconds before each, at most.
my @ways = ([ 'idle', 0.002 ], [ 'at once', 0 ]);

sub medians_of { my ($path, $way) = @_; return { map { $_ => median(@{ $path->{$way}{$_} }) } qw(p50 p99) } }

sub note_latencies {
    my ($path, $round, $way, $p50, $p99) = @_;
    push @{ $path->{$way}{p50} }, $p50;
    push @{ $path->{$way}{p99} }, $p99;
    say_line('round %d  %-11s %-7s p50 %5.0f us  p99 %6.0f us', $round, $path->{name}, $way, $p50, $p99);
}

# One round of a path. As fast as they go, a relay is no floor: nodes say many at once.
sub measure {
    my ($path, $round) = @_;
    for (@ways) {
        my ($way, $pause) = @$_;
        my @took = one_by_one($path, $pause);
        note_latencies($path, $round, $way, quantile(0.5, @took), quantile(0.99, @took));
    }
    return if $path->{name} eq 'relay';
    push @{ $path->{rate} }, all_at_once($path, $round);
    say_line('round %d  %-11s %6.0f changes/s', $round, $path->{name}, $path->{rate}[-1]);
}

sub measure_upsert {
    my ($upsert, $round) = @_;
    for (@ways) {
        my ($way, $pause) = @$_;
        my $got = $upsert->{helper}->ask('idle', $changes, 1e6 * $pause);
        note_latencies($upsert, $round, $way, $got->{p50_us}, $got->{p99_us});
    }
}

sub latency {
    my ($alone, $ours, $publish, $relayed) = @_;
    my @paths = (path('no cluster', $alone, $alone), path('pgdevstate', @$ours), path('PUBLISH', @$publish), path('relay', @$relayed));
    watch($_) for @paths;
    my $upsert = { name => 'upsert', helper => Bench::Helper->new("$bench/floor", database('upsert')) };
    for my $round (1 .. $rounds) {
        measure($_, $round) for @paths;
        measure_upsert($upsert, $round);
    }
    $upsert->{helper}->end;
    say_line('');
    say_line('medians of %d rounds of %d changes (least .. most)', $rounds, $changes);
    for my $way (map { $_->[0] } @ways) {
        for my $what (qw(p50 p99)) {
            say_line('%-11s %-7s %s %s us', $_->{name}, $way, $what, spread('%.0f', @{ $_->{$way}{$what} })) for @paths, $upsert;
        }
    }
    say_line('%-11s %s changes/s', $_->{name}, spread('%.0f', @{ $_->{rate} })) for @paths[ 0 .. 2 ];
    verdicts($_->[0], @paths) for @ways;
    say_line('');
    say_line('pgdevstate / PUBLISH, changes/s:                 %.2f   to reach: >= 1.2', median(@{ $paths[1]{rate} }) / median(@{ $paths[2]{rate} }));
}

# The same change on one server takes that long, too, so it is taken off.
sub verdicts {
    my ($way, @paths) = @_;
    my ($local, $ours, $publish, $relay) = map { medians_of($_, $way) } @paths;
    my ($o, $p, $r) = map { $_->{p50} - $local->{p50} } $ours, $publish, $relay;
    say_line('');
    say_line('%s:', $way);
    say_line('(pgdevstate - local) / (PUBLISH - local) at p50: %.2f   to reach: <= 0.8, which is %.0f us', $o / $p, $local->{p50} + 0.8 * $p);
    say_line('(relay - local) / (PUBLISH - local) at p50:      %.2f   no node is better', $r / $p);
    say_line('(pgdevstate - local) / (relay - local) at p50:   %.2f', $o / $r);
    say_line('pgdevstate / PUBLISH at p99:                     %.2f   to reach: <= 1.0', $ours->{p99} / $publish->{p99});
}

# ---- the same way in pieces: in and out through Asterisk, or through the nodes' sockets ----

sub hops {
    my ($one, $other) = Pbx::Cluster::started(2);
    my $speaker = Pbx::Speaker->new(Pbx::Cluster::other_node('speaker'), []);
    my $watcher = Pbx::Watcher->new($other->{node});
    my $path    = path('hops', $one, $other);
    watch($path);
    my %say = (
        Asterisk => sub { $path->{set}->send_action('Setvar', Variable => "DEVICE_STATE($_[0])", Value => $_[1]) },
        node     => sub { $speaker->devices(@_) }
    );
    my %see = (Asterisk => sub { wait_for($path, @_) }, node => sub { $watcher->wait_for(@_) });
    for my $round (1 .. $rounds) {
        for my $way ([qw(node node)], [qw(Asterisk node)], [qw(node Asterisk)], [qw(Asterisk Asterisk)]) {
            my ($in, $out) = @$way;
            my @took;
            for my $n (1 .. $changes) {
                my ($device, $state, $from) = ("Custom:$in-$out-$round", $n % 2 ? 'INUSE' : 'BUSY', time);
                $say{$in}->($device, $state);
                push @took, 1e6 * ($see{$out}->($device, $state) - $from);
                $path->{set}->drain;
                $path->{set}{answers} = {};
            }
            say_line('round %d  %-8s to %-8s p50 %5.0f us  p99 %6.0f us', $round, $in, $out, quantile(0.5, @took), quantile(0.99, @took));
        }
    }
}

# ---- calls, while the node is well, stopped, and replaced by one that raves ----

# Calls/s: each is set up, sets a device's state, and ends; eight at a time.
sub call_rate {
    my ($ami) = @_;
    my ($sent, $done) = (0, 0);
    local $ami->{on_event} = sub {
        $ami->{events} = [];
        $done++ if $_[0]{Event} eq 'OriginateResponse';
    };
    my $from = time;
    while ($done < $calls) {
        while ($sent < $calls && $sent - $done < 8) {
            $sent++;
            $ami->send_action('Originate', Channel => 'Local/callee@bench', Context => 'bench', Exten => 'caller', Priority => 1, Async => 'true');
        }
        $ami->read_more(1);
        $ami->{answers} = {};
        die "calls: $done of $sent were answered within 60 s\n" if time > $from + 60;
    }
    return $calls / (time - $from);
}

# A process in the node's place that answers nothing sensible, as fast as it can.
sub rave {
    my ($path) = @_;
    unlink $path;
    my $listener = IO::Socket::UNIX->new(Type => IO::Socket::UNIX::SOCK_STREAM(), Local => $path, Listen => 8) or die "$path: $!\n";
    chmod 0666, $path;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{PIPE} = 'IGNORE';
        $SIG{TERM} = 'DEFAULT';
        while (my $client = $listener->accept) {
            my $garbage = join '', map { chr(int rand 256) } 1 .. 4096;
            1 while syswrite($client, $garbage);
        }
        POSIX::_exit(0);
    }
    return $pid;
}

sub call_rates {
    my ($server) = @_;
    my $node = $server->{node};
    my $ami  = $server->ami;
    my %rate;
    for my $round (1 .. $rounds) {
        push @{ $rate{'node well'} }, call_rate($ami);
        $node->signal('STOP');
        push @{ $rate{'node stopped'} }, call_rate($ami);
        $node->kill('KILL');
        my $pid = rave($server->socket);
        push @{ $rate{'node raves'} }, call_rate($ami);
        kill 'KILL', $pid;
        waitpid $pid, 0;
        unlink $server->socket;
        $node->spawn;
        $node->wait_ready;
        poll_until { $server->cli('pgdevstate show status') =~ /ready/i } 'the module is linked again';
        say_line('round %d  %s', $round, join '  ', map { sprintf '%s %.0f calls/s', $_, $rate{$_}[-1] } 'node well', 'node stopped', 'node raves');
    }
    my $well = median(@{ $rate{'node well'} });
    say_line('');
    say_line('%-13s %s calls/s, ratio %.2f%s', $_, spread('%.0f', @{ $rate{$_} }), median(@{ $rate{$_} }) / $well, $_ eq 'node well' ? '' : '   to reach: >= 0.95')
        for 'node well', 'node stopped', 'node raves';
}

my $dialplan = <<'CONF';
[bench]
exten => callee,1,Set(DEVICE_STATE(Custom:call${RAND(1,100)})=INUSE)
same => n,Answer()
same => n,Wait(1)
exten => caller,1,Hangup()
CONF
if ($only =~ /latency/) {
    latency(servers());
}
hops() if $only =~ /hops/;
if ($only =~ /calls/) {
    $_->end for @Pbx::servers, splice @relays;
    my ($server) = Pbx::Cluster::cluster(1, dialplan => $dialplan);
    $server->start;
    call_rates($server);
}
$_->end for @Pbx::servers, @relays;
done_testing();
