# Chaos on the real thing: five nodes on a real server, random changes on all of them, and faults
# one after the other, or several at once. After each, all living nodes, the SQL views and what each
# node was told have to agree; how long that took is measured and printed, and what was lost is
# counted.
#
#   SHORT=1    some of the faults, and one mix
#   SEED=N     the same faults on the same victims (not the same moments)
#   ONLY='3 7' these faults, by number;  LIST=1 shows the numbers
#   MIX=N      N mixes of faults that overlap, drawn at random, and nothing else
#   NOTIFY=ticker   changes are told by the ticker (or direct, auto)
#   B=DIR      the daemons there, with or without sanitizers (build)
#
# tests/chaos/lib/Chaos: World.pm makes namespaces, disks, servers and nodes; Load.pm says random
# things and knows what should be known; Pbx.pm has telephone servers; Faults.pm is the table.
use lib 'tests/flow/lib', 'tests/chaos/lib';
use Chaos::World;
BEGIN { Chaos::World::enter() }
use Flow;
use Chaos::Load;
use Chaos::Pbx;
use Chaos::Faults;
use Time::HiRes qw(time sleep);

my $bound = LEASE + 3;
my $rest  = $ENV{REST} // ($ENV{SHORT} ? 0.7 : 2);
my $seed  = $ENV{SEED} || time % 100_000;
my (@table, $heading, $line);
$Chaos::World::on_give_up = \&show_table;

# Looks until all agree, and then goes on for a while: who agrees may differ again. Measured is
# the moment of the first look that nobody contradicted later.
sub settle {
    my ($end, $server, @some) = @_;
    my ($since, $last, @wrong);
    while (1) {
        my ($began, $look) = (time);
        @wrong = eval { $look = look($server, @some); disagreement($look) };
        push @wrong, $@ || 'nothing was seen' unless $look;
        $last = $look if $look;
        $since = @wrong ? undef : $since // time;
        return ($since - $end, $last) if $since && $began - $since > $rest;
        return (undef, $last, @wrong) if !$since && time - $end > $Chaos::World::deadline;
        sleep 0.05;
    }
}

sub judge {
    my ($name, $end, $forgetful, $refused, $server, @some) = @_;
    my ($took, $look, @wrong) = settle($end, $server, @some);
    my @lost = $look ? lost($look) : 'everything';
    my @odd  = $look ? never_said($look, $forgetful) : ();
    ok(defined $took, "$name: all agree") or diag(join "\n", grep {defined} @wrong[0 .. 30]);
    is(scalar @lost + @odd, 0, "$name: nothing is lost") or diag(join "\n", @odd);
    is("@$refused", '', "$name: what was said was taken");
    is(join(' ', map { $_->{name} } grep { $_->{pid} && !$_->running } @nodes), '', "$name: no node ended");
    row($name, $took, scalar(@lost) + @odd);
    return $look;
}

sub row {
    my ($name, $took, $lost) = @_;
    diag(sprintf '%-56s %8s %6s %5s %6s', 'fault', 'agree, s', 'bound', 'lost', 'said') unless $heading++;
    push @table, [$name, defined $took ? sprintf('%.2f', $took) : "over $Chaos::World::deadline", $bound, $lost, said_since(),
        !defined $took ? 'FAILED' : $took > $bound ? 'late' : ''];
    diag(sprintf '%-56s %8s %6s %5s %6s  %s', @{ $table[-1] });
}

sub show_table {
    diag("all of it, SEED=$seed:") if @table > 1;
    diag(sprintf '%-56s %8s %6s %5s %6s  %s', @$_) for @table;
    my @took = sort { $a <=> $b } grep {/^[\d.]+$/} map { $_->[1] } @table;
    diag(sprintf '%d agreements, the slowest after %s s of %d; late: %d; lost: %d', scalar @took, $took[-1], $bound,
        scalar(grep { $_->[5] eq 'late' } @table), eval { my $n = 0; $n += $_->[3] for @table; $n }) if @took;
}

# What a fault may make the killed forget.
sub forgetful {
    my (@list) = @_;
    my %may;
    for my $lossy (map { $_->{lossy} // '' } @list) {
        $may{ $_->{name} } = 1 for $lossy ? @nodes : ();
        $may{sql} = 1 if $lossy eq 'all';
    }
    return \%may;
}

sub call { my ($f, $what) = @_; $f->{$what}->($f) if $f->{$what} }

# --- one fault
sub single {
    my (%fault) = @_;
    my $f = \%fault;
    %busy = ();
    call($f, 'prepare');
    load_start();
    sleep 0.3 + rand 0.5;
    call($f, 'begin');
    hold($f->{hold}) if !defined $f->{hold} || $f->{hold} > 0;
    call($f, 'proof');
    sides($f) if $f->{sides};
    load_quiet();
    call($f, 'end');
    my $end = time;
    my @refused = load_join();
    my $look = judge($f->{name}, $end, forgetful($f), \@refused, $pg, living());
    again($f, $look) if $f->{again};
    accept_open($look) if $look && !$f->{again};
    call($f, 'after');
}

# Two halves that do not know of each other: each agrees.
sub sides {
    my ($f) = @_;
    load_quiet();
    my $end = time;
    my @refused = load_join();
    for my $side (call($f, 'sides')) {
        my ($server, @some) = @$side;
        judge("... meanwhile, a side of $#$side", $end, forgetful($f), \@refused, $server, @some);
        @refused = ();
    }
    load_start();
    hold(1);
}

sub again {
    my ($f, $look) = @_;
    my ($name, $start) = @{ $f->{again} };
    my $end = time;
    $start->($f);
    $look = judge($name, $end, forgetful($f), [], $pg, living());
    accept_open($look) if $look;
}

# --- several at once: drawn at random, each begins and ends when it likes. One of each group, and
# one node at least has nothing to do with any.
sub draw {
    my @from = grep { ($_->{group} // '') ne 'alone' } @faults;
    my (@drawn, %has);
    my $left = @nodes - 1;
    my $many = 2 + int rand 3;
    while (@drawn < $many) {
        my $f = $from[ rand @from ];
        my $takes = $f->{takes} // 1;
        next if $has{ $f->{name} }++ || $takes > $left || ($f->{group} && $has{ $f->{group} }++);
        $left -= $takes;
        push @drawn, {%$f};
    }
    return sort { rank($a) <=> rank($b) } @drawn;
}

sub rank { my ($f) = @_; return ($f->{group} // '') eq 'server' ? 3 : $f->{rank} // 1 }

sub schedule {
    my (@drawn) = @_;
    my ($at, @events) = (0);
    for my $f (@drawn) {
        $at += rand 1.2;
        push @events, [$at, $f, 'begin'];
        push @events, [$at + 0.2 + rand 6, $f, 'end'];
    }
    return sort { $a->[0] <=> $b->[0] } @events;
}

sub mix {
    my ($n) = @_;
    my @drawn = draw();
    my $name = "mix $n: " . join ' + ', map { $_->{name} } @drawn;
    %busy = ();
    $mixing = 1;
    call($_, 'prepare') for @drawn;
    load_start();
    my $start  = time;
    my @events = schedule(@drawn);
    while (my $event = shift @events) {
        my ($at, $f, $what) = @$event;
        my $wait = $start + $at - time;
        sleep $wait if $wait > 0;
        load_quiet() unless @events;
        call($f, $what);
        $f->{again}[1]->($f) if $what eq 'end' && $f->{again};
    }
    my $end = time;
    my @refused = load_join();
    my $look = judge($name, $end, forgetful(@drawn), \@refused, $pg, living());
    accept_open($look) if $look;
    call($_, 'after') for @drawn;
    $mixing = 0;
}

# What cannot be made fails, with the table so far.
sub attempt {
    my ($what) = @_;
    eval { $what->(); 1 } or give_up($@);
}

if ($ENV{LIST}) {
    diag(sprintf '%2d %s', $_ + 1, $faults[$_]{name}) for 0 .. $#faults;
    plan(skip_all => 'LIST');
}
srand $seed;
diag("SEED=$seed");
Chaos::World::make();
pbx_start($_) for @nodes[0, 1, 2];
my $only  = $ENV{ONLY};
my $mixes = $ENV{MIX} || ($only ? 0 : $ENV{SHORT} ? 1 : 5);
for my $n (1 .. @faults) {
    next if $ENV{MIX} && !$only;
    next if $only ? $only !~ /\b$n\b/ : $ENV{SHORT} && !$faults[ $n - 1 ]{short};
    attempt(sub { single(%{ $faults[ $n - 1 ] }) });
}
for my $n (1 .. $mixes) {
    attempt(sub { mix($n) });
}

show_table();
is($_->stats->{payloads_bad}, 0, "$_->{name} heard nothing wrong") for living();
my $notify = $ENV{NOTIFY} // '';
is($pg->psql('select mode from pgdevstate.notify_mode'), $notify, "changes are told by the $notify way") if $notify =~ /^(?:direct|ticker)$/;
Chaos::World::clean_up();
done_testing();
