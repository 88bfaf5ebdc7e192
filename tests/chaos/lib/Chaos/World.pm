# What chaos is made in: namespaces of its own, so that packets can be lost, disks filled and
# processes killed without touching anything else, and so that everything ends with the test;
# servers in two places (one is the primary, the other a standby when there is one), five nodes.
#
#   host                what it is                                how a node comes to it
#   $here->{dir}        5432: unix socket, 192.0.2.1              server1, server2: sockets
#   $there->{dir}       5433: the same                            server3 ..: TCP, a veth pair each
#
# Data and WAL of each server are on small disks of their own (tmpfs), and so is everything that
# server2 and server4 write. tests/chaos/disk.c makes the servers' disks slow and their clocks wrong.
package Chaos::World;
use lib 'tests/flow/lib';
use Flow;
use File::Temp qw(tempdir);
use POSIX ();
use Time::HiRes qw(time sleep);

our @ISA    = ('Exporter');
our @EXPORT = qw(@nodes $pg poll give_up must living node_dead backend coordinator state_of new_twin node_fill node_free
    disk_set disk_slowed server_processes server_disk_fill server_disk_free standby_make take_over reject admit
    network_drop network_pass network_clear far_nodes helper helper_end clean_up LEASE);
use constant { LEASE => 3, NODES => 5, ADDRESS => '192.0.2.1', NODE_DISK => 'size=256k,nr_inodes=24' };
our $deadline = $ENV{CHAOS_DEADLINE} // 30;
our (@nodes, $pg, $here, $there, $on_give_up);
my (%inside, @disks, %helpers);
$Flow::BIN = $Flow::B;

# The program again, inside: as root, or in a user namespace, or with sudo. Never returns outside.
sub enter {
    return if $^C || $ENV{CHAOS_INSIDE};
    $ENV{CHAOS_INSIDE} = 1;
    my @unshare = qw(unshare -m -n -p --fork --kill-child --mount-proc);
    my @private = ('--propagation', 'private');
    my @ways = ([@unshare, @private], [@unshare, qw(--propagation unchanged)]);
    @ways = ([@unshare, @private, qw(-U --map-current-user --keep-caps)], map { ['sudo', '-n', '-E', @$_] } @ways) if $>;
    for my $way (@ways) {
        my @try = grep { $_ ne '--kill-child' } @$way;
        next if system('sh', '-c', '"$@" 2>/dev/null >&2', 'try', @try, 'true');
        # bash is process 1 there, and buries who has no parent
        exec(@$way, 'bash', '-c', '"$@"; exit $?', 'chaos', $^X, '-Itests/flow/lib', $0, @ARGV) or die "unshare: $!";
    }
    BAIL_OUT('faults need namespaces of network, mounts and processes: be root, or a user who may run "sudo -n"');
}

# The block's value as soon as it is true; where that takes too long the fault could not be made,
# and the test fails and ends.
sub poll (&;$) {
    my ($block, $what) = @_;
    my $until = time + $deadline;
    my $value;
    while (time < $until) {
        $value = eval { $block->() };
        return $value if $value;
        sleep 0.02;
    }
    my (undef, $file, $line) = caller;
    give_up(($what // 'a condition') . " at $file:$line did not come true within $deadline s" . ($@ ? ": $@" : ''));
}

sub give_up {
    my ($why) = @_;
    fail($why);
    $on_give_up->() if $on_give_up;
    exit 1;
}

sub must {
    my (@command) = @_;
    my ($out, $err, $status) = Flow::run_command(@command);
    give_up("this failed with $status: @command: $err") if $status;
    return $out;
}

sub as_server {
    my (@command) = @_;
    return must($> == 0 ? ('runuser', '-u', 'postgres', '--') : (), @command);
}

# --- the network: a node's namespace is a process; 192.0.2.(16 n + 1) is our end, + 2 its end
sub network {
    my ($n) = @_;
    pipe(my $out, my $in) or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open(STDOUT, '>&', $in) or POSIX::_exit(126);
        exec(qw(setpriv --pdeathsig KILL unshare -n sh -c), 'echo ready; exec sleep 36000 >/dev/null') or POSIX::_exit(127);
    }
    close $in;
    <$out> // give_up('no network namespace');
    my ($ours, $its) = map { '192.0.2.' . (16 * $n + $_) } 1, 2;
    $inside{"server$n"} = { words => ['nsenter', "--net=/proc/$pid/ns/net"], ours => $ours, its => $its };
    my $inside = "nsenter --net=/proc/$pid/ns/net";
    must('sh', '-ec', <<"SH");
ip link add outer$n type veth peer name inner netns $pid
ip addr add $ours/28 dev outer$n; ip link set outer$n up
$inside ip addr add $its/28 dev inner; $inside ip link set inner up; $inside ip link set lo up
$inside ip route add default via $ours
SH
}

# A wrong hardware address at the sender's end: its packets are dropped at the other one, silently.
sub neighbour {
    my ($way, $node) = @_;
    my $net = $inside{ $node->{name} };
    my ($n) = $node->{name} =~ /(\d+)/;
    return ([@{ $net->{words} }, 'ip', 'neigh'], [$net->{ours}, 'dev', 'inner']) if $way eq 'to the server';
    return (['ip', 'neigh'], [$net->{its}, 'dev', "outer$n"]);
}

sub network_drop {
    my ($node, @ways) = @_;
    for my $way (@ways) {
        my ($neigh, $whom) = neighbour($way, $node);
        must(@$neigh, 'replace', @$whom, qw(lladdr 02:de:ad:00:00:01 nud permanent));
    }
}

sub network_pass {
    my ($node, @ways) = @_;
    for my $way (@ways) {
        my ($neigh, $whom) = neighbour($way, $node);
        must(@$neigh, 'del', @$whom);
    }
}

# Whatever was dropped.
sub network_clear {
    my ($node) = @_;
    for my $way ('to the server', 'to the node') {
        my ($neigh, $whom) = neighbour($way, $node);
        Flow::run_command(@$neigh, 'del', @$whom) if Flow::run_command(@$neigh, 'show', 'nud', 'permanent', @$whom[1, 2]);
    }
}
sub far_nodes { return grep { $inside{ $_->{name} } } living() }

# --- disks
sub disk {
    my ($at, $options, $user) = @_;
    mkdir $at;
    must('mount', '-t', 'tmpfs', '-o', "mode=0700,uid=$user,$options", 'chaos', $at);
    push @disks, $at;
}

# Not a byte more, also in the last page of that file, and not a file more.
sub fill {
    my ($at, $file) = @_;
    open(my $out, '>', "$at/filler") or give_up("$at/filler: $!");
    my $block = 'x' x 4096;
    1 while syswrite $out, $block;
    open(my $more, '>>', $file) or give_up("$file: $!");
    1 while syswrite $more, '-' x 499 . "\n";
    my ($full, $n) = ($!{ENOSPC}, 0);
    $n++ while open(my $one, '>', "$at/filler.$n");
    give_up("$at is not full: $!") unless $full && $!{ENOSPC};
}

sub unfill { my ($at) = @_; unlink glob "$at/filler*" }

sub node_fill { my ($node, $file) = @_; fill($node->{dir}, $file // $node->{log_file}) }
sub node_free { my ($node) = @_; unfill($node->{dir}) }

# The server's: part is data or wal.
sub server_disk_fill {
    my ($part) = @_;
    my $at = "$pg->{dir}/$part";
    open(my $out, '>', "$at/filler") or give_up("$at/filler: $!");
    for my $size (1 << 16, 1 << 12) {
        my $block = 'x' x $size;
        1 while syswrite $out, $block;
    }
    give_up("$at is not full: $!") unless $!{ENOSPC};
}
sub server_disk_free { my ($part, $server) = @_; unlink "$server->{dir}/$part/filler" or give_up("$part/filler: $!") }

# milliseconds that each fsync and each write takes; how far the clock is off
sub disk_set {
    my ($sync_ms, $write_ms, $clock_s) = @_;
    open(my $file, '+<', $ENV{CHAOS_DISK}) or give_up("$ENV{CHAOS_DISK}: $!");
    syswrite $file, pack('l2 q', $sync_ms, $write_ms, ($clock_s // 0) * 1e6);
    close $file;
}
sub disk_slowed { return unpack 'q', substr Flow::slurp($ENV{CHAOS_DISK}), 16, 8 }

# --- servers
sub servers {
    my $user = $> == 0 ? getpwnam('postgres') // give_up('there is no user postgres: run make deps') : $>;
    my $dir  = tempdir('pgchaos.XXXXXX', DIR => '/tmp');
    $here  = server($dir, 5432);
    $there = server("$dir/there", 5433);
    must("$Flow::ROOT/scripts/private-pg", 'start', $dir, 'listen_addresses=' . ADDRESS, 'port=5432', 'fsync=on',
        'wal_buffers=64kB', 'max_wal_size=96MB', 'min_wal_size=32MB', 'tcp_keepalives_idle=2', 'tcp_keepalives_interval=1',
        'tcp_keepalives_count=2');
    push @Flow::servers, $here;
    $here->stop;
    must($ENV{CC} // 'cc', '-shared', '-fPIC', '-O2', '-D_GNU_SOURCE', '-o', "$dir/disk.so", 'tests/chaos/disk.c', '-ldl');
    $ENV{CHAOS_DISK} = Flow::spew("$dir/disk", "\0" x 64);
    must('mv', "$dir/data", "$dir/data.old");
    mkdir "$dir/there";
    for my $server ($here, $there) {
        disk("$server->{dir}/data", 'size=200m', $user);
        disk("$server->{dir}/wal",  'size=160m', $user);
    }
    must('sh', '-ec', <<"SH");
cp -a $dir/data.old/. $dir/data; rm -rf $dir/data.old
cp -a $dir/data/pg_wal/. $dir/wal; rm -rf $dir/data/pg_wal; ln -s $dir/wal $dir/data/pg_wal
echo 'host all all 192.0.2.0/24 trust' >>$dir/data/pg_hba.conf
chown -R $user $dir
SH
    $here->start;
    $here->psql_in('postgres', 'create database pgdevstate');
    $here->migrate;
    $here->psql("select pgdevstate.set_notify_mode('$ENV{NOTIFY}')") if $ENV{NOTIFY};
    return $here;
}

sub server {
    my ($dir, $port) = @_;
    return bless { dir => $dir, port => $port, db => 'pgdevstate', nodes => 0 }, 'Chaos::Server';
}

# The main process and its children, in this order.
sub server_processes {
    my ($main) = split /\n/, Flow::slurp("$pg->{dir}/data/postmaster.pid");
    return ($main, grep { Flow::slurp("/proc/$_/stat") =~ /\) \S $main / } map {m{/proc/(\d+)}} glob '/proc/[0-9]*');
}

# A streaming standby in the place that is free.
sub standby_make {
    my $spare = $pg == $here ? $there : $here;
    my $bin = must("$Flow::ROOT/scripts/private-pg", 'bindir') =~ s/\n//r;
    as_server('sh', '-ec', <<"SH");
cd /; umask 077; find '$spare->{dir}/data' '$spare->{dir}/wal' -mindepth 1 -delete
'$bin/pg_basebackup' -h '$pg->{dir}' -p $pg->{port} -U postgres -D '$spare->{dir}/data' --waldir='$spare->{dir}/wal' -R -c fast --no-sync
printf '%s\\n' "unix_socket_directories = '$spare->{dir}'" 'port = $spare->{port}' >>'$spare->{dir}/data/postgresql.auto.conf'
SH
    $spare->start;
    unshift @Flow::servers, $spare unless grep { $_ == $spare } @Flow::servers;
    poll { $pg->psql("select 1 from pg_stat_replication where state = 'streaming'") } 'a standby streams';
    return $spare;
}

# From now on that one is the server; returns who was.
sub take_over {
    my ($standby) = @_;
    my $old = $pg;
    $pg = $standby;
    return $old;
}

# The server does not let these nodes in any more, and ends their sessions; or lets everybody in.
sub reject {
    my ($server, @who) = @_;
    my $file = "$server->{dir}/data/pg_hba.conf";
    my $text = Flow::slurp($file) =~ s/^.*reject\n//gmr;
    Flow::spew($file, join('', map {"local all node_$_->{name} reject\nhost all node_$_->{name} all reject\n"} @who) . $text);
    $server->ctl('reload');
    for my $node (@who) {
        poll {
            $server->psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'node_$node->{name}'");
            !$server->psql("select count(*) from pg_stat_activity where usename = 'node_$node->{name}'");
        }
        "$node->{name} was let out";
    }
}
sub admit { my ($server) = @_; return reject($server) }

# --- nodes
sub make {
    must('ip', 'link', 'set', 'lo', 'up');
    must('ip', 'addr', 'add', ADDRESS . '/32', 'dev', 'lo');
    $pg    = servers();
    @nodes = map { new_node($_) } 1 .. NODES;
    $_->spawn for @nodes;
    $_->wait_ready for @nodes;
}

# Every second node lists the other host first.
sub hosts {
    my ($n, $far) = @_;
    my @list = ([$far ? ADDRESS : $here->{dir}, $here->{port}], [$far ? ADDRESS : $there->{dir}, $there->{port}]);
    @list = reverse @list if $n % 2 == 0;
    return 'host=' . join(',', map { $_->[0] } @list) . ' port=' . join(',', map { $_->[1] } @list);
}

sub new_node {
    my ($n) = @_;
    my $far = $n > 2;
    network($n) if $far;
    $pg->psql("create role node_server$n login in role pgdevstate_node");
    my $node = $pg->node("server$n",
        conninfo => hosts($n, $far) . " user=node_server$n dbname=pgdevstate target_session_attrs=read-write",
        options  => 'lease=' . LEASE,
        dialplan => "[hints]\n" . join('', map {"exten => $_,hint,Custom:shared$_&Custom:server$n-$_\n"} 0 .. 7),
        prefix   => $far ? $inside{"server$n"}{words} : []);
    small_disk($node) if $n % 2 == 0;
    return $node;
}

# All that it writes is on a small disk; what a sanitizer says is not.
sub small_disk {
    my ($node) = @_;
    disk($node->{dir}, NODE_DISK, $>);
    $node->{log}        = "$Flow::DIR/$node->{name}.stderr";
    $node->{log_file}   = "$node->{dir}/node.log";
    $node->{small_disk} = 1;
    $node->write_conf(options => "$node->{options}\nlog_file=$node->{log_file}");
}

sub new_twin {
    my ($node, $name) = @_;
    return $pg->node($name, conninfo => $node->{conninfo}, entity_id => $node->{entity_id}, options => 'lease=' . LEASE,
        prefix => $node->{prefix});
}

sub living { return grep { $_->{pid} } @nodes }

sub coordinator {
    my $name = poll { $pg->psql('select name from pgdevstate.member where coordinator') } 'there is a coordinator';
    return (grep { $_->{name} eq $name } @nodes)[0];
}

sub node_dead {
    my ($node) = @_;
    return $pg->psql("select count(*) from pgdevstate.member where alive and name = '$node->{name}'") == 0;
}

sub backend {
    my ($node) = @_;
    return poll {
        $pg->psql("select pid from pg_stat_activity where usename = 'node_$node->{name}' and application_name = 'pgdevstated' limit 1")
    } "$node->{name} is connected";
}

# T: stopped, Z: a zombie, ...; nothing: it is gone
sub state_of { my ($pid) = @_; return Flow::slurp("/proc/$pid/stat") =~ /\) (\S)/ ? $1 : '' }

# A process beside the test that does something again and again until it is ended.
sub helper {
    my ($block) = @_;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{TERM} = 'DEFAULT';
        $Flow::DIR .= "/helper.$$";
        mkdir $Flow::DIR;
        while (1) { eval { $block->() } }
    }
    $helpers{$pid} = 1;
    return $pid;
}

sub helper_end {
    my ($pid) = @_;
    kill 'KILL', $pid;
    waitpid $pid, 0;
    delete $helpers{$pid};
}

# Nodes and servers end, then their disks go; what stood there is kept for show_logs().
sub clean_up {
    helper_end($_) for keys %helpers;
    disk_set(0, 0, 0) if $ENV{CHAOS_DISK};
    for my $node (@nodes) {
        $node->kill('KILL') if $node->{pid};
        next unless $node->{small_disk};
        open(my $log, '>>', $node->{log}) or next;
        print {$log} Flow::slurp($node->{log_file});
    }
    for my $server ($here, $there) {
        eval { $server->ctl('stop', '-m', 'immediate') } if $server && -e "$server->{dir}/data/postmaster.pid";
    }
    must('umount', '-l', $_) for splice @disks;
}
my $main_pid = $$;
END { clean_up() if $$ == $main_pid && $ENV{CHAOS_INSIDE} && !$^C && @disks }

# A server is started with tests/chaos/disk.c in front of its C library.
package Chaos::Server;
our @ISA = ('Flow::Pg');

sub ctl {
    my ($self, @args) = @_;
    local $ENV{LD_PRELOAD} = "$here->{dir}/disk.so" if $args[0] eq 'start';
    return $self->SUPER::ctl(@args);
}

# A fast stop waits for a stopped process; whoever waits does not wait for ever.
sub halt { my ($self) = @_; eval { $self->ctl(qw(stop -m fast -t 5)); 1 } or $self->ctl(qw(stop -m immediate)) }
sub log_size { my ($self) = @_; return -s "$self->{dir}/log" // 0 }
sub log_since { my ($self, $from) = @_; return substr Flow::slurp("$self->{dir}/log"), $from }

1;
