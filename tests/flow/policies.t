# Policies: the last word on a toggle, whoever presses; sums of mailboxes; what is not shared. Changed
# while nodes run, by administrators only.
use lib 'tests/flow/lib';
use Flow;

my $dialplan = "[default]\nexten => 1,hint,Custom:night\n";
my $pg = Flow::Pg->new;
my ($a, $b, $c) = map { $pg->node("server$_", dialplan => $dialplan, options => 'lease=5') } 1 .. 3;
$_->spawn for $a, $b, $c;
$_->wait_ready for $a, $b, $c;
my @all = ($a, $b, $c);
my (%devices, %mailboxes);

sub all_say {
    my ($name, @nodes) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    agree($name, { devices => \%devices, mailboxes => \%mailboxes }, $pg, @nodes ? @nodes : grep { $_->{pid} } @all);
}

# Waits until the nodes go by as many policies as SQL has.
sub all_know_policies {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $sql = $pg->psql(q{select kind || ' ' || pattern || ' ' || policy from pgdevstate.policy order by kind, characters desc, pattern});
    for my $node (grep { $_->{pid} } @all) {
        my $known = '';
        poll_until {
            $known = join "\n", map {"$_->{kind} $_->{pattern} $_->{policy}"} @{ $node->json('policy show') };
            $known eq $sql;
        } "$name: $node->{name} knows";
    }
}

# --- who may
is($pg->psql(q{select oldest_node from pgdevstate.schema_version()}), 1, 'without policies older nodes may stay');
my ($out, $err, $status) = $a->run('policy set device Custom:* latest');
is($status, 1, 'a node may not change policies');
like($err, qr/permission denied for function set_policy\. Policies are for administrators: .*grant execute on function/, '... and says who may');
is_deeply($a->json('policy show'), [], '... there is none');
$pg->psql(q{grant execute on function pgdevstate.set_policy, pgdevstate.clear_policy to pgdevstate_node});

# --- refused before anything is asked of the database
for (['policy set devices x latest', q{'devices' is no kind of key; kinds are device, mailbox}],
    ['policy set device x sum',            q{'sum' is no policy of a device; policies are aggregate, latest, local}],
    ['policy set mailbox *@default local', q{'local' is no policy of a mailbox; policies are latest, sum, max}],
    ['policy set mailbox 1000 sum',        q{'1000' is no pattern: a mailbox's pattern is MAILBOX@CONTEXT}],
    ['policy set device "" latest',        q{'' is no pattern: it is empty}],
    ['policy clear device nothing',        'no policy is set for device "nothing"'])
{
    my ($command, $why) = @$_;
    ($out, $err, $status) = $a->run($command);
    is($status, 1, "$command: refused");
    like($err, qr/\Q$why\E/, '... and why');
}

# --- a toggle that adds up can never be cleared by another server
$a->ok_console('devstate change Custom:night INUSE');
$b->ok_console('devstate change Custom:night NOT_INUSE');
$devices{'Custom:night'} = 'INUSE';
all_say('added up, INUSE stays');

# --- the policy, while nodes run
like($a->ok_console('policy set device Custom:* latest'), qr/^Setting policy latest for device Custom:\*$/m, 'policy set');
is($a->json('devstate show Custom:night')->{state}, 'NOT_INUSE', '... is in force here when the command ends');
$devices{'Custom:night'} = 'NOT_INUSE';
all_say('the last word wins, from now on');
all_know_policies('the policy');
is_deeply([map { $_->{state} } @{ $c->json('core show hints') }], ['Idle'], '... in hints');
my $shown = $c->json('devstate show Custom:night');
is("$shown->{policy} $shown->{pattern} $shown->{writer} $shown->{entities}", 'latest Custom:* server2 2', '... shown with its pattern and the last word');
like($c->ok_console('devstate show Custom:night'), qr/Policy:\s+latest\n\s+By pattern:\s+Custom:\*\n\s+Last word:\s+server2\n/, '... as text');
is($pg->psql(q{select state, entities, policy from pgdevstate.device}), 'NOT_INUSE|2|latest', '... in SQL');
is($pg->psql(q{select oldest_node from pgdevstate.schema_version()}), $pg->psql(q{select max(version) from pgdevstate.migration where name ~ 'polic'}), 'nodes that know no policies are shut out');

# --- crossing: a word, another server's, and the same again
for my $round (1 .. 3) {
    $a->ok_console('devstate change Custom:night INUSE');
    $devices{'Custom:night'} = 'INUSE';
    all_say("round $round: server1 says the same as before, after server2: it counts");
    $b->ok_console('devstate change Custom:night NOT_INUSE');
    $devices{'Custom:night'} = 'NOT_INUSE';
    all_say("... and server2's the same way");
}
my $seq = $b->stats->{seq};
$b->ok_console('devstate change Custom:night NOT_INUSE');
is($b->stats->{seq}, $seq, 'the word that is in force, said again, is no change');

# --- both at once: whatever comes of it, all say the same
for my $round (1 .. 10) {
    my @states = $round % 2 ? qw(INUSE NOT_INUSE) : qw(BUSY RINGING);
    my @started = map {
        my ($node, $state) = @$_;
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            POSIX::_exit(($node->run("devstate change Custom:night $state"))[2]);
        }
        $pid;
    } [$a, $states[0]], [$b, $states[1]];
    for (@started) {
        waitpid $_, 0;
        $? == 0 or fail("round $round: a press failed with status $?");
    }
    my $now = '';
    poll_until {
        $now = $pg->psql(q{select state from pgdevstate.device where device = 'Custom:night'});
        $now eq $states[0] || $now eq $states[1];
    } "pressed at once, round $round: one of the two";
    $devices{'Custom:night'} = $now;
    all_say('... for all');
}

# --- a dead server's last word stays; the rest of what it said does not
$a->ok_console('devstate change Custom:night NOT_INUSE');
$b->ok_batch('server2 says', 'devstate change Custom:night ONHOLD', 'devstate change PJSIP/2 INUSE');
@devices{ 'Custom:night', 'PJSIP/2' } = ('ONHOLD', 'INUSE');
all_say('server2 says two things');
$b->kill('KILL');
delete $devices{'PJSIP/2'};
all_say('killed, its toggle stays');
is($pg->psql(q{select state, counts, alive from pgdevstate.device_entity where device = 'Custom:night' and entity = 'server2'}), 'ONHOLD|t|f', '... as a row that counts');
$a->ok_console('devstate change Custom:night NOT_INUSE');
$devices{'Custom:night'} = 'NOT_INUSE';
all_say('others still change it');
$b->start;
$devices{'PJSIP/2'} = 'INUSE';
all_say('back, it does not bring its older word with it');
$b->ok_console('devstate change Custom:night ONHOLD');
$devices{'Custom:night'} = 'ONHOLD';
all_say('... but when it is said again');

# --- SQL presses, too
my $rows = sub { $pg->psql(qq{select pgdevstate.set_device_state('Custom:night', '$_[0]')}) };
is($rows->('INUSE'), 1, 'SQL says something');
$devices{'Custom:night'} = 'INUSE';
all_say('the last word is of SQL');
is($rows->('INUSE'), 0, '... said again, while it is in force: no change');
$a->ok_console('devstate change Custom:night RINGING');
$devices{'Custom:night'} = 'RINGING';
all_say('a server');
is($rows->('INUSE'), 1, '... and SQL again, as before');
$devices{'Custom:night'} = 'INUSE';
all_say('a second press of SQL');
$pg->psql(q{select pgdevstate.clear_device_state('Custom:night')});
$devices{'Custom:night'} = 'RINGING';
all_say('taken back: the last word of those that say something');

# --- the clock of the database was ahead
is($pg->psql(qq{with ahead as (update pgdevstate.entity_device set stamp = stamp + interval '1 day'
    where device = 'Custom:night' and entity_id = '$a->{entity_id}' returning 1) select count(*) from ahead}), 1, 'a word of tomorrow');
$b->ok_console('devstate change Custom:night BUSY');
$devices{'Custom:night'} = 'BUSY';
all_say('a word is later than any before, whatever the clock says');

# --- said while the database was away (of another one: stamps of tomorrow leave no room for ages)
$a->ok_console('devstate change Custom:away BUSY');
$devices{'Custom:away'} = 'BUSY';
all_say('another toggle');
$pg->stop;
for ([$a, 'INUSE'], [$b, 'RINGING']) {
    my ($node, $state) = @$_;
    like($node->ok_console("devstate change Custom:away $state"), qr/it is kept, and will be delivered/, '... said without the database');
}
$pg->start;
$_->wait_ready for @all;
$devices{'Custom:away'} = 'RINGING';
all_say('what was said last while the database was away wins, whoever delivers first');

# --- mailboxes
$a->ok_console('mailbox set 1 2/7/0');
$b->ok_console('mailbox set 1 3/1/1');
$mailboxes{'1@default'} = '3/1/1';
all_say('the last change');
$a->ok_console('policy set mailbox *@default sum');
$mailboxes{'1@default'} = '5/8/1';
all_say('the sum');
$shown = $c->json('mailbox show 1');
is("$shown->{policy} $shown->{pattern}", 'sum *@default', '... shown');
$b->ok_console('policy set mailbox 1@* max');
all_say('a less specific pattern changes nothing');
$b->ok_console('policy set mailbox *@DEFAULT max');
$mailboxes{'1@default'} = '3/7/1';
all_say('the highest of each; a pattern that differs in case replaces');
is($pg->psql(q{select count(*) from pgdevstate.policy where kind = 'mailbox'}), 2, '... is the same pattern');
$b->kill('KILL');
$mailboxes{'1@default'} = '2/7/0';
delete $devices{'PJSIP/2'};
all_say('a dead one\'s counts leave');
$b->start;
$mailboxes{'1@default'} = '3/7/1';
$devices{'PJSIP/2'} = 'INUSE';
all_say('... and come back with it');

# --- not shared
$a->ok_console('policy set device PJSIP/2 local');
poll_until { $pg->psql(q{select count(*) from pgdevstate.entity_device where device = 'PJSIP/2'}) eq '0' } 'local: the row leaves the database';
is($b->devices->{'PJSIP/2'}, 'INUSE', '... its own server still knows');
delete $devices{'PJSIP/2'};
all_say('... nobody else', $a, $c);
$b->ok_console('devstate change PJSIP/2 RINGING');
is($b->devices->{'PJSIP/2'}, 'RINGING', 'it is said ...');
is($pg->psql(q{select count(*) from pgdevstate.entity_device where device = 'PJSIP/2'}), 0, '... and not sent');
$a->ok_console('policy clear device PJSIP/2');
$devices{'PJSIP/2'} = 'RINGING';
all_say('shared again: it comes back');

# --- a notification that nobody hears: the version in the pulse tells
$pg->psql(q{
    begin;
    delete from pgdevstate.policy where kind = 'device' and pattern = 'Custom:*';
    insert into pgdevstate.policy (site, kind, pattern, policy) values (1, 'device', '*', 'latest');
    update pgdevstate.site set policy_version = policy_version + 1;
    commit});
all_know_policies('told by the pulse');
$b->ok_console('devstate change PJSIP/2 NOT_INUSE');
$devices{'PJSIP/2'} = 'NOT_INUSE';
all_say('... and in force');

# --- a node that starts learns of them before it shows anything
$c->stop;
$pg->psql(q{select pgdevstate.set_policy('device', 'Custom:night', 'latest', 'night mode')});
$c->start;
all_know_policies('after a start');
all_say('... the same for the new one');

# --- away with them
$pg->psql(q{select pgdevstate.clear_policy(kind, pattern) from pgdevstate.policy});
all_know_policies('none');
my %said = map { $_->{name} => $_->{state} } @{ $c->json('devstate show Custom:night')->{statements} };
is_deeply(\%said, { server1 => 'RINGING', server2 => 'BUSY' }, 'each server\'s own word is kept');
@devices{ 'Custom:night', 'Custom:away' } = ('RINGINUSE', 'RINGINUSE');
$mailboxes{'1@default'} = '3/1/1';
all_say('added up again');

done_testing();
