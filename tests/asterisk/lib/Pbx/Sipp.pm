# SIPp: phones that register, answer calls, call, and subscribe; scenarios in tests/asterisk/sipp.
# A phone has an address of its own (127.0.2.n) and keeps all messages that it got.
package Pbx::Sipp;
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);

my $count = 0;

# Starts a scenario against a server. Options: user, calls (1), rate (10), keys {name => value},
# port (5060), forever => 1: until stop.
sub start {
    my ($class, $scenario, $server, %opt) = @_;
    my $n    = ++$count;
    my $base = "$Flow::DIR/sipp-$n-$scenario";
    my $self = bless { n => $n, base => $base, scenario => $scenario, server => $server, address => $opt{address} // "127.0.2.$n",
        port => $opt{port} // 5060, %opt }, $class;
    my %keys = (user => $opt{user} // 'nobody', %{ $opt{keys} // {} });
    my @argv = ('sipp', "$server->{address}:5060", '-sf', "$Flow::ROOT/tests/asterisk/sipp/$scenario.xml",
        '-i', $self->{address}, '-p', $self->{port}, '-mi', $self->{address}, '-nostdin', '-nr', '-r', $opt{rate} // 10,
        '-trace_msg', '-message_file', "$base.messages", '-trace_err', '-error_file', "$base.errors",
        '-trace_stat', '-stf', "$base.stats", '-fd', '1', '-timeout', $opt{timeout} // '300s');
    push @argv, '-m', $opt{calls} // 1 unless $opt{forever};
    push @argv, map { ('-key', $_, $keys{$_}) } sort keys %keys;
    push @argv, @{ $opt{args} // [] };
    $self->{pid} = Pbx::spawn("$base.log", @argv);
    return $self;
}

# Runs a scenario to its end, a test: it succeeded.
sub run {
    my ($class, $name, $scenario, $server, %opt) = @_;
    my $self = $class->start($scenario, $server, %opt);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->succeeds($name, $opt{seconds});
    return $self;
}

sub succeeds {
    my ($self, $name, $seconds) = @_;
    my $status = $self->wait_exit($seconds);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($status, 0, $name) or diag($self->tail);
}

sub wait_exit {
    my ($self, $seconds) = @_;
    my $until = time + ($seconds // $Flow::DEADLINE);
    until (defined $self->{exit}) {
        $self->{exit} = Pbx::ended($self->{pid});
        return if !defined $self->{exit} && time > $until;
        Time::HiRes::sleep(0.02);
    }
    return $self->{exit};
}

# Ends the phone at once.
sub stop {
    my ($self) = @_;
    return if defined $self->{exit};
    kill 'KILL', $self->{pid};
    $self->wait_exit;
}

my %accept = (
    'dialog'          => 'application/dialog-info+xml',
    'presence'        => 'application/pidf+xml',
    'message-summary' => 'application/simple-message-summary',
);

# A phone of a user that subscribes: to the state of an extension, or to its mailbox.
sub subscribe {
    my ($class, $server, $exten, $event, %opt) = @_;
    return $class->start('subscribe', $server, user => $exten, %opt,
        keys => { exten => $exten, event => $event, accept => $accept{$event} });
}

# The bodies of the NOTIFYs that came, in order.
sub bodies {
    my ($self) = @_;
    return map { /^NOTIFY .*?\n\n(.*)/s ? $1 : () } $self->received;
}

# Did one match? Tells poll_until what there was.
sub notified {
    my ($self, $re) = @_;
    my @bodies = $self->bodies;
    $Flow::last_seen = join "\n", @bodies ? @bodies : 'no NOTIFY';
    return grep { $_ =~ $re } @bodies;
}

# Everything it got and sent, as text.
sub messages { my ($self) = @_; return Flow::slurp("$self->{base}.messages") }

# The bodies and headers of what it received, in order.
sub received {
    my ($self) = @_;
    return map { /received \[\d+\] bytes\s*:\s*\n\n(.*)/s ? $1 : () } split /^-{20,}.*\n/m, $self->messages =~ s/\r//gr;
}

sub tail {
    my ($self) = @_;
    my $text = Flow::slurp("$self->{base}.errors") . "\n" . $self->messages;
    return substr($text, -3000);
}

# The last line of its statistics, by column.
sub stats {
    my ($self) = @_;
    my @lines = split /\n/, Flow::slurp("$self->{base}.stats");
    my @names = split /;/, $lines[0] // '';
    my @values = split /;/, $lines[-1] // '';
    return { map { $names[$_] => $values[$_] } 0 .. $#names };
}

1;
