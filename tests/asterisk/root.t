# tests/asterisk/root: what cannot be made is said so, after more than one try, and nothing is left of it.
use lib 'tests/flow/lib';
use Flow;

my $tool = "$Flow::ROOT/tests/asterisk/root";
local @ENV{qw(ASTERISK_ROOTS MIRROR PAUSES)} = ("$Flow::DIR/roots", 'http://127.0.0.1:' . Flow::Pg::closed_port() . '/debian', '0 0');
for my $version (22, 16) {
    my ($out, $err, $status) = run_command($tool, 'make', $version);
    is($status, 1, "Asterisk $version from a mirror that is away: exit status 1");
    is(() = $err =~ /once more in 0 s/g, 2, '... after three tries') or diag($err);
    like($err, qr/^asterisk root: Debian \w+ with Asterisk $version could not be had from \Q$ENV{MIRROR}\E; all of it is in \S+\.log\. MIRROR=URL takes another mirror$/m, '... says what, and what to do');
    is($out, '', '... and names no root');
    is_deeply([ grep { -d } glob "$ENV{ASTERISK_ROOTS}/*" ], [], '... nor leaves half of one');
}
my (undef, $err, $status) = run_command($tool, 'make', '99');
is($status, 1, 'another Asterisk');
like($err, qr/there is a recipe for Asterisk 22 and 16, not for '99'/, '... is told which there are');
done_testing();
