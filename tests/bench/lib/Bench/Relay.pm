# A relay (relay.c) that is at a socket in place of a node, and dies with the bench. Two make a way:
#   my @relays = Bench::Relay::pair($program, $conninfo, $socket_of_one, $socket_of_other);
package Bench::Relay;
use strict;
use warnings;
use POSIX ();
use Time::HiRes qw(time sleep);

sub pair {
    my ($program, $conninfo, @sockets) = @_;
    return map { Bench::Relay->new($program, $sockets[$_], $conninfo, 'relay' . (1 - $_), "relay$_") } 0, 1;
}

# Dies, with what it said on standard error above, when it does not come up.
sub new {
    my ($class, $program, $socket, @args) = @_;
    my $self = bless { socket => $socket, pid => fork // die "fork: $!" }, $class;
    exec('setpriv', '--pdeathsig', 'KILL', $program, $socket, @args) or POSIX::_exit(127) if $self->{pid} == 0;
    my $until = time + 30;
    while (!-S $socket) {
        die "a relay did not come up at $socket\n" if time > $until || waitpid($self->{pid}, POSIX::WNOHANG()) > 0;
        sleep 0.01;
    }
    return $self;
}

sub end {
    my ($self) = @_;
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    unlink $self->{socket};
    return;
}

1;
