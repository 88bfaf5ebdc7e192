# A stand-in for the nodes of a cluster, in Perl: it speaks the link protocol to the modules of
# several servers and passes on what they say; and, when it is told to, it raves. So the module can
# be tested against words that no node says, and apart from nodes and databases.
#   my $hub = Pbx::Hub->new('a', 'b');            # one socket for each server
#   pbx('a', node => $hub->node('a'))
# Options: acts => [sub { my ($socket) = @_; ... }, ...]: what the first connections get instead.
package Pbx::Hub;
use strict;
use warnings;
use IO::Select ();
use IO::Socket::UNIX ();
use POSIX ();
use Time::HiRes ();

my $hubs = 0;

sub new {
    my ($class, @names) = @_;
    my %opt = ref $names[-1] ? %{ pop @names } : ();
    my $dir = "$Flow::DIR/hub" . ++$hubs;
    mkdir $dir or die "$dir: $!";
    my $self = bless { dir => $dir, names => \@names, played => "$dir/played", %opt }, $class;
    my $n = 0;
    for my $name (@names) {
        mkdir "$dir/$name";
        $self->{node}{$name} = { dir => "$dir/$name", entity_id => sprintf('02:00:00:00:02:%02x', ++$n), name => $name };
    }
    return $self->start;
}

# What Pbx::Server wants to know of a node.
sub node { my ($self, $name) = @_; return $self->{node}{$name} }

sub start {
    my ($self) = @_;
    my %listener;
    for my $node (values %{ $self->{node} }) {
        unlink "$node->{dir}/pgdevstate.link";
        my $socket = IO::Socket::UNIX->new(Type => IO::Socket::UNIX::SOCK_STREAM(), Local => "$node->{dir}/pgdevstate.link", Listen => 16)
            or die "hub: $!";
        $listener{ fileno $socket } = [ $socket, $node ];
    }
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{PIPE} = 'IGNORE';
        eval { $self->serve(\%listener); 1 } or print STDERR "hub: $@";
        POSIX::_exit(1);
    }
    push @Pbx::started, $self->{pid} = $pid;
    return $self;
}

sub stop {
    my ($self) = @_;
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
}

# How many of the acts were played.
sub played { my ($self) = @_; return -s $self->{played} // 0 }

# ---- in the process of its own ----

sub serve {
    my ($self, $listener) = @_;
    my $select = IO::Select->new(map { $_->[0] } values %$listener);
    my @acts   = @{ $self->{acts} // [] };
    my $parent = getppid;
    while (getppid == $parent) {
        for my $socket ($select->can_read(1)) {
            my $at = $listener->{ fileno $socket };
            if (!$at) {
                $self->heard($socket) or $select->remove($socket), $self->lost($socket);
                next;
            }
            my $client = $socket->accept or next;
            if (my $act = shift @acts) {
                eval { $act->($client, $at->[1]) };
                close $client;
                open(my $out, '>>', $self->{played}) or die;
                print {$out} '.';
                close $out;
                next;
            }
            $self->{link}{$client} = { socket => $client, node => $at->[1], in => '' };
            $select->add($client);
        }
    }
}

sub say {
    my ($link, @fields) = @_;
    my $text = join("\t", @fields) . "\n";
    while ($text ne '') {
        my $n = syswrite($link->{socket}, $text) // return;
        substr($text, 0, $n, '');
    }
}

sub heard {
    my ($self, $socket) = @_;
    my $link = $self->{link}{$socket};
    sysread($socket, $link->{in}, 65536, length $link->{in}) or return 0;
    while ($link->{in} =~ s/\A([^\n]*)\n//) {
        my ($word, @fields) = split /\t/, $1;
        my $do = $self->can("on_$word") or next;
        $do->($self, $link, @fields);
        return 0 if $word eq 'bye';
    }
    return 1;
}

sub on_hello {
    my ($self, $link, undef, $entity, undef, undef, @words) = @_;
    $link->{entity} = $entity;
    $link->{watch}  = grep { $_ eq 'watch' } @words;
    say($link, 'hello', 1, $entity, $link->{node}{name}, 'hub');
    say($link, 'status', 'ready');
    $self->on_resync($link) if $link->{watch};
    $self->tell($link, 'member', 'up', $entity, $link->{node}{name}, 'localhost', 'hub');
}

# All that the others say.
sub on_resync {
    my ($self, $link) = @_;
    say($link, 'begin');
    for my $other ($self->others($link)) {
        say($link, 'member', 'up', $other->{entity}, $other->{node}{name}, 'localhost', 'hub');
        my $said = $self->{said}{ $other->{entity} } // {};
        say($link, 'device', $said->{device}{$_}, $other->{entity}, $_) for sort keys %{ $said->{device} };
    }
    $self->say_mailbox($link, $_) for sort keys %{ $self->{mailboxes} };
    say($link, 'end');
}

sub others {
    my ($self, $link) = @_;
    return grep { $_ != $link && $_->{entity} } values %{ $self->{link} };
}

sub tell {
    my ($self, $link, @fields) = @_;
    say($_, @fields) for grep { $_->{watch} } $self->others($link);
}

sub on_begin { my ($self, $link) = @_; $link->{mentioned} = {} }

sub on_end {
    my ($self, $link) = @_;
    my $said = $self->{said}{ $link->{entity} } //= {};
    my $mentioned = delete $link->{mentioned};
    for my $kind (qw(device mailbox)) {
        $self->drop_key($link, $kind, $_) for grep { !exists $mentioned->{"$kind $_"} } keys %{ $said->{$kind} };
    }
}

sub drop_key {
    my ($self, $link, $kind, $key) = @_;
    return $self->on_device($link, '-', $key) if $kind eq 'device';
    $self->on_mailbox($link, '-', '-', '-', split /\t/, $key);
}

sub on_device {
    my ($self, $link, $state, $name) = @_;
    my $said = $self->{said}{ $link->{entity} }{device} //= {};
    $link->{mentioned}{"device $name"} = 1 if $link->{mentioned};
    return if ($said->{$name} // '-') eq $state;
    if ($state eq '-') { delete $said->{$name} } else { $said->{$name} = $state }
    $self->tell($link, 'device', $state, $link->{entity}, $name);
}

sub on_mailbox {
    my ($self, $link, $urgent, $new, $old, @box) = @_;
    my $key  = join "\t", @box;
    my $said = $self->{said}{ $link->{entity} }{mailbox} //= {};
    $link->{mentioned}{"mailbox $key"} = 1 if $link->{mentioned};
    my $before = $said->{$key};
    my $counts = "$urgent\t$new\t$old";
    return if $before ? $before->{counts} eq $counts : $counts =~ /^(?:-|0\t0\t0)/;
    $self->{mailboxes}{$key} = 1;
    if ($urgent eq '-') { delete $said->{$key} } else { $said->{$key} = { counts => $counts, at => Time::HiRes::time() } }
    $self->say_mailbox($_, $key) for grep { $_->{watch} } values %{ $self->{link} };
}

# The newest word, or that it is the link's own.
sub say_mailbox {
    my ($self, $link, $key) = @_;
    my ($newest) = sort { $self->{said}{$b}{mailbox}{$key}{at} <=> $self->{said}{$a}{mailbox}{$key}{at} }
        grep { $self->{said}{$_}{mailbox}{$key} } keys %{ $self->{said} };
    my $text = $newest && $newest ne $link->{entity} ? "$self->{said}{$newest}{mailbox}{$key}{counts}\t$newest" : "-\t-\t-\t-";
    return if ($link->{boxes}{$key} // "-\t-\t-\t-") eq $text;
    $link->{boxes}{$key} = $text;
    say($link, 'mailbox', $text, $key);
}

sub on_ping { my ($self, $link, $token) = @_; say($link, 'pong', $token // '') }
sub on_ack  { }
sub on_bye  { }

sub lost {
    my ($self, $socket) = @_;
    my $link = $self->{link}{$socket};
    if ($link->{entity}) {
        my $said = $self->{said}{ $link->{entity} } // {};
        $self->drop_key($link, 'device', $_) for keys %{ $said->{device} // {} };
        $self->drop_key($link, 'mailbox', $_) for keys %{ $said->{mailbox} // {} };
        $self->tell($link, 'member', 'down', $link->{entity}, $link->{node}{name}, 'localhost', 'hub');
    }
    delete $self->{link}{$socket};
    close $socket;
}

1;
