# A conninfo of two hosts: the node leaves a server that became read-only, and one that is silent.
# Two databases of their own stand for a failover: what the second lacks, the node says again.
use lib 'tests/flow/lib';
use Flow;

my $one  = Flow::Pg->new;
my $two  = Flow::Pg->new;
my $node = $one->node('a', options => 'lease=5', conninfo => "host=$one->{dir},$two->{dir} user=postgres dbname=pgdevstate")->start;

sub says {
    my ($pg, $state, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    poll_until { contents_like($pg->devices->{'Custom:x'} // 'nothing', qr/^$state$/) } $name;
}

# As the SQL of an administrator who may still write.
sub read_only {
    my ($pg, $what) = @_;
    my @sql = ('set default_transaction_read_only = off', "alter system $what", 'select pg_reload_conf()');
    my (undef, $err, $status) = Flow::run_command('psql', '-Xq', (map { ('-c', $_) } @sql), $pg->conninfo);
    is("$status$err", '0', $what);
}

# All of a server's: they work in its data directory.
sub processes {
    my ($pg) = @_;
    return grep { (readlink("/proc/$_/cwd") // '') eq "$pg->{dir}/data" } map { /(\d+)/ } glob '/proc/[0-9]*';
}

$node->ok_console('devstate change Custom:x INUSE');
says($one, 'INUSE', 'on the first host');
read_only($one, 'set default_transaction_read_only = on');
says($two, 'INUSE', 'the first is read-only now: on the second');
read_only($one, 'reset default_transaction_read_only');
poll_until { $one->psql('show default_transaction_read_only') eq 'off' } 'the first may write again';

for my $turn ([$two, $one, 'BUSY', 'first'], [$one, $two, 'RINGING', 'second']) {
    my ($silent, $other, $state, $name) = @$turn;
    kill 'STOP', (split /\n/, slurp("$silent->{dir}/data/postmaster.pid"))[0];    # so that they get no more
    my @frozen = processes($silent);
    cmp_ok(kill('STOP', @frozen), '>', 3, 'the server of the node falls silent');
    $node->ok_console("devstate change Custom:x $state");
    says($other, $state, "on the $name");
    kill 'CONT', @frozen;
}
$node->stop;
done_testing();
