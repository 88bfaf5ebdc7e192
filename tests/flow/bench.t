# The benches measure what they say: their pure parts, and each of their programs on real nodes,
# briefly. No figure is judged here, only whether it can be one.
use lib 'tests/flow/lib', 'tests/bench/lib';
use Flow;
use Bench::Corosync ();
use Bench::Figures  qw(median quantile parse_figures number spread verdict table cases_of);
use Bench::Helper   ();
use Bench::Relay    ();

my $bench = "$Flow::B/bench";

# --- figures
is(median(3, 1, 2), 2, 'the middle one');
is(median(4, 1, 3, 2), 2, 'of an even number, the lower one of the two');
is(median(7), 7, 'of one, that one');
is(median(), undef, 'of none, none');
is(quantile(0.99, reverse 1 .. 100), 99, 'p99 of 100: one of a hundred is above');
is(quantile(0.99, 1 .. 101), 100, '... of 101, also');
is(quantile(0, 5, 4), 4, 'the least');
is(quantile(1, 5, 4), 5, 'the greatest');
is_deeply(parse_figures("rate=12.50 n=3 behind_ms=-4\n"), { rate => 12.5, n => 3, behind_ms => -4 }, 'a line of figures');
for my $bad ('n', 'n=', 'n=x', 'n=1  m=2', 'N=1', 'n=1e5', 'n=1 n=2', 'n=nan') {
    is(eval { parse_figures($bad) }, undef, "no line of figures: $bad");
    like($@, qr/^(?:no figure|twice): .*\n\z/, '... and it says so');
}
is(join(' ', map { number($_) } 0, 0.123, 9.87, 12.34, 123.4, 1234.5, 1234567, -4321), '0.00 0.12 9.87 12.3 123 1,234 1,234,567 -4,321', 'numbers');
is(number(undef), '-', 'no number');
is(spread(5), '5.00', 'one round has no spread');
is(spread(3, 1, 2), '2.00 (1.00 .. 3.00)', 'rounds have');
is(spread(), '-', 'no rounds');

# --- targets
my %row = (ours => [ 10, 20, 30 ], floor => [10], peer => [ 40, 40 ]);
is_deeply(verdict({%row}), { floor => 2, peer => 0.5, reached => '', target => '' }, 'ratios of medians; nothing to reach');
is_deeply(verdict({ %row, targets => [ [ 'floor', '<=', 2 ], [ 'peer', '<=', 1 ] ] })->{reached}, 'yes', 'at the bound is reached');
is_deeply(verdict({ %row, targets => [ [ 'peer', '<=', 1 ], [ 'floor', '<=', 1.9 ] ] })->{reached}, 'no', 'one that is missed is enough');
is_deeply(verdict({ %row, targets => [ [ 'ours', '>=', 21 ] ] })->{reached}, 'no', 'a bound of the figure itself');
is(verdict({ ours => [1], targets => [ [ 'peer', '<=', 1 ] ] })->{reached}, '-', 'without a peer nobody knows');
is(verdict({ ours => [1], floor => [0], targets => [ [ 'floor', '<=', 1 ] ] })->{reached}, '-', 'a floor of nothing is none');
is(verdict({ ours => [9], floor => [1], targets => [ [ 'peer', '<=', 1 ], [ 'floor', '<=', 2 ] ] })->{reached}, 'no', '... but missed is missed, in any order');
is(verdict({ ours => [9], floor => [1], targets => [ [ 'floor', '<=', 2 ], [ 'peer', '<=', 1 ] ] })->{reached}, 'no', '... in this one, too');
is(verdict({ %row, targets => [ [ 'floor', '<=', 2 ], [ 'ours', '<=', 10_000 ] ] })->{target}, '<= 2 x floor, <= 10,000', 'what is to be reached, in words');
is(table([ 'a', 'bb', '' ], [ 'ccc', 'd', '' ]), "a    bb\nccc  d\n", 'a table: aligned, no blanks at the ends');

# --- cases
is_deeply({ cases_of('1 join  sql') }, { 1 => 1, 4 => 1, 7 => 1 }, 'cases by number and by name');
for my $bad ('0', '8', 'joins', '4 x', '4,7', '', ' ') {
    is(eval { cases_of($bad) }, undef, "no cases: '$bad'");
    like($@, qr/^ONLY: .* 4 join, .*\n\z/, '... and it says which there are');
}

# --- their quantiles in C
{
    my ($out, $err, $status) = run_command("$bench/test_samples");
    is($status, 0, 'quantiles from buckets') or diag("$out$err");
}

# --- a path through two nodes, and the floor
my $pg = Flow::Pg->new;
my @nodes = map { $pg->node("bench$_")->start } 1, 2;
my @sockets = map { "$_->{dir}/pgdevstate.link" } @nodes;

sub plausible {
    my ($f, $n, $what) = @_;
    is($f->{n}, $n, "$what: each change was seen once");
    ok(0 < $f->{p50_us} && $f->{p50_us} <= $f->{p99_us} && $f->{p99_us} <= $f->{max_us}, "$what: p50 <= p99 <= max")
        or diag(explain($f));
}

# Relays in the nodes' place; they have a database of their own, as in their bench.
$pg->psql('create database relay');
{
    my @relays = Bench::Relay::pair("$bench/relay", $pg->conninfo(db => 'relay'), map { "$Flow::DIR/relay$_" } 1, 2);
    my $helper = Bench::Helper->new("$bench/link", map { $_->{socket} } @relays);
    plausible($helper->ask('idle', 100),  100,  'relay idle');
    plausible($helper->ask('full', 1000), 1000, 'relay full');
    $helper->end;
    is($pg->psql_in('relay', 'select count(*) from bench_relay'), 1000, 'each is a row');
    $helper = Bench::Helper->new("$bench/link", map { $_->{socket} } reverse @relays);
    plausible($helper->ask('idle', 10), 10, 'the other way round, on new links');
    $helper->end;
    $_->end for @relays;
    is(eval { Bench::Relay->new("$bench/relay", "$Flow::DIR/relay1", 'host=/nowhere', 'a', 'b') }, undef, 'one that does not come up');
    like($@, qr{did not come up at .*/relay1}, '... and that is said');
}

for my $path ([ 'link', @sockets ], [ 'floor', $pg->conninfo ]) {
    my ($program, @args) = @$path;
    my $helper = Bench::Helper->new("$bench/$program", @args);
    plausible($helper->ask('idle', 100), 100, "$program idle");
    for my $round (1, 2) {
        my $f = $helper->ask('full', 1000);
        plausible($f, 1000, "$program full, round $round");
        cmp_ok($f->{rate}, '>', 0, "$program: a rate");
    }
    plausible($helper->ask('paced', 1000, 500, 250), 500, "$program paced, each device twice");
    if ($program eq 'link') {
        is($pg->psql("select count(*) from pgdevstate.device where device like 'PJSIP/______'"), 1000, 'SQL knows the devices');
        $nodes[0]->stop;
        is($helper->ask('gone', 1000)->{n}, 1000, 'a node that leaves takes back all');
    }
    $helper->end;
}

# --- many nodes in few processes
{
    my $swarm = Bench::Helper->new("$bench/swarm", $pg->conninfo, 5, 2);
    is($pg->psql("select count(*) from pgdevstate.member where alive and name like 'swarm%'"), 5, 'all of a swarm are members');
    for my $round (1, 2) {
        my $f = $swarm->ask('paced', 200, 500);
        is($f->{said}, 100, "round $round: said as many as the rate wants");
        is($f->{expected}, 400, '... each to be seen by the four others');
        plausible($f, 400, 'swarm');
    }
    $swarm->end;
}

# --- the cache by itself
for my $kind (qw(own same)) {
    my ($out, $err, $status) = run_command("$bench/keep", 2, 10_000, $kind);
    is($status, 0, "keep $kind") or diag($err);
    my $f = parse_figures($out);
    is($f->{rows}, 20_000, '... has all rows');
    cmp_ok($f->{$_}, '>', 0, "... a figure: $_") for qw(bytes_without_names floor_ns lookup_ns update_ns hint_ns);
}

# --- what goes wrong is said, and ends it
for my $wrong (
    [ qr/bench: usage: link/,                               'link' ],
    [ qr{bench: /nowhere: No such file},                    'link',  '/nowhere', '/nowhere' ],
    [ qr/bench: floor: .*connection to server/,             'floor', 'host=/nowhere' ],
    [ qr/bench: usage: relay/,                              'relay', '/nowhere' ],
    [ qr/bench: relay: .*connection to server/,             'relay', '/nowhere', 'host=/nowhere', 'a', 'b' ],
    [ qr{bench: /nowhere/x: No such file},                  'relay', '/nowhere/x', $pg->conninfo(db => 'relay'), 'a', 'b' ],
    [ qr/bench: usage: swarm/,                              'swarm', 'host=/nowhere', 1, 1 ],
    [ qr/usage: keep/,                                      'keep',  1, 10, 'own' ],
) {
    my ($says, $program, @args) = @$wrong;
    my ($out, $err, $status) = run_command("$bench/$program", @args);
    like($err, $says, "$program @args");
    isnt($status, 0, '... ends');
}
{
    my ($out, $err, $status) = Flow::run_with_input("idle 10\nwhat\n", "$bench/floor", $pg->conninfo);
    like($err, qr/bench: no such command: what/, 'an unknown command');
    like($out, qr/^ready=1\nn=10 /, '... after the answer to the one before');
    isnt($status, 0, '... ends');
}
like(Bench::Corosync::missing("$bench/nothing"), qr/only root|not installed/, 'why there is no peer');
$nodes[1]->stop;
done_testing();
