# `make install` puts everything where it belongs, and nothing elsewhere.
use lib 'tests/lint';
use Lint;
use File::Temp qw(tempdir);

my $dir = tempdir(CLEANUP => 1);
tool_accepts('make install', 'make', '-s', 'install', "DESTDIR=$dir", 'PREFIX=/usr', 'B=' . ($ENV{B} // 'build'));
my @found = sort map { s/^\Q$dir\E//r } split /\n/, (run_tool('find', $dir, '-type', 'f'))[1];
is_deeply(\@found, [qw(
    /usr/bin/pgdevstate
    /usr/lib/systemd/system/pgdevstated.service
    /usr/lib/sysusers.d/pgdevstate.conf
    /usr/sbin/pgdevstated
    /usr/share/man/man1/pgdevstate.1
    /usr/share/man/man5/pgdevstate.conf.5
    /usr/share/man/man5/res_pgdevstate.conf.5
    /usr/share/man/man7/pgdevstate-link.7
    /usr/share/man/man8/pgdevstated.8
    /usr/share/pgdevstate/extensions.conf.sample
    /usr/share/pgdevstate/pgdevstate.conf.sample
    /usr/share/pgdevstate/res_pgdevstate.conf.sample
)], 'these files');
ok(-x "$dir/usr/sbin/pgdevstated", 'the daemon can be executed');
like((run_tool("$dir/usr/bin/pgdevstate", '--version'))[1], qr/\d+\.\d+/, 'the client runs');
my $unit = slurp("$dir/usr/lib/systemd/system/pgdevstated.service");
like($unit, qr{^ExecStart=/usr/sbin/pgdevstated -f -C /etc/pgdevstate/pgdevstate\.conf$}m, 'the unit starts what was installed');
like($unit, qr/^Type=notify$/m, '... and waits until it is ready');
like($unit, qr/^RestartKillSignal=SIGUSR2$/m, '... which a restart does not say goodbye for');
like($unit, qr/^RuntimeDirectoryPreserve=yes$/m, '... nor forget the entity id that it was told');
unlike($unit, qr/\@[A-Z]+\@/, '... with nothing left to fill in');

done_testing();
