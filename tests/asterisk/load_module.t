# The module, built with AddressSanitizer, loaded and unloaded 100 times while states come and go on
# both sides: it always comes back, the truth is shown in between, and nothing leaks.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(started shows);
use Time::HiRes qw(time);

my $times   = $ENV{TIMES} // 100;
my $devices = 2000;
my $dialplan = <<'CONF';
[default]
exten => 1,hint,Custom:lamp
exten => spin,1,Answer()
same => n(top),Set(DEVICE_STATE(Custom:spin${RAND(1,20)})=INUSE)
same => n,Set(DEVICE_STATE(Custom:spin${RAND(1,20)})=BUSY)
same => n,Set(DEVICE_STATE(Custom:spin${RAND(1,20)})=NOT_INUSE)
same => n,GotoIf($[${RAND(1,10)} > 1]?top)
same => n,Wait(0.002)
same => n,Goto(top)
exten => wait,1,Wait(100000)
CONF
my ($server1, $server2) = started(2, dialplan => $dialplan, boxes => ['1000'], a => { asan => 1 });
my $speaker = Pbx::Speaker->new(Pbx::Cluster::other_node('other'), [ map { ("Custom:d$_" => 'INUSE') } 1 .. $devices ],
    [ map { ("$_\@default" => '2/1') } 1 .. 200 ]);
shows($server1, "Custom:d$devices", 'INUSE');

# Changes all the time: here, also at the moment of an unload, on b, and on the third.
$server1->ami->action('Originate', Channel => 'Local/spin@default', Context => 'default', Exten => 'wait', Priority => 1, Async => 'true');
poll_until { contents_like($server1->ami->device('Custom:spin1'), qr{INUSE|BUSY}) } 'a: a channel changes devices all the time';
my $changes = 0;
sub change {
    my @states = qw(INUSE NOT_INUSE RINGING);
    for my $n (1 .. 20) {
        $changes++;
        $_->ami->send_action('Setvar', Variable => "DEVICE_STATE(Custom:own$n-$_->{name})", Value => $states[ $changes % 3 ]) for $server1, $server2;
    }
    $_->ami->drain for $server1, $server2;
    $_->{events} = [] for $server1->ami, $server2->ami;
}

my $slowest = 0;
my $failed  = 0;
for my $round (1 .. $times) {
    change();
    my $from = time;
    $server1->cli('module unload res_pgdevstate.so');
    $failed++ if $server1->loaded;
    change();
    $server1->cli('module load res_pgdevstate.so');
    $failed++ unless $server1->loaded;
    my $took = time - $from;
    $slowest = $took if $took > $slowest;
    diag("$round of $times") if $round % 20 == 0;
    last if !$server1->running;
}
is($failed, 0, "loaded and unloaded $times times under load");
diag(sprintf 'the slowest round took %.0f ms, %d changes meanwhile', 1000 * $slowest, $changes);
shows($server1, "Custom:d$devices", 'INUSE');
$server1->ami->set('DEVICE_STATE(Custom:last)', 'BUSY');
shows($server2, 'Custom:last', 'BUSY');

$server1->ami->hang_up(qr{^Local/spin});

# Unloaded, the server says what it would say without it.
like($server1->cli('module unload res_pgdevstate.so'), qr/Unloaded/, 'unloads once more');
shows($server1, "Custom:d$_", 'UNKNOWN') for 1, $devices;
like($server1->cli('module load res_pgdevstate.so'), qr/Loaded/, 'and loads');
shows($server1, "Custom:d$_", 'INUSE') for 1, $devices;

# The end is where leaks are looked for.
$server1->cli('core stop now');
my $status = $server1->wait_exit(90);
ok(defined $status, 'a: has stopped') or $server1->kill9;
my @reports = map { slurp($_) } glob "$server1->{dir}/asan.*";
diag(sprintf 'exit status %s, %d reports', $status // 'none', scalar @reports);
is(scalar(grep { /res_pgdevstate|src\/module|unknown module/ } @reports), 0, 'no leak and no error of the module');
done_testing();
