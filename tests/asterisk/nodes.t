# A server and its own node: which entity id counts, versions that do not fit, a node that is stopped
# in good order, and one that stays away: what it told lasts for stale_after, and no longer.
use lib 'tests/asterisk/lib', 'tests/flow/lib';
use Pbx;
use Pbx::Cluster qw(cluster shows);
use Time::HiRes qw(time);

my $stale = 10;
my $hints = "[default]\nexten => 1,hint,Custom:lamp\nexten => 2,hint,Custom:own\n";
my ($server1, $server2) = cluster(2, dialplan => $hints, module_conf => "stale_after=$stale");
my ($node1, $node2) = map { $_->{node} } $server1, $server2;
$_->start for $server1, $server2;

sub state_of { my ($server) = @_; return join ' ', map { $server->ami->device("Custom:$_"), Pbx::Cluster::hint($server, $_ eq 'lamp' ? 1 : 2) } qw(lamp own) }

sub logged {
    my ($server, $re, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { contents_like(slurp($server->{log}), $re) } $name;
}

# ---- entity_id = auto: the node takes its server's ----
subtest 'entity_id=auto' => sub {
    # the test's network has no interface with a MAC address; without a server the node would take that
    is(system(qw(ip link add mac0 address 00:16:3e:00:77:01 type veth peer name mac1)), 0, 'an interface with an address');
    $node2->stop;
    $node2->write_conf(entity_id => 'auto');
    $node2->start;
    poll_until { contents_like($server2->cli('pgdevstate show status'), qr/^ *Link: +up/m) } 'the server links to it';
    poll_until { contents_like($node2->run('cluster show members'), qr/EntityID: \Q$server2->{entity}\E/i) } "it has the server's id";
    $server2->ami->set('DEVICE_STATE(Custom:own)', 'ONHOLD');
    shows($server1, 'Custom:own', 'ONHOLD');
    poll_until {
        contents_like($server1->cli('pgdevstate show device Custom:own'), qr/\Q$server2->{entity}\E/i)
    } 'others know whose word it is';
    $server1->ami->set('DEVICE_STATE(Custom:lamp)', 'INUSE');
    shows($server2, 'Custom:lamp', 'INUSE');
};

# ---- a server of another id at a node that has its own ----
subtest 'entity id mismatch' => sub {
    my $stranger = pbx('stranger', node => $node1, entity => '02:00:00:00:09:09', expected_errors => [qr/entity id mismatch/]);
    $stranger->start;
    logged($stranger, qr/ERROR[^\n]*entity id mismatch: this node is \Q$node1->{entity_id}\E [^\n]* 02:00:00:00:09:09; give both the same[^\n]*, or entity_id = auto\. Trying again$/m,
        'both ids, and all that can be done about it');
    like($stranger->cli('pgdevstate ping'), qr/No pong: the link is down: [^\n]*entity_id = auto$/m, '... on the console, too');
    like($server1->cli('pgdevstate show status'), qr/^ *Link: +up/m, 'the node stays with its own server');
    $stranger->end;
};

# ---- the node sleeps for longer than the server waits for it ----
subtest 'a node that is stopped for a while' => sub {
    my $mark = $server2->ami->mark;
    $server2->ami->set('DEVICE_STATE(Custom:own)', 'RINGING');
    shows($server1, 'Custom:own', 'RINGING');
    $node2->signal('STOP');
    shows($server1, 'Custom:own', 'UNKNOWN');
    poll_until { contents_like($server2->cli('pgdevstate show status'), qr/Last error: +the node is silent/) } 'the server gives it up';
    like($server2->cli('module unload res_pgdevstate.so'), qr/Unloaded/, 'the module can be unloaded meanwhile');
    like($server2->cli('module load res_pgdevstate.so'), qr/Loaded/, '... and loaded');
    poll_until { contents_like($server2->cli('pgdevstate show status'), qr/Link: +greeting/) } 'it greets a node that does not answer';
    $node2->signal('CONT');
    shows($server1, 'Custom:own', 'RINGING');
    poll_until { contents_like($server2->cli('pgdevstate show status'), qr/fresh/) } 'all is as it was';
    $server2->ami->set('DEVICE_STATE(Custom:own)', 'ONHOLD');
    shows($server1, 'Custom:own', 'ONHOLD');
    unlike(slurp($server2->{log}), qr/ERROR[^\n]*mod_\w+\.c/, '... which is no error');
};

# ---- stopped and started ----
subtest 'a node is restarted in good order' => sub {
    my $mark = $server2->ami->mark;
    $node2->stop;
    logged($server2, qr/WARNING[^\n]*Lost the node at [^\n]*the node says: the node stops\. Trying again/, 'it says so');
    $node2->start;
    poll_until { contents_like($server2->cli('pgdevstate show status'), qr/fresh/) } 'it is back';
    unlike(slurp($server2->{log}), qr/ERROR[^\n]*mod_\w+\.c/, '... which is no error');
    is(join(' ', $server2->ami->states($mark, 'Custom:lamp')), '', '... and no lamp flickered');
};

# ---- away for good ----
subtest 'a node that stays away' => sub {
    my $ami  = $server2->ami;
    my $mark = $ami->mark;
    my $from = time;
    $node2->kill('KILL');
    poll_until { contents_like($server2->cli('pgdevstate show status'), qr/^ *Link: +down.*are dropped in: +\d+ s/ms) } 'the server notices, and says how long it keeps what it knows';
    $server2->ami->set('DEVICE_STATE(Custom:own)', 'BUSY');
    my $event = $ami->wait_event('what it knew of others goes', $mark, Event => 'DeviceStateChange', Device => 'Custom:lamp');
    cmp_ok($event->{at} - $from, '>=', $stale, '... when stale_after is over, and not before') or return;
    is($event->{State}, 'UNKNOWN', '... to what the server itself has: nothing');
    poll_until { contents_like(state_of($server2), qr/^UNKNOWN Idle BUSY Busy$/) } 'hints, too; what is its own stays';
    is(join(' ', $ami->states($mark, 'Custom:lamp')), 'UNKNOWN', 'one change, no more');
    logged($server2, qr/WARNING[^\n]*No word from the node for $stale s: states of other servers are dropped/, 'the log says so');
    $node2->spawn;
    $node2->wait_ready;
    poll_until { contents_like(state_of($server2), qr/^INUSE InUse BUSY Busy$/) } 'it is back, and so are they';
    shows($server1, 'Custom:own', 'BUSY');
};

# ---- another version: a node of one's own that has another ----
subtest 'versions' => sub {
    my $hub = Pbx::Hub->new('v', { acts => [ (sub { my ($socket, $node) = @_; syswrite($socket, "hello\t99\tand\tmore\n"); sysread($socket, my $ignored, 65536) }) x 2 ] });
    $server2->reconfigure('res_pgdevstate.conf' => $server2->module_conf =~ s{^socket=.*}{"socket=" . $hub->node('v')->{dir} . '/pgdevstate.link'}emr);
    $server2->cli('module reload res_pgdevstate.so');
    logged($server2, qr/ERROR[^\n]*No link to the node[^\n]*the node speaks version 99 of the link, this module version 1: install both from the same pgdevstate/,
        'a node of another version: both are named, and what to do');
    $server2->{expected_errors} = [qr/version 99/];
    my $old = IO::Socket::UNIX->new(Type => IO::Socket::UNIX::SOCK_STREAM(), Peer => "$node1->{dir}/pgdevstate.link") or die "$!";
    syswrite($old, "hello\t99\t-\told\t1\treport\n");
    like(readline($old), qr/^bye\t[^\t\n]*this node speaks version 1 of the link, the telephone server version 99: install both from the same pgdevstate$/,
        'a telephone server of another version: likewise');
};
done_testing();
