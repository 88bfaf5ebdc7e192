# What the tests with a real Asterisk are made of, beside Flow's servers and nodes: Asterisk
# servers from the root that tests/asterisk/root makes, their console, AMI, and SIP.
#
#   use lib 'tests/asterisk/lib', 'tests/flow/lib';
#   use Pbx;                                         # brings Flow along
#   my $pg = Flow::Pg->new;
#   my $a  = pbx('a', node => $pg->node('a')->start)->start;
#   $a->cli('devstate change Custom:x INUSE');
#   $a->ami->wait_event('it is in use', Event => 'DeviceStateChange', Device => 'Custom:x', State => 'INUSE');
#   done_testing();
#
# A test runs in network and mount namespaces of its own: nothing that it binds, mounts or
# leaves behind meets another test. The n-th server has the address 127.0.1.n. As root.
#   ASTERISK=22|16   ASTERISK_ROOT=DIR   MODULE=FILE   VERBOSE=1: servers log everything
package Pbx;
use strict;
use warnings;

BEGIN {
    if (!$^C && !$ENV{PBX_INSIDE}) {
        die "tests/asterisk: must be root: they mount and chroot\n" if $> != 0;
        $ENV{PBX_INSIDE} = 1;
        exec('unshare', '-m', '-n', $^X, '-Itests/asterisk/lib', '-Itests/flow/lib', $0, @ARGV) or die "unshare: $!";
    }
}
use Exporter ();
use Flow '!done_testing';
use Pbx::Ami;
use Pbx::Hub;
use Pbx::Server;
use Pbx::Sipp;
use Pbx::Speaker;

our @ISA     = ('Exporter');
our @EXPORT  = (qw(pbx $LEASE), @Flow::EXPORT);
our $VERSION_WANTED = $ENV{ASTERISK} // 22;
our $LEASE   = 8;    # half of it is what a restart may take on a slow machine
our ($ASTERISK_ROOT, $MODULE);
our (@started, @servers);
my $main_pid = $$;

sub import {
    strict->import;
    warnings->import;
    $_[0]->export_to_level(1, @_);
}

# Nodes without sanitizers: how the load tests fare is the point. SAN=1: with.
sub prepare {
    $Flow::BIN = $Flow::B unless $ENV{SAN};
    my $tool = "$Flow::ROOT/tests/asterisk/root";
    chomp($ASTERISK_ROOT = $ENV{ASTERISK_ROOT} // `$tool make $VERSION_WANTED`);
    -d "$ASTERISK_ROOT/usr" or die "tests/asterisk: there is no root with Asterisk: run tests/asterisk/root make\n";
    $MODULE = $ENV{MODULE} // "$Flow::B/asterisk-$VERSION_WANTED/res_pgdevstate.so";
    system('ip', 'link', 'set', 'lo', 'up') == 0 or die "tests/asterisk: no network namespace\n";
    system($tool, 'mounts', $ASTERISK_ROOT) == 0 or die "tests/asterisk: the root's mounts could not be made\n";
}
prepare() unless $^C;

# A server that is not started yet; see Pbx::Server for the options.
sub pbx {
    my ($name, %opt) = @_;
    my $server = Pbx::Server->new($name, scalar(@servers) + 1, %opt);
    push @servers, $server;
    return $server;
}

# A process in the root, that ends when the test does; its output goes to a file.
sub spawn {
    my ($log, @argv) = @_;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open(STDIN,  '<',  '/dev/null') or POSIX::_exit(126);
        open(STDOUT, '>>', $log)        or POSIX::_exit(126);
        open(STDERR, '>&', \*STDOUT)    or POSIX::_exit(126);
        exec('setpriv', '--pdeathsig', 'KILL', 'chroot', $ASTERISK_ROOT, @argv) or POSIX::_exit(127);
    }
    push @started, $pid;
    return $pid;
}

# A program in the root: (stdout, stderr, exit status).
sub run_inside { my (@argv) = @_; return Flow::run_command('chroot', $ASTERISK_ROOT, @argv) }

# Has the process ended? Then its exit status, 128 + signal.
sub ended {
    my ($pid) = @_;
    return unless waitpid($pid, POSIX::WNOHANG()) == $pid;
    return $? & 127 ? 128 + ($? & 127) : $? >> 8;
}

# What went wrong is in the servers' logs as often as in the nodes'.
sub show_logs {
    for my $server (@servers) {
        my @lines = grep { /ERROR|WARNING|pgdevstate/i } split /\n/, Flow::slurp($server->{log});
        splice(@lines, 0, @lines - 40) if @lines > 40;
        diag(join "\n", "--- log of $server->{name} ($server->{log})", @lines);
    }
}

# The test's end: servers first, so that what they say at their end is still looked at.
sub done_testing {
    $_->end for @servers;
    $_->check_log for @servers;
    show_logs() unless Flow::passing();
    Flow::done_testing(@_);
}

END {
    if (!$^C && $$ == $main_pid) {
        my $status = $?;
        kill 'KILL', grep { !defined ended($_) } @started;
        $? = $status;
    }
}

1;
