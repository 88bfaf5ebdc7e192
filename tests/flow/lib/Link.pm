# A client of a node's link socket, for tests: says lines, keeps what it was told.
#
#   my $pbx = Link->new($node, qw(report watch));   # connected, hello said and answered
#   $pbx->report(device => { 'PJSIP/1' => 'INUSE' }, mailbox => { '1000@default' => [0, 2, 1] });
#   $pbx->say(device => 'INUSE', 'PJSIP/1');        # one line, fields divided by tabs
#   $pbx->read;                                     # takes what has come; never waits
#   $pbx->devices                                   # {name => {entity => state}} as it was told
#   $pbx->{lines}                                   # all lines, as arrays of fields
package Link;
use strict;
use warnings;
use IO::Socket::UNIX ();
use Socket qw(SOCK_STREAM);
use Time::HiRes qw(time sleep);

sub connect_only {
    my ($class, $node) = @_;
    my $path   = "$node->{dir}/pgdevstate.link";
    my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) or die "$path: $!";
    $socket->blocking(0);
    return bless { node => $node, socket => $socket, in => '', lines => [], device => {}, merged => {}, mailbox => {}, member => {} }, $class;
}

sub new {
    my ($class, $node, @words) = @_;
    return $class->new_as($node, '-', @words);
}

sub new_as {
    my ($class, $node, $entity, @words) = @_;
    my $self = $class->connect_only($node);
    $self->say('hello', 1, $entity, 'test', '1.0', @words);
    $self->wait_for(qr/^(?:hello|bye)\t/);
    return $self;
}

sub say { my ($self, @fields) = @_; return $self->send(join("\t", @fields) . "\n") }

# All of it, however slow the node takes it; what comes meanwhile is read.
sub send {
    my ($self, $text) = @_;
    my $deadline = time + $Flow::DEADLINE;
    local $SIG{PIPE} = 'IGNORE';
    while (length $text) {
        my $n = syswrite($self->{socket}, $text);
        if (defined $n) { substr($text, 0, $n, ''); next }
        return 0 unless $!{EAGAIN};
        die 'the node does not read' if time > $deadline;
        $self->read;
        sleep 0.002;
    }
    return 1;
}

# A full report: device => {name => state}, mailbox => {'box@context' => [urgent, new, old]}
sub report {
    my ($self, %all) = @_;
    $self->send(join '', "begin\n", $self->report_lines(%all), "end\n");
}

sub report_lines {
    my ($self, %all) = @_;
    return (map({"device\t$all{device}{$_}\t$_\n"} sort keys %{ $all{device} // {} }),
        map({ join("\t", 'mailbox', @{ $all{mailbox}{$_} }, split /@/) . "\n" } sort keys %{ $all{mailbox} // {} }));
}

my %got = (
    begin => sub { my ($self) = @_; $self->{$_} = {} for qw(device merged mailbox member); $self->{dumps}++; $self->{in_dump} = 1 },
    end   => sub { my ($self) = @_; $self->{in_dump} = 0; $self->{complete}++ },
    status  => sub { my ($self, $word) = @_; $self->{status} = $word },
    member  => sub { my ($self, $up, $id, $name) = @_; $self->{member}{$name} = $up },
    device  => sub { my ($self, $state, $id, $name) = @_; $self->set('device', $name, $id, $state) },
    merged  => sub { my ($self, $state, $id, $name) = @_; $self->set('merged', $name, 'all', $state) },
    mailbox => sub { my ($self, $u, $n, $o, $id, $box, $context) = @_; $self->set('mailbox', "$box\@$context", 'all', $u eq '-' ? '-' : "$n/$o/$u") },
    bye => sub { my ($self, $why) = @_; $self->{bye} = $why },
);

sub set {
    my ($self, $kind, $name, $who, $what) = @_;
    $self->{changes}++;
    if ($what ne '-') { $self->{$kind}{$name}{$who} = $what; return }
    delete $self->{$kind}{$name}{$who};
    delete $self->{$kind}{$name} unless %{ $self->{$kind}{$name} };
}

# False when the node has closed it.
sub read {
    my ($self) = @_;
    while (1) {
        my $n = sysread($self->{socket}, $self->{in}, 65536, length $self->{in});
        if (!defined $n) { last if $!{EAGAIN}; $self->{closed} = 1; last }
        if ($n == 0) { $self->{closed} = 1; last }
    }
    while ($self->{in} =~ s/^([^\n]*)\n//) {
        my ($word, @fields) = split /\t/, $1, -1;
        push @{ $self->{lines} }, [ $word, @fields ];
        $got{$word}->($self, @fields) if $got{$word};
        $self->{facts}++ if $word =~ /^(?:device|merged|mailbox|member)$/;
    }
    return !$self->{closed};
}

sub text { my ($self) = @_; $self->read; return join '', map { join("\t", @$_) . "\n" } @{ $self->{lines} } }

# Waits for a line; dies when the node closes the link or it does not come.
sub wait_for {
    my ($self, $re, $seconds) = @_;
    my $deadline = time + ($seconds // $Flow::DEADLINE);
    while (1) {
        $self->read;
        return 1 if grep { join("\t", @$_) =~ $re } @{ $self->{lines} };
        die "closed without $re:\n" . $self->text if $self->{closed};
        die "no $re within time:\n" . $self->text if time > $deadline;
        sleep 0.005;
    }
}

# Until a ping is answered: all that was said before has been taken.
my $pings = 0;

sub sync {
    my ($self) = @_;
    my $token = 'sync' . ++$pings;
    $self->say('ping', $token);
    return $self->wait_for(qr/^pong\t$token$/);
}

# Without a word.
sub cut { my ($self) = @_; close delete $self->{socket} }

sub bye {
    my ($self) = @_;
    $self->say('bye');
    $self->cut;
}

1;
