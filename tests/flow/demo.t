# `make demo`: again and again, also after kill -9 of everything it started; `make demo-stop`.
use lib 'tests/flow/lib';
use Flow;

my $demo = "$Flow::DIR/demo";
local @ENV{qw(DEMO B)} = ($demo, $Flow::BIN);

# Pid files hold pid and start time; the server's holds its pid in the first line.
sub pids {
    return map { (split ' ', slurp($_))[0] } "$demo/server1.pid", "$demo/server2.pid", "$demo/pg/data/postmaster.pid";
}

# A process that has ended, and that nobody has waited for, does not count.
sub running { return scalar grep { slurp("/proc/$_/stat") =~ /\) [^Z] / } @_ }

sub plays {
    my ($name) = @_;
    my ($out, $err, $status) = run_command("$Flow::ROOT/scripts/demo", 'start');
    is($status, 0, "$name: the demo plays") or diag($out . $err);
    like($out, qr{-- Executing \[check\@devstate_test:1\] NoOp\("Console/dsp", "Custom:mystate is INUSE"\) in new stack}, '... INUSE is seen');
    is(() = $out =~ /State:InUse/g, 2, '... both hints are InUse');
    is(() = $out =~ /State:Idle/g, 2, '... both hints are Idle');
    unlike($out, qr/\e/, '... no colours without a terminal');
    is(running(pids()), 3, '... and leaves the cluster running');
    my (undef, $refused, $set) = run_command("$Flow::BIN/pgdevstate", '-C', "$demo/server1.conf", '-x', 'policy set device Custom:* latest');
    is($set, 0, '... whose consoles may set policies') or diag($refused);
    my ($rows) = run_command("$demo/psql", '-XAtc', 'select count(*) from pgdevstate.member where alive');
    cmp_ok($rows, '>=', 2, '... which run/demo/psql shows');
}

plays('first');
my @first = pids();
my ($server) = readlink("$demo/pg") // "$demo/pg";
plays('again');
is(running(@first), 0, 'the first one is gone');
ok(!-e $server || !-l "$demo/pg" || readlink("$demo/pg") ne $server, '... with its files');
kill 'KILL', pids();
plays('after kill -9 of everything');
my @last = pids();
my (undef, $err, $status) = run_command("$Flow::ROOT/scripts/demo", 'stop');
is($status, 0, 'demo-stop') or diag($err);
poll_until { !running(@last) } 'nothing is left running';
ok(!-e $demo, '... no file either');
(undef, $err, $status) = run_command("$Flow::ROOT/scripts/demo", 'stop');
is($status, 0, 'demo-stop when there is nothing to stop') or diag($err);

done_testing();
