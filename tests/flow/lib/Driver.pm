# A small C program of the tests, driven by lines on its stdin; what it prints is expected.
#
#   my $build = Driver->build('pgconn_real');     # tests/flow/pgconn_real.c with the node's objects
#   my $c = Driver->new($build, @arguments);
#   $c->tell('open');
#   $c->expect(qr/^up /m, 'it is up');            # everything printed since the last time
#   $c->end('first');                             # end of stdin; ends well, nothing on stderr
package Driver;
use strict;
use warnings;
use Flow;
use IO::Handle;
use IO::Select;
use IPC::Open3;
use Time::HiRes qw(time);

sub build {
    my ($class, $name) = @_;
    my @flags    = split ' ', qx(pkg-config --cflags --libs libpq libevent jansson);
    my @sanitize = $Flow::VALGRIND ? () : '-fsanitize=address,undefined';
    my ($out, $err, $status) = run_command($ENV{CC} // 'gcc', '-std=c11', '-D_GNU_SOURCE', '-g', "-I$Flow::ROOT/src",
        @sanitize, '-o', "$Flow::DIR/$name", "$Flow::ROOT/tests/flow/$name.c", "$Flow::BIN/libnode.a", @flags, '-lmd');
    is($status, 0, "$name compiles") or BAIL_OUT($err);
    return "$Flow::DIR/$name";
}

my $count = 0;

sub new {
    my ($class, @argv) = @_;
    my $self = bless { text => '', errors => "$Flow::DIR/driver." . ++$count }, $class;
    # Once a name was looked up, glibc's own clean-up reads what it never wrote and the stack of its
    # thread is "possibly lost": neither is ours.
    unshift @argv, qw(valgrind -q --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
        --run-libc-freeres=no --error-exitcode=99) if $Flow::VALGRIND;
    open(my $errors, '>', $self->{errors}) or die "$self->{errors}: $!";
    $self->{pid} = open3($self->{in}, $self->{out}, '>&' . fileno($errors), @argv);
    $self->{in}->autoflush(1);
    return $self;
}

# In one write, so that the lines are read together: what they do is not divided by answers.
sub tell { my ($self, @lines) = @_; print { $self->{in} } join('', map { "$_\n" } @lines); return $self }

# Where the line ends in which the match does; false: not yet.
sub end_of_match {
    my ($text, $re) = @_;
    $text =~ $re or return;
    my $newline = index $text, "\n", $+[0] > $-[0] ? $+[0] - 1 : $+[0];
    return $newline + 1;
}

# Reads on until what came since the last call matches; returns that, up to the end of the line. What
# is behind it waits for the next call.
sub expect {
    my ($self, $re, $name) = @_;
    my $deadline = time + $Flow::DEADLINE;
    my $select   = IO::Select->new($self->{out});
    my $end;
    until ($end = end_of_match($self->{text}, $re)) {
        my $left = $deadline - time;
        last if $left <= 0 || !$select->can_read($left);
        sysread($self->{out}, $self->{text}, 65536, length $self->{text}) or last;
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($self->{text}, $re, $name);
    return substr $self->{text}, 0, $end || length $self->{text}, '';
}

# The log may be on stderr, the sanitizers and valgrind must not.
sub end {
    my ($self, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    close $self->{in};
    my $text = $self->expect(qr/^end$/m, "$name: ends well");
    waitpid $self->{pid}, 0;
    is($?, 0, "$name: exit status");
    unlike(slurp($self->{errors}), qr/Sanitizer|runtime error|==\d+==|Assertion/, "$name: stderr");
    return $text;
}

1;
