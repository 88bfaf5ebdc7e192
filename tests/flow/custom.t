# Custom: states are the database's to keep: they survive any end of their node, until removed.
use lib 'tests/flow/lib';
use Flow;

my $dialplan = "[default]\nexten => 1,hint,Custom:x\nexten => 2,hint,Custom:y&Custom:z\n";
my $pg = Flow::Pg->new;
my $a = $pg->node('server1', dialplan => $dialplan)->start;
my $b = $pg->node('server2', dialplan => $dialplan)->start;
$a->ok_batch('states', 'devstate change Custom:x INUSE', 'devstate change Custom:y RINGING', 'mailbox set m 3');
my %devices = ('Custom:x' => 'INUSE', 'Custom:y' => 'RINGING');
my $expected = { devices => \%devices, mailboxes => { 'm@default' => '3/0/0' } };
my $nothing  = { devices => {}, mailboxes => {} };
agree('all know them', $expected, $pg, $a, $b);

# --- a stop
$a->stop;
agree('they leave with their server', $nothing, $pg, $b);
is($pg->psql(q{select device, state, held, counts from pgdevstate.device_entity order by 1}),
    "Custom:x|INUSE|t|f\nCustom:y|RINGING|t|f", '... and are kept, held');
$a->start;
agree('they are back with it', $expected, $pg, $a, $b);
is_deeply([map { $_->{state} } @{ $a->json('core show hints') }], ['InUse', 'Ringing'], '... in its hints');
is_deeply([map { $_->{state} } @{ $b->json('core show hints') }], ['InUse', 'Ringing'], '... and in others');

# --- kill -9
$a->kill('KILL');
$a->start;
agree('they survive kill -9', $expected, $pg, $a, $b);
is($a->json('devstate show Custom:x')->{statements}[0]{held}, JSON::PP::true(), 'held');

# --- removed is removed, also after a restart
$a->ok_console('devstate remove Custom:x');
delete $devices{'Custom:x'};
agree('removed', $expected, $pg, $a, $b);
my ($out, $err, $status) = $a->run('devstate remove Custom:x');
is($status, 1, 'removed again: exit status 1');
like($err, qr/This node says nothing about Custom:x/, '... and why');
($out, $err, $status) = $b->run('devstate remove Custom:y');
is($status, 1, 'one does not remove what another says');
$a->stop;
$a->start;
agree('... stays removed', $expected, $pg, $a, $b);

# --- the last word before a stop is kept, even when nobody waits for it
$a->ok_console('devstate change Custom:z ONHOLD');
poll_until { $a->stats->{unsent} == 0 } 'one more state is acknowledged';
$a->ok_console('core stop now');
is($a->wait_exit, 0, 'core stop now');
$a->start;
$devices{'Custom:z'} = 'ONHOLD';
agree('an acknowledged state survives "core stop now"', $expected, $pg, $a, $b);

# --- the database is away at the start: what is set then is delivered, what was held is taken over
$a->stop;
$pg->stop;
$a->spawn;
poll_until { $a->console('core show version') } 'the node answers without a database';
($out, $err, $status) = $a->run('devstate change Custom:z BUSY');
is($status, 0, 'it takes a state');
like($out, qr/The database has not acknowledged it within 2 s \((?:down|connecting)\b.*\): it is kept, and will be delivered/, '... and says that it waits');
$a->batch('devstate change Custom:new INUSE', 'devstate change Custom:gone INUSE', 'devstate remove Custom:gone', 'mailbox set m 9');
is_deeply($a->devices, { 'Custom:z' => 'BUSY', 'Custom:new' => 'INUSE' }, 'it knows what it was told');
my $stats = $a->stats;
cmp_ok($stats->{unsent}, '>=', 3, 'unsent keys are counted');
cmp_ok($stats->{oldest_unsent_ms}, '>', 0, '... with their age');
$pg->start;
$a->wait_ready;
@devices{'Custom:z', 'Custom:new'} = ('BUSY', 'INUSE');
$expected->{mailboxes}{'m@default'} = '9/0/0';
agree('what was set meanwhile is there, what was held before, too', $expected, $pg, $a, $b);
poll_until { $a->stats->{unsent} == 0 } 'nothing waits any more';

# --- held by SQL: no node needed
$pg->psql(q{select pgdevstate.set_device_state('Custom:night', 'INUSE')});
$devices{'Custom:night'} = 'INUSE';
agree('SQL says something', $expected, $pg, $a, $b);
$_->kill('KILL') for $a, $b;
$_->spawn for $a, $b;
$_->wait_ready for $a, $b;
agree('all is back when all are back', $expected, $pg, $a, $b);

$_->signal('TERM') for $a, $b;
is($_->wait_exit, 0, "$_->{name} stopped") for $a, $b;
is_deeply($pg->devices, { 'Custom:night' => 'INUSE' }, 'what SQL says stays without any node');
done_testing();
