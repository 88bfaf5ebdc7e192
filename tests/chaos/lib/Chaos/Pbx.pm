# Telephone servers beside some of the nodes: processes that report and watch over the link, change
# their minds at random while they may, and keep what they are told. They live as long as the test;
# when their node is away they come back and report everything anew, as a telephone server does.
package Chaos::Pbx;
use lib 'tests/flow/lib', 'tests/chaos/lib';
use Flow;
use Chaos::World;
use IO::Select ();
use IO::Socket::UNIX ();
use POSIX ();
use Time::HiRes qw(time sleep);

our @ISA    = ('Exporter');
our @EXPORT = qw(pbx_start pbx_of pbx_kill pbx_talk pbx_quiet pbx_look is_pbx_key);
use constant KEYS => 5;
our %pbx;    # by the node's name: {pid, said}
my ($asked, @states) = (0, qw(UNKNOWN NOT_INUSE INUSE BUSY INVALID UNAVAILABLE RINGING RINGINUSE ONHOLD));

sub is_pbx_key { return $_[0] =~ m{^PJSIP/|^pbx-} }
sub pbx_of { my ($node) = @_; return $pbx{ $node->{name} } }
sub path { my ($name, $what) = @_; return "$Flow::DIR/pbx.$name.$what" }

sub pbx_start {
    my ($node) = @_;
    my $name = $node->{name};
    my $was  = $pbx{$name}{said};
    unlink path($name, 'look');
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{TERM} = $SIG{PIPE} = 'IGNORE';
        srand($$ + time);
        my $self = { node => $node, name => $name, said => $was // { devices => {}, mailboxes => {} } };
        $was or change($self, 0) for 1 .. 4 * KEYS;
        while (getppid == 1 || kill 0, getppid) { turn($self) }
        POSIX::_exit(0);
    }
    $pbx{$name} = { pid => $pid, said => $was };
}

sub pbx_kill {
    my ($node) = @_;
    my $pid = delete $pbx{ $node->{name} }{pid};
    kill 'KILL', $pid;
    waitpid $pid, 0;
}
sub pbx_talk { spew("$Flow::DIR/pbx.talk", '') }
sub pbx_quiet { unlink "$Flow::DIR/pbx.talk" }

# --- inside
sub turn {
    my ($self) = @_;
    answer($self);
    if (!$self->{link}) { link_up($self) or sleep 0.1; return }
    change($self, 1) if -e "$Flow::DIR/pbx.talk" && rand() < 0.3;
    return unless IO::Select->new($self->{link})->can_read(0.05);
    my $n = sysread $self->{link}, $self->{text}, 65536, length $self->{text};
    return delete $self->{link} unless $n;
    heard($self, split /\t/, $1) while $self->{link} && $self->{text} =~ s/^(.*)\n//;
}

sub link_up {
    my ($self) = @_;
    my $link = IO::Socket::UNIX->new(Peer => "$self->{node}{dir}/pgdevstate.link") or return;
    @{$self}{qw(link text ready)} = ($link, '', 0);
    say_line($self, qw(hello 1 - chaos 1 report watch));
    say_line($self, 'begin');
    for my $kind (qw(devices mailboxes)) {
        say_value($self, $kind, $_) for sort keys %{ $self->{said}{$kind} };
    }
    return say_line($self, 'end');
}

sub say_line {
    my ($self, @words) = @_;
    return unless $self->{link};
    my $line = join("\t", @words) . "\n";
    return 1 if (syswrite($self->{link}, $line) // 0) == length $line;
    delete $self->{link};
    return;
}

sub say_value {
    my ($self, $kind, $key) = @_;
    my $value = $self->{said}{$kind}{$key} // '-';
    return say_line($self, 'device', $value, $key) if $kind eq 'devices';
    my ($new, $old, $urgent) = $value eq '-' ? ('-') x 3 : split m{/}, $value;
    return say_line($self, 'mailbox', $urgent, $new, $old, split /@/, $key);
}

sub change {
    my ($self, $say) = @_;
    my $n    = int rand KEYS;
    my $kind = rand() < 0.75 ? 'devices' : 'mailboxes';
    my $whose = rand() < 0.5 ? 'shared' : "$self->{name}-";
    my $key  = $kind eq 'devices' ? "PJSIP/$whose$n" : "pbx-$whose$n\@default";
    if (rand() < 0.1) { delete $self->{said}{$kind}{$key} }
    else              { $self->{said}{$kind}{$key} = $kind eq 'devices' ? $states[ rand @states ] : join '/', map { 1 + int rand 20 } 1 .. 3 }
    say_value($self, $kind, $key) if $say;
}

sub heard {
    my ($self, $word, @rest) = @_;
    if ($word eq 'begin') { $self->{next} = { devices => {}, mailboxes => {} } }
    elsif ($word eq 'end') { ($self->{told}, $self->{ready}) = (delete $self->{next}, 1) }
    elsif ($word eq 'device')  { keep($self, 'devices', "$rest[1]\t$rest[2]", $rest[0], $rest[0]) }
    elsif ($word eq 'mailbox') { keep($self, 'mailboxes', "$rest[4]\@$rest[5]", $rest[0], "$rest[1]/$rest[2]/$rest[0]") }
    elsif ($word eq 'bye')     { delete $self->{link} }
    elsif ($word =~ /^(?:refused|merged)$/) { $self->{odd} = "$word @rest" }
}

sub keep {
    my ($self, $kind, $key, $first, $value) = @_;
    my $facts = $self->{next} // $self->{told};
    $first eq '-' ? delete $facts->{$kind}{$key} : ($facts->{$kind}{$key} = $value);
}

sub answer {
    my ($self) = @_;
    my $number = slurp("$Flow::DIR/pbx.asked") || return;
    return if $number eq ($self->{answered} // '');
    my %answer = (number => $number, said => $self->{said}, told => $self->{told}, linked => $self->{link} && $self->{ready} ? 1 : 0, odd => $self->{odd} // '');
    spew(path($self->{name}, 'new'), JSON::PP->new->encode(\%answer));
    rename path($self->{name}, 'new'), path($self->{name}, 'look');
    $self->{answered} = $number;
}

# --- what all of them say and were told: {server}{said, told, linked, odd}
sub pbx_look {
    my @names = grep { $pbx{$_}{pid} } sort keys %pbx;
    $asked++;
    spew("$Flow::DIR/pbx.asked.new", $asked);
    rename "$Flow::DIR/pbx.asked.new", "$Flow::DIR/pbx.asked";
    my %look;
    for my $name (@names) {
        poll { my $text = slurp(path($name, 'look')); $text ne '' && ($look{$name} = JSON::PP->new->decode($text))->{number} eq $asked } "the telephone server of $name answers";
        $pbx{$name}{said} = $look{$name}{said};
    }
    return \%look;
}

1;
