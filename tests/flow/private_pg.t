# scripts/private-pg: what it starts ends, also when nobody was left to stop it.
use lib 'tests/flow/lib';
use Flow;

my $tool = "$Flow::ROOT/scripts/private-pg";

sub processes_in {
    my ($dir) = @_;
    return grep { (readlink("$_/cwd") // '') =~ m{^\Q$dir\E/} } glob '/proc/[0-9]*';
}

# run: the command's environment, output and exit status; nothing stays
{
    my ($out, $err, $status) =
        run_command($tool, 'run', 'work_mem=5MB', '--', 'sh', '-c', 'echo $PRIVATE_PG; psql -XAtc "show work_mem"; exit 7');
    is($status, 7, 'run: the exit status of the command') or diag($err);
    my ($dir, $work_mem) = split /\n/, $out;
    is($work_mem, '5MB', '... with the settings given');
    ok(!-e $dir, '... and nothing stays');
    ok(!processes_in($dir), '... no process either');
}

# an owner that died: swept; one that lives: left alone
{
    my ($mine) = run_command($tool, 'new', $$);
    my $owner = open(my $life, '|-', 'cat') or die "cat: $!";
    my ($theirs) = run_command($tool, 'new', $owner);
    chomp($mine, $theirs);
    ok(-d "$theirs/data", 'a server whose owner will end');
    close $life;
    # other tests sweep, too, when they begin
    poll_until { run_command($tool, 'sweep'); !-e $theirs && !processes_in($theirs) } '... is swept when it has';
    ok(-d "$mine/data" && processes_in($mine), 'one whose owner lives is not');

    # kill -9 of the server
    my ($pid) = split /\n/, slurp("$mine/data/postmaster.pid");
    my ($id) = (split /\n/, slurp("$mine/data/postmaster.pid"))[6] =~ /(\d+)$/;
    like((run_command('ipcs', '-m'))[0], qr/^\S+\s+$id\s/m, 'it has a shared memory segment');
    kill 'KILL', $pid;
    my (undef, $err, $status) = run_command($tool, 'stop', $mine);
    is($status, 0, 'stop after kill -9') or diag($err);
    ok(!-e $mine && !processes_in($mine), '... nothing stays');
    unlike((run_command('ipcs', '-m'))[0], qr/^\S+\s+$id\s/m, '... no shared memory segment either');
}

# refusals
for my $case (['a path with a blank', 'start', '/tmp/a b'], ['a relative path', 'start', 'x'],
    ['a long path', 'start', '/tmp/' . 'x' x 90], ['no command', 'run'], ['unknown', 'frobnicate']) {
    my ($name, @args) = @$case;
    isnt((run_command($tool, @args))[2], 0, "refused: $name");
}
my (undef, $err, $status) = run_command($tool, 'run', 'no_such_setting=1', '--', 'true');
isnt($status, 0, 'a setting that is none');
like($err, qr/no_such_setting/, '... is named');

done_testing();
