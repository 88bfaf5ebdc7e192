# A client of a node's console whose frames the test makes (docs/console.md): one that says
# more than it waits for, or that does not read.
#
#   my $c = Console->new($node, 'script');          # or 'interactive', 'once'
#   $c->pour(\@commands);                           # all of them, none waited for; seconds it took
#   my $slow = Console->new($node, 'interactive');  # reads nothing until ...
#   my @frames = $slow->rest;                       # ... everything that is there: [type, bytes]
package Console;
use strict;
use warnings;
use Flow;
use IO::Handle;
use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

sub new {
    my ($class, $node, $mode) = @_;
    my $path   = "$node->{dir}/pgdevstated.ctl";
    my $socket = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!";
    my $self   = bless { node => $node, socket => $socket, in => '' }, $class;
    $self->put(frame('open', $mode));
    my ($type, $text) = $self->next_frame;
    die "$node->{name} answers open with $type: $text" unless $type eq 'ready';
    return $self;
}

sub frame { my ($type, $text) = @_; return sprintf "1 %s %d\n%s", $type, length $text, $text }

sub put {
    my ($self, $bytes) = @_;
    print { $self->{socket} } $bytes or die "$self->{node}{name}: $!";
    $self->{socket}->flush;
}

# Takes in what there is; false: the daemon closed it.
sub take_in {
    my ($self) = @_;
    my $n = sysread $self->{socket}, $self->{in}, 65536, length $self->{in};
    return $n;
}

# The next frame; ('closed', why) when there will be none, also after the deadline.
sub next_frame {
    my ($self) = @_;
    my $deadline = time + $Flow::DEADLINE;
    my $select   = IO::Select->new($self->{socket});
    while (1) {
        if ($self->{in} =~ /\A1 (\w+) (\d+)\n/ && length($self->{in}) >= $+[0] + $2) {
            my ($type, $text) = ($1, substr $self->{in}, $+[0], $2);
            substr($self->{in}, 0, $+[0] + $2) = '';
            return ($type, $text);
        }
        return ('closed', 'nothing came') unless $select->can_read($deadline - time > 0 ? $deadline - time : 0);
        return ('closed', $! || 'by the daemon') unless $self->take_in;
    }
}

# All frames up to the end of the connection, which the last one is.
sub rest {
    my ($self) = @_;
    my @frames;
    push @frames, [$self->next_frame] until @frames && $frames[-1][0] eq 'closed';
    return @frames;
}

# Reads on; how many commands ended, all of them well or cancelled.
sub ended {
    my ($self) = @_;
    my ($ends, $at) = (0, 0);
    my $there = $self->take_in;
    die "$self->{node}{name} closed the console: " . substr($self->{in}, -200) if defined $there && $there == 0;
    pos($self->{in}) = 0;
    while ($self->{in} =~ /\G1 (\w+) (\d+)\n/gc && length($self->{in}) >= pos($self->{in}) + $2) {
        my ($type, $text) = ($1, substr $self->{in}, pos($self->{in}), $2);
        die "$self->{node}{name}: a command failed: $text" if $type eq 'err' && $text ne "Cancelled.\n";
        $ends += $type eq 'end';
        $at = pos($self->{in}) += length $text;
    }
    substr($self->{in}, 0, $at) = '';
    return $ends;
}

# Gives the commands as fast as the node takes them. Each is cancelled as soon as it began, so that
# what it waits for (an acknowledgement) is not waited for; what it said is said. Ends when
# all were done.
sub pour {
    my ($self, $commands) = @_;
    my $socket = $self->{socket};
    my $cancel = frame('cancel', '');
    my $bytes  = join('', map { frame('run', $_) . $cancel } @$commands) . frame('run', 'core show version');
    my $select = IO::Select->new($socket);
    my ($at, $since, $deadline, $left) = (0, time, time + 10 * $Flow::DEADLINE, @$commands + 1);
    $socket->blocking(0);
    while ($left > 0) {
        my ($can_read, $can_write) = IO::Select->select($select, $at < length $bytes ? $select : undef, undef, 1);
        die "$self->{node}{name}: $left commands were not done" if time > $deadline;
        $at += syswrite($socket, $bytes, 65536, $at) // 0 if $can_write && @$can_write;
        $left -= $self->ended if $can_read && @$can_read;
    }
    $socket->blocking(1);
    return time - $since;
}

1;
