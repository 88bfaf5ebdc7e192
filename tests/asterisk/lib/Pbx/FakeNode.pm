# A node that the test itself plays: it listens on the link's socket, keeps what the module says
# and says what it is told to.
#
#   my $node = Pbx::FakeNode->new('a', entity_id => '02:00:00:00:01:01');
#   my $a = pbx('a', node => $node)->start;
#   $node->greet;                          # waits for hello, answers, waits for the full report
#   $node->say('begin', ['device', 'INUSE', $other, 'Custom:x'], 'end');
#   $node->wait_line('it reports', qr/^device\tINUSE\tCustom:y$/);
package Pbx::FakeNode;
use strict;
use warnings;
use Errno qw(EAGAIN EWOULDBLOCK EINTR);
use IO::Socket::UNIX;
use Time::HiRes qw(time);
use Flow ();

sub new {
    my ($class, $name, %opt) = @_;
    my $dir = "$Flow::DIR/fake-$name";
    mkdir $dir or die "$dir: $!";
    my $self = bless { name => $name, dir => $dir, lines => [], in => '', acked => 0, greeting => 1, %opt }, $class;
    return $self->listen;
}

sub path { return "$_[0]{dir}/pgdevstate.link" }

sub listen {
    my ($self) = @_;
    unlink $self->path;
    $self->{listen} = IO::Socket::UNIX->new(Local => $self->path, Listen => 5) or die $self->path . ": $!";
    $self->{listen}->blocking(0);
    return $self;
}

# Like a node that is stopped: nobody listens any more.
sub away {
    my ($self) = @_;
    close($self->{listen});
    unlink $self->path;
    return $self->hang_up;
}

sub hang_up {
    my ($self) = @_;
    close(delete $self->{link}) if $self->{link};
    return $self;
}

# Accepts a new link; what was heard on an older one stays in {lines}.
sub accept {
    my ($self, $seconds) = @_;
    Flow::poll_until {
        my $link = $self->{listen}->accept or die "no connection yet\n";
        $link->blocking(0);
        @$self{qw(link in lines acked)} = ($link, '', [], 0);
        1;
    } "$self->{name}: the module connects", $seconds;
    return $self;
}

# Everything that came so far.
sub hear {
    my ($self) = @_;
    while ($self->{link}) {
        my $n = sysread($self->{link}, my $bytes, 65536);
        if (!defined $n) {
            last if $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;
            $n = 0;
        }
        if ($n == 0) { $self->hang_up; $self->{closed} = 1; last }
        $self->{in} .= $bytes;
    }
    while ($self->{in} =~ s/\A([^\n]*)\n//) {
        my $line = $1;
        push @{ $self->{lines} }, $line;
        $self->{acked} += $1 if $line =~ /^ack\t(\d+)$/;
        $self->say(['pong', $1]) if $line =~ /^ping\t(.*)$/ && !$self->{deaf};
    }
    return $self->{lines};
}

# Lines: texts, or fields as lists. Writes all of it, hearing meanwhile.
sub say {
    my ($self, @lines) = @_;
    return $self->raw(join '', map { (ref $_ ? join("\t", @$_) : $_) . "\n" } @lines);
}

sub raw {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $until = time + $Flow::DEADLINE;
    while (length $bytes && $self->{link}) {
        my $n = syswrite($self->{link}, $bytes);
        if (defined $n) { substr($bytes, 0, $n, ''); next }
        return $self->hang_up if $! != EAGAIN && $! != EWOULDBLOCK;
        die "the module does not read\n" if time > $until;
        Time::HiRes::sleep(0.001);
    }
    return $self;
}

sub wait_line {
    my ($self, $what, $re, $seconds) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $from = $self->{from} // 0;
    return Flow::poll_until {
        my $lines = $self->hear;
        $from = 0 if $from > @$lines;
        for my $i ($from .. $#$lines) {
            if ($lines->[$i] =~ $re) { $self->{from} = $i + 1; return $lines->[$i] }
        }
        die join("\n", 'heard since:', @$lines[$from .. $#$lines], '');
    } $what, $seconds;
}

# What was heard from now on counts for wait_line().
sub mark { my ($self) = @_; $self->{from} = @{ $self->hear }; return $self->{from} }

sub greet {
    my ($self, $seconds) = @_;
    $self->accept($seconds);
    $self->{from} = 0;
    $self->wait_line("$self->{name}: hello", qr/^hello\t1\t\Q$self->{entity_id}\E\tasterisk\t[^\t]+\treport\twatch\t/);
    $self->say(['hello', 1, $self->{entity_id}, "fake-$self->{name}", '0.0'], ['status', 'ready']);
    $self->wait_line("$self->{name}: a full report begins", qr/^begin$/);
    $self->wait_line("$self->{name}: ... and ends", qr/^end$/);
    return $self;
}

1;
