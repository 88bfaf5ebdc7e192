# entity_id = auto on a host that has no MAC address (a container without a network, a tunnel only): the node
# says what is missing and waits for its telephone server, whose id it takes; or is given one in its file.
use lib 'tests/flow/lib';

# In a network of its own, that has nothing but lo: as root, as somebody who may, or by sudo.
BEGIN {
    if (!$^C && !$ENV{AUTO_INSIDE}) {
        $ENV{AUTO_INSIDE} = 1;
        my @ways = ([qw(unshare -n)], [qw(unshare -n -U --map-current-user)],
            [qw(sudo -n -E unshare -n setpriv), "--reuid=$>", '--regid=' . ($) + 0), '--init-groups']);
        for my $way (@ways) {
            next if system('sh', '-c', '"$@" 2>/dev/null >&2', 'try', @$way, 'true');
            exec(@$way, $^X, '-Itests/flow/lib', $0, @ARGV) or die "unshare: $!";
        }
        die "a network namespace is needed: be root, or a user who may run \"sudo -n\"\n";
    }
}
use Flow;
use Link;

my $none = '00:00:00:00:00:00';
my $id   = '02:00:00:00:00:77';
my $says = qr/there is no entity id: no network interface has a usable MAC address, and no telephone server was linked yet\. Set entity_id in \[options\], for example entity_id = 01:23:45:67:89:ab/;
my $pg    = Flow::Pg->new;
my $other = $pg->node('other')->start;

# --- alone: it is said what is missing, and where it goes
my $node = $pg->node('auto', entity_id => 'auto', user => 'postgres');
my ($out, $err, $status) = run_command("$Flow::BIN/pgdevstated", '-t', '-C', $node->{conf});
is($status, 0, '-t: the file is well');
like($err, $says, '... and what is missing is said');
$node->spawn;
poll_until { contents_like($node->log, qr/ERROR .*$says/) } 'the log says what is missing and what to do';
poll_until { contents_like($node->console('core show settings'), qr/Entity ID: +\Q$none\E\n/) } 'core show settings: it has none';
like($node->json('core show settings')->{last_error}, $says, '... and why');
is($node->stats->{connects}, 0, '... so it does not go to the database');
($out, $err, $status) = $node->run('devstate change Custom:held BUSY');
is($status, 0, 'it takes a state');
like($out, qr/has not acknowledged it within 2 s \(down: $says/, '... and says why that waits');
is($node->ok_console('core reload') =~ /Reloaded/, 1, 'a reload is well');
my $watch = Link->new($node, 'watch');
is($watch->{status}, 'away', 'who watches is told that it is away');
is(() = $node->log =~ /ERROR /g, 1, 'one line of the log for all of it');

# --- a telephone server that has an id
my $pbx = Link->new_as($node, $id, 'report', 'watch');
$pbx->report(device => { 'PJSIP/7' => 'INUSE' });
$node->wait_ready;
my $expected = { devices => { 'Custom:held' => 'BUSY', 'PJSIP/7' => 'INUSE' }, mailboxes => {} };
agree('the node has its id, and all it was told is there', $expected, $pg, $node, $other);
is($node->json('core show settings')->{entity_id}, $id, '... as it says');
is($pg->psql("select string_agg(entity_id::text, ' ' order by entity_id) from pgdevstate.member"), "$other->{entity_id} $id", 'nobody else came into the database');
is_deeply([ sort map { $_->{entity_id} } @{ $node->json('cluster show members') } ], [ sort $other->{entity_id}, $id ], '... or its own list');
poll_until { !$watch->read } 'who watched before has to come again';
like($watch->{bye}, qr/the node has another entity id now: \Q$id\E/, '... and hears why');
is($node->json('core show settings')->{last_error} // '', '', 'no error is left');
unlike($node->log, qr/removed|leaving/, '... and nothing of what it never was');

# --- from then on it is kept
$pbx->cut;
$node->kill('KILL');
is((run_command("$Flow::BIN/pgdevstated", '-t', '-C', $node->{conf}))[1], '', '-t: nothing is missing any more');
$node->start;
agree('a restart begins with it', $expected, $pg, $node, $other);
is(() = $node->log =~ /$says/g, 1, '... and misses nothing');
$node->stop;

# --- or it is given one
my $set = $pg->node('set', entity_id => 'auto', user => 'postgres')->spawn;
poll_until { contents_like($set->log, qr/ERROR .*$says/) } 'another one without a telephone server';
$set->signal('TERM');
is($set->wait_exit, 0, '... which can be stopped');
$set->write_conf(entity_id => '01:23:45:67:89:ab');
$set->start;
is($set->json('core show settings')->{entity_id}, '01:23:45:67:89:ab', 'entity_id is set: it is ready');
$_->stop for $set, $other;
done_testing();
