# A node that talks nonsense, hangs, or ends in the middle of a word, one way after the other: the server
# goes on as if there were none, says so in its log, and is linked again when the node has recovered.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(shows);

my $id    = '02:00:00:00:02:77';
my $hello = sub { my ($node) = @_; return "hello\t1\t$node->{entity_id}\tnode\t1\nstatus\tready\n" };
my $dump  = "begin\nmember\tup\t$id\tother\thost\t1\ndevice\tINUSE\t$id\tCustom:dump\n";

# Sends it, and waits until the server has closed the link, or for a second.
sub told {
    my ($socket, $text) = @_;
    $socket->blocking(0);
    my $until = Time::HiRes::time() + 1;
    while (Time::HiRes::time() < $until) {
        my ($in, $out) = ('', '');
        vec($in, fileno $socket, 1) = 1;
        vec($out, fileno $socket, 1) = 1 if $text ne '';
        next unless select($in, $out, undef, 0.1);
        if (vec($out, fileno $socket, 1)) {
            my $n = syswrite($socket, $text);
            substr($text, 0, $n, '') if $n;
        }
        my $got = sysread($socket, my $ignored, 65536);
        return if defined $got && $got == 0;
    }
}

my @acts = (
    [ 'closes at once'            => sub { } ],
    [ 'says nothing'              => sub { told($_[0], '') } ],
    [ 'sends bytes of any kind'   => sub { told($_[0], join '', map { chr(int rand 256) } 1 .. 200_000) } ],
    [ 'sends a line without end'  => sub { told($_[0], 'x' x 3_000_000) } ],
    [ 'sends zeros'               => sub { told($_[0], "\0" x 100_000) } ],
    [ 'sends empty lines'         => sub { told($_[0], "\n" x 1_000_000) } ],
    [ 'speaks another version'    => sub { told($_[0], "hello\t99\t$_[1]{entity_id}\tnode\t1\n") } ],
    [ 'has another entity id'     => sub { told($_[0], "hello\t1\t$id\tnode\t1\nstatus\tready\n") } ],
    [ 'says goodbye at once'      => sub { told($_[0], "bye\tno reason\n") } ],
    [ 'has no hello'              => sub { told($_[0], $dump . "end\n") } ],
    [ 'ends in the middle'        => sub { told($_[0], $hello->($_[1]) . $dump . "device\tINU") } ],
    [ 'forgets fields'            => sub { told($_[0], $hello->($_[1]) . "begin\ndevice\ndevice\tINUSE\nmailbox\t1\nmember\nmerged\nend\n") } ],
    [ 'has impossible values'     => sub { told($_[0], $hello->($_[1]) . "begin\ndevice\tSLEEPING\t$id\tCustom:x\ndevice\tINUSE\tnobody\tCustom:y\n"
                . "mailbox\t-1\t-1\t99999999999\t$id\tbox\tdefault\nmember\tsideways\t$id\tx\ty\tz\nend\n") } ],
    [ 'has names that lie'        => sub { told($_[0], $hello->($_[1]) . "begin\ndevice\tINUSE\t$id\tCustom:x\r\r\ndevice\tINUSE\t$id\t\n"
                . "device\tINUSE\t$id\tCustom:a\x01b\ndevice\tINUSE\t$id\t" . 'n' x 1900 . "\nend\n") } ],
    [ 'begins and begins'         => sub { told($_[0], $hello->($_[1]) . "begin\n" x 50_000) } ],
    [ 'changes its mind'          => sub { told($_[0], $hello->($_[1]) . "begin\nend\n" . "device\tINUSE\t$id\tCustom:mind\ndevice\t-\t$id\tCustom:mind\n" x 20_000) } ],
);
my $hub    = Pbx::Hub->new('a', { acts => [ map { $_->[1] } @acts ] });
my $server = pbx('a', node => $hub->node('a'), expected_errors => [qr/./],
    files => { 'extensions.conf' => "[default]\nexten => 1,hint,Custom:own\n" });
$server->start;
my $ami = $server->ami;

# Before, during and after each: the server's own business is not disturbed.
for my $n (1 .. @acts) {
    my $what = $acts[ $n - 1 ][0];
    my $mark = $ami->mark;
    my $state = $n % 2 ? 'INUSE' : 'RINGING';
    $ami->set('DEVICE_STATE(Custom:own)', $state);
    $ami->wait_event("a node that $what: the server's own states go on", $mark, Event => 'DeviceStateChange', Device => 'Custom:own', State => $state);
    # "resync" makes the module try again soon, if it waits
    poll_until {
        $server->cli('pgdevstate resync');
        $Flow::last_seen = $hub->played . ' were played';
        $hub->played >= $n;
    } "... it was linked $n times";
    ok($server->running, '... and the server lives') or last;
    unlike($server->cli('pgdevstate show members'), qr/No such command/, '... with its module');
}

# And then there is one that is well.
my $speaker = Pbx::Speaker->new($hub->node('a'), [ 'Custom:well' => 'BUSY' ]);
poll_until { contents_like($server->cli('pgdevstate show status'), qr/^ *Link: +up/m) } 'a node that is well is linked', 90;
$ami->set('DEVICE_STATE(Custom:own)', 'ONHOLD');
shows($server, 'Custom:own', 'ONHOLD');
for my $left ('Custom:dump', 'Custom:x', 'Custom:y', 'Custom:mind') {
    shows($server, $left, 'UNKNOWN');
}
my $log = slurp($server->{log});
for my $words (qr/entity id/i, qr/node speaks version 99 of the link, this module version 1: install both/) {
    like($log, qr/pgdevstate[^\n]*$words|mod_\w+\.c[^\n]*$words/, "the log has a message about: $words");
}
like($server->cli('module unload res_pgdevstate.so'), qr/Unloaded/, 'the module can be unloaded');
done_testing();
