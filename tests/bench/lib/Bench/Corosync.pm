# The peer: two corosync of Debian, each in a network namespace of its own (a veth pair between
# them) with a /run and a /var/lib/corosync of its own; gone with the bench. As root.
package Bench::Corosync;
use strict;
use warnings;
use Flow ();
use POSIX ();
use Time::HiRes qw(time sleep);

my @ends = ({ address => '10.98.0.1' }, { address => '10.98.0.2' });
my $prefix = "pgdsb$$";

# Why it cannot be measured here; '': it can.
sub missing {
    my ($program) = @_;
    return 'only root can make network namespaces' if $> != 0;
    return 'corosync is not installed: make deps-bench' if !-x '/usr/sbin/corosync';
    return 'libcpg-dev was not installed when the benches were built: make deps-bench' if !-x $program;
    return '';
}

sub ip {
    my (@args) = @_;
    my (undef, $err, $status) = Flow::run_command('ip', @args);
    die "ip @args: $err" if $status;
}

sub conf {
    my ($dir) = @_;
    my $nodes = join '', map { sprintf "  node {\n    ring0_addr: %s\n    name: n%d\n    nodeid: %d\n  }\n", $ends[$_]{address}, $_, $_ + 1 } 0, 1;
    return Flow::spew("$dir/corosync.conf", <<"CONF");
totem {
  version: 2
  cluster_name: bench
  transport: knet
  crypto_cipher: none
  crypto_hash: none
}
nodelist {
$nodes}
logging {
  to_stderr: yes
  to_syslog: no
  to_logfile: no
}
CONF
}

sub spawn {
    my ($end, $conf, $log) = @_;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open(STDOUT, '>', $log)     or POSIX::_exit(126);
        open(STDERR, '>&', \*STDOUT) or POSIX::_exit(126);
        exec('setpriv', '--pdeathsig', 'KILL', 'ip', 'netns', 'exec', $end->{namespace}, 'unshare', '-m', 'sh', '-c',
            'mount -t tmpfs none /run && mount -t tmpfs none /var/lib/corosync && exec corosync -f -c "$0"', $conf)
            or POSIX::_exit(127);
    }
    return $pid;
}

# What a bench left that was killed with -9.
sub sweep {
    for my $path (glob '/run/netns/pgdsb*') {
        my ($name, $pid) = $path =~ m{/(pgdsb(\d+)[ab])$} or next;
        Flow::run_command('ip', 'netns', 'del', $name) unless kill 0, $pid;
    }
    return;
}

# The paths of the two namespaces, once the two form a cluster.
sub start {
    my ($dir) = @_;
    my $conf = conf($dir);
    sweep();
    for my $i (0, 1) {
        $ends[$i]{namespace} = $prefix . (qw(a b))[$i];
        ip('netns', 'add', $ends[$i]{namespace});
    }
    my ($a, $b) = map { $_->{namespace} } @ends;
    ip('-n', $a, 'link', 'add', 'bench', 'type', 'veth', 'peer', 'name', 'bench', 'netns', $b);
    for my $end (@ends) {
        ip('-n', $end->{namespace}, 'addr', 'add', "$end->{address}/24", 'dev', 'bench');
        ip('-n', $end->{namespace}, 'link', 'set', $_, 'up') for qw(lo bench);
        $end->{log} = "$dir/corosync.$end->{namespace}.log";
        $end->{pid} = spawn($end, $conf, $end->{log});
    }
    my $until = time + 30;
    until (Flow::slurp($ends[0]{log}) =~ /Sync members\[2\]/) {
        die "corosync forms no cluster of two within 30 s:\n" . Flow::slurp($ends[0]{log}) if time > $until;
        sleep 0.05;
    }
    return map { "/run/netns/$_->{namespace}" } @ends;
}

sub stop {
    for my $end (@ends) {
        if (my $pid = delete $end->{pid}) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
        }
        if (my $namespace = delete $end->{namespace}) {
            Flow::run_command('ip', 'netns', 'del', $namespace);
        }
    }
    return;
}

END { my $status = $?; stop(); $? = $status }

1;
