# A database that does not let a node in, each in its way: the log and the console say what is
# wrong and what to do; when it is put right the node gets in by itself.
use lib 'tests/flow/lib';
use Flow;

my $pg  = Flow::Pg->new(tcp => 1);
my $hba = "$pg->{dir}/data/pg_hba.conf";
spew($hba, "host all all 127.0.0.1/32 scram-sha-256\n" . slurp($hba));
$pg->psql("create role $_ login password 'right'") for qw(locked poor plain);
$pg->psql('grant pgdevstate_node to locked, plain; select pg_reload_conf()');
poll_until { $pg->psql("select count(*) from pg_hba_file_rules where auth_method = 'scram-sha-256'") } 'passwords are asked for';
$pg->psql_in('postgres', "create database $_") for qw(bare newer older);
for my $db (qw(newer older)) {
    Flow::client('migrate', '--conninfo', $pg->conninfo(db => $db));
    $pg->psql_in($db, $db eq 'newer' ? 'update pgdevstate.installed set version = 1000, oldest_node = 999' : 'alter table pgdevstate.installed drop constraint installed_oldest_node_is_not_newer; update pgdevstate.installed set version = 0');
}

my $tcp    = "host=127.0.0.1 port=$pg->{port} dbname=pgdevstate";
my $closed = Flow::Pg::closed_port();
my %case = (
    'wrong password' => {
        conninfo => "$tcp user=locked password=Geheimnis",
        says     => qr/password authentication failed for user "locked"/,
        cure     => sub { $pg->psql("alter role locked password 'Geheimnis'") },
    },
    'no password' => {
        conninfo => "$tcp user=plain",
        says     => qr/the server asks for a password and there is none: set passfile \(or password\) in the conninfo/,
    },
    'no rights' => {
        conninfo => "$tcp user=poor password=right",
        says     => qr/permission denied.*say "grant pgdevstate_node to "poor"" as an administrator/,
        cure     => sub { $pg->psql('grant pgdevstate_node to poor') },
    },
    'no such role' => {
        conninfo => $pg->conninfo(user => 'newcomer'),
        says     => qr/role "newcomer" does not exist/,
        cure     => sub { Flow::client('migrate', '--conninfo', $pg->conninfo, '--create-role', 'newcomer') },
    },
    'no such database' => {
        conninfo => $pg->conninfo(user => 'plain', db => 'nowhere'),
        says     => qr/database "nowhere" does not exist/,
    },
    'no schema' => {
        conninfo => $pg->conninfo(user => 'plain', db => 'bare'),
        says     => qr/the database has no schema pgdevstate: run "pgdevstate -C FILE migrate"/,
        cure     => sub {
            my ($self) = @_;
            my ($out, $err, $status) = Flow::client('migrate', '-C', $self->{conf}, '-U', 'postgres');
            is($status, 0, 'pgdevstate -C FILE migrate') or diag($out . $err);
        },
    },
    'schema too new' => {
        conninfo => $pg->conninfo(user => 'plain', db => 'newer'),
        says     => qr/the database has schema 1000, which needs nodes built for 999 or newer; this pgdevstated is built for \d+: upgrade pgdevstated on this host/,
        cure     => sub { $pg->psql_in('newer', 'update pgdevstate.installed set oldest_node = 1') },
    },
    'schema too old' => {
        conninfo => $pg->conninfo(user => 'plain', db => 'older'),
        says     => qr/the database has schema 0, this pgdevstated needs \d+: run "pgdevstate -C FILE migrate"/,
        cure     => sub { $pg->psql_in('older', 'update pgdevstate.installed set version = 1000') },
    },
    'nobody listens' => {
        conninfo => "host=127.0.0.1 port=$closed dbname=pgdevstate user=plain",
        says     => qr/127\.0\.0\.1:$closed.*Connection refused/,
    },
    'another role has the entity' => {
        conninfo => $pg->conninfo(user => 'plain'),
        entity_id => '02:bb:00:00:00:01',
        says     => qr/02:bb:00:00:00:01.*"?first"?/,
    },
);

# One that gets in at once: its first host is dead.
my $good = $pg->node('good', conninfo => "host=127.0.0.1,$pg->{dir} port=$closed,$pg->{port} dbname=pgdevstate user=plain");
$pg->psql('create role first login in role pgdevstate_node');
my $first = $pg->node('first', entity_id => '02:bb:00:00:00:01', user => 'first')->start;
$first->stop;
$good->start;
like($good->json('core show settings')->{database}, qr/\Q$pg->{dir}\E/, 'of two hosts the second one is taken');

for my $what (sort keys %case) {
    my %opt = map { exists $case{$what}{$_} ? ($_ => $case{$what}{$_}) : () } qw(conninfo entity_id);
    $case{$what}{node} = $pg->node($what =~ s/ /_/gr, %opt)->spawn;
}
for my $what (sort keys %case) {
    my ($node, $says) = @{ $case{$what} }{qw(node says)};
    poll_until { contents_like($node->log, qr/ERROR .*$says/) } "$what: the log says what and what to do";
    poll_until { contents_like($node->json('core show settings')->{last_error}, $says) } '... the console, too';
    ok($node->running, '... and the node runs on');
    unlike($node->log, qr/Geheimnis/, '... passwords are not repeated');
    next unless $what =~ /password|no schema/;
    my ($out, $err, $status) = $node->run('devstate change Custom:x INUSE');
    is($status, 0, '... takes a state');
    like($out, qr/has not acknowledged it within 2 s.*$says/s, '... and says why it waits');
    unlike($out, qr/Geheimnis/, '... without the password');
}
for my $what (sort keys %case) {
    $case{$what}{cure}->($case{$what}{node}) if $case{$what}{cure};
}
for my $what (grep { $case{$_}{cure} } sort keys %case) {
    my $node = $case{$what}{node};
    $node->wait_ready;
    poll_until { my $stats = $node->stats; contents_like(Flow::as_text($stats), qr/./) && $stats->{phase} eq 'ready' && $stats->{unsent} == 0 }
        "$what: put right, it gets in by itself and delivers";
}
for my $what (sort keys %case) {
    my $lines = () = $case{$what}{node}->log =~ / ERROR /g;
    cmp_ok($lines, '<=', 3, "$what: it does not fill the log");
}

# Each try gets in as far as PostgreSQL: that is no news.
my $refused = $case{'another role has the entity'}{node};
poll_until { $refused->stats->{connects} >= 3 } 'the one whose id is another role\'s keeps trying';
unlike($refused->log, qr/(?:NOTICE|WARNING|INFO) .*connect|NOTICE .*the database is/, '... and says nothing of its connections');

$_->signal('TERM') for grep { $_->{pid} } @Flow::nodes;
is($_->wait_exit, 0, "$_->{name} stopped") for grep { $_->{pid} } @Flow::nodes;
done_testing();
