# A telephone server that is no Asterisk: it links to a node and says what it is told to.
package Pbx::Speaker;
use strict;
use warnings;
use IO::Socket::UNIX ();

# Links to the node and says its full report: [device => state, ...] and [mailbox => "new/old", ...].
sub new {
    my ($class, $node, $devices, $mailboxes) = @_;
    my $socket = IO::Socket::UNIX->new(Type => IO::Socket::UNIX::SOCK_STREAM(), Peer => "$node->{dir}/pgdevstate.link")
        or die "$node->{dir}/pgdevstate.link: $!";
    my $self = bless { socket => $socket }, $class;
    my $report = "hello\t1\t$node->{entity_id}\tspeaker\t1\treport\nbegin\n";
    for (my $i = 0; $i < @$devices; $i += 2) {
        $report .= "device\t$devices->[$i + 1]\t$devices->[$i]\n";
    }
    for (my $i = 0; $i < @{ $mailboxes // [] }; $i += 2) {
        my ($new, $old) = split m{/}, $mailboxes->[ $i + 1 ];
        my ($box, $context) = split /\@/, $mailboxes->[$i];
        $report .= "mailbox\t0\t$new\t$old\t$box\t$context\n";
    }
    $self->put($report . "end\n");
    return $self;
}

sub devices {
    my ($self, @list) = @_;
    my $text = '';
    while (my ($name, $state) = splice(@list, 0, 2)) {
        $text .= "device\t$state\t$name\n";
    }
    $self->put($text);
}

sub put {
    my ($self, $text) = @_;
    local $SIG{PIPE} = 'IGNORE';
    while ($text ne '') {
        my $n = syswrite($self->{socket}, $text) // die "the node took no more: $!\n";
        substr($text, 0, $n, '');
    }
}

# Gone without a goodbye.
sub drop { my ($self) = @_; close $self->{socket} }

# One that only listens.
package Pbx::Watcher;
use strict;
use warnings;
use Time::HiRes qw(time);

sub new {
    my ($class, $node) = @_;
    my $socket = IO::Socket::UNIX->new(Type => IO::Socket::UNIX::SOCK_STREAM(), Peer => "$node->{dir}/pgdevstate.link")
        or die "$node->{dir}/pgdevstate.link: $!";
    syswrite($socket, "hello\t1\t-\twatcher\t1\twatch\n") or die "hello: $!";
    return bless { socket => $socket, in => '', said => {} }, $class;
}

# Reads until somebody says this of the device: when that was.
sub wait_for {
    my ($self, $device, $state) = @_;
    while (($self->{said}{$device} // '') ne $state) {
        sysread($self->{socket}, $self->{in}, 65536, length $self->{in}) or die "the watcher's link was closed\n";
        while ($self->{in} =~ s/\A([^\n]*)\n//) {
            my ($word, $is, undef, $name) = split /\t/, $1;
            $self->{said}{$name} = $is if $word eq 'device';
        }
    }
    return time;
}

1;
