# A manager connection: actions and their answers, and all events in the order in which they
# came, each with the time when it did (`at`) and its number.
package Pbx::Ami;
use strict;
use warnings;
use IO::Socket::INET ();
use Test::More;
use Time::HiRes qw(time);

my $actions = 0;

# Connects and logs in; undef when there is nobody or not yet.
sub new {
    my ($class, $address, %opt) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => $address, PeerPort => 5038, Timeout => 5) or return;
    $socket->setsockopt(Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1);
    my $self = bless { socket => $socket, address => $address, in => '', events => [], answers => {}, %opt }, $class;
    my $events = $opt{events_wanted} // 'on';
    my $answer = $self->action('Login', Username => 'test', Secret => 'test', Events => $events) or return;
    return $answer->{Response} eq 'Success' ? $self : undef;
}

# Sends an action and waits for its answer: a hash, or undef when the connection ended.
sub action {
    my ($self, $action, @fields) = @_;
    my $id = $self->send_action($action, @fields);
    my $until = time + $Flow::DEADLINE;
    while (!$self->{answers}{$id}) {
        return if time > $until || !$self->read_more($until - time);
    }
    return delete $self->{answers}{$id};
}

# ... without waiting: its number.
sub send_action {
    my ($self, $action, @fields) = @_;
    my $id   = ++$actions;
    my $text = "Action: $action\r\nActionID: $id\r\n";
    while (my ($key, $value) = splice(@fields, 0, 2)) {
        $text .= "$key: $value\r\n";
    }
    $self->put("$text\r\n");
    return $id;
}

sub put {
    my ($self, $text) = @_;
    local $SIG{PIPE} = 'IGNORE';
    while ($text ne '') {
        my $n = syswrite($self->{socket}, $text);
        return unless defined $n;
        substr($text, 0, $n, '');
    }
}

# Takes what is there, waiting for at most so many seconds; false at the connection's end.
sub read_more {
    my ($self, $seconds) = @_;
    my $fd = '';
    vec($fd, fileno($self->{socket}), 1) = 1;
    return 1 if select($fd, undef, undef, $seconds < 0 ? 0 : $seconds) < 1;
    my $n = sysread($self->{socket}, $self->{in}, 65536, length $self->{in}) or return 0;
    my $at = time;
    $self->{in} =~ s/\AAsterisk Call Manager[^\r]*\r\n//;
    while ((my $end = index($self->{in}, "\r\n\r\n")) >= 0) {
        $self->take(substr($self->{in}, 0, $end + 4, ''), $at);
    }
    return 1;
}

sub take {
    my ($self, $text, $at) = @_;
    my %message = (at => $at);
    for my $line (split /\r\n/, $text) {
        my ($key, $value) = $line =~ /^([^:]+): ?(.*)$/s or next;
        $message{$key} = exists $message{$key} ? "$message{$key}\n$value" : $value;
    }
    if (exists $message{Event}) {
        push @{ $self->{events} }, \%message;
        $self->{on_event}->(\%message) if $self->{on_event};
    } elsif (defined $message{ActionID}) {
        $self->{answers}{ $message{ActionID} } = \%message;
    }
}

# How many events there were; what comes after is "since" this mark.
sub mark {
    my ($self) = @_;
    $self->drain;
    return scalar @{ $self->{events} };
}

# Whatever has arrived.
sub drain {
    my ($self) = @_;
    my $fd = '';
    vec($fd, fileno($self->{socket}), 1) = 1;
    while (select(my $ready = $fd, undef, undef, 0) > 0) {
        $self->read_more(0) or last;
    }
}

# The events since a mark whose fields are as given; a field may be a pattern.
sub events {
    my ($self, $mark, %want) = @_;
    $self->drain;
    my @events = @{ $self->{events} };
    return grep { matches($_, \%want) } @events[ $mark // 0 .. $#events ];
}

sub matches {
    my ($event, $want) = @_;
    for my $key (keys %$want) {
        my $has = $event->{$key} // return 0;
        return 0 unless ref $want->{$key} ? $has =~ $want->{$key} : $has eq $want->{$key};
    }
    return 1;
}

# A test: such an event came since the mark, or comes within the deadline. Returns it.
sub wait_event {
    my ($self, $name, $mark, %want) = @_;
    my $until = time + $Flow::DEADLINE;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $seen = $mark;
    do {
        for (; $seen < @{ $self->{events} }; $seen++) {
            my $event = $self->{events}[$seen];
            next unless matches($event, \%want);
            pass($name);
            return $event;
        }
    } while (time < $until && $self->read_more($until - time));
    fail($name);
    diag('no such event: ' . join(', ', map { "$_=$want{$_}" } sort keys %want));
    diag("  there was: $_") for $self->lines($mark, 15);
    return;
}

# The newest events as lines, for messages.
sub lines {
    my ($self, $mark, $max) = @_;
    my @events = $self->events($mark);
    splice(@events, 0, @events - $max) if @events > $max;
    return map { my $e = $_; join ' ', map { "$_=$e->{$_}" } grep { !/^(?:at|Privilege)$/ } sort keys %$e } @events;
}

# The states of a device in the order of DeviceStateChange, equal neighbours as one.
sub states {
    my ($self, $mark, $device) = @_;
    my @states;
    for my $event ($self->events($mark, Event => 'DeviceStateChange', Device => $device)) {
        push @states, $event->{State} unless @states && $states[-1] eq $event->{State};
    }
    return @states;
}

# A dialplan function or variable, by name.
sub get {
    my ($self, $variable) = @_;
    my $answer = $self->action('Getvar', Variable => $variable) or return;
    return $answer->{Value};
}

sub set {
    my ($self, $variable, $value) = @_;
    my $answer = $self->action('Setvar', Variable => $variable, Value => $value) or return 0;
    return $answer->{Response} eq 'Success';
}

sub device { my ($self, $device) = @_; return $self->get("DEVICE_STATE($device)") }

# Messages of a mailbox: "new/old"; or "urgent/new/old".
sub mailbox {
    my ($self, $mailbox, $urgent) = @_;
    my $answer = $self->action('MailboxCount', Mailbox => $mailbox) or return;
    return join '/', map { $answer->{$_} // '?' } $urgent ? 'UrgMessages' : (), 'NewMessages', 'OldMessages';
}

# Hangs up the channels whose names match.
sub hang_up {
    my ($self, $re) = @_;
    for my $channel ($self->list('CoreShowChannels', 'CoreShowChannelsComplete')) {
        $self->action('Hangup', Channel => $channel->{Channel}) if $channel->{Channel} =~ $re;
    }
}

# Actions that answer with a list: its events.
sub list {
    my ($self, $action, $complete, @fields) = @_;
    my $seen  = @{ $self->{events} };
    my $id    = $self->send_action($action, @fields);
    my $until = time + $Flow::DEADLINE;
    my @list;
    while (time < $until) {
        for (; $seen < @{ $self->{events} }; $seen++) {
            my $event = $self->{events}[$seen];
            next unless ($event->{ActionID} // '') eq $id;
            return @list if $event->{Event} eq $complete;
            push @list, $event;
        }
        last unless $self->read_more($until - time);
    }
    return @list;
}

sub close { my ($self) = @_; close($self->{socket}) }

1;
