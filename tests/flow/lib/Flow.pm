# What flow tests are made of: a private PostgreSQL, nodes, console commands, waiting.
#
#   use lib 'tests/flow/lib';
#   use Flow;                                   # brings strict, warnings and Test::More along
#   my $pg = Flow::Pg->new;                     # started, migrated; gone when the test ends
#   my $a = $pg->node('server1', dialplan => $text)->start;
#   $a->ok_console('devstate change Custom:x INUSE');
#   poll_until { $b->console('core show hints') =~ /State:InUse/ } 'the hint is on';
#   done_testing();
#
# Whatever a test starts dies with it, also when it is killed. Each test has a directory of its
# own, removed when it passed and named when it failed. Nothing sleeps: poll_until has a deadline.
package Flow;
use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter ();
use IO::Socket::INET ();
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Test::More import => ['!done_testing'];
use Time::HiRes qw(time sleep);

our @ISA    = ('Exporter');
our @EXPORT = (
    qw(poll_until slurp spew run_command run_with_input contents_like agree done_testing $DEADLINE),
    grep { $_ ne 'done_testing' } @Test::More::EXPORT
);
our $ROOT     = abs_path(__FILE__ =~ s{[^/]*$}{}r . '../../..');
our $B        = abs_path(($ENV{B} // "$ROOT/build"));
our $VALGRIND = $ENV{VALGRIND};
our $BIN      = $VALGRIND ? $B : "$B/san";
our $DEADLINE = ($ENV{FLOW_DEADLINE} // 60) * ($VALGRIND ? 5 : 1);    # nothing waits for it that goes well
our $DIR      = $^C ? '' : tempdir('pgdevstate-flow.XXXXXX', DIR => '/tmp');    # perl -c makes none
our (@servers, @nodes);
my $main_pid = $$;

$ENV{ASAN_OPTIONS}  //= 'detect_leaks=1:abort_on_error=0:exitcode=99';
$ENV{UBSAN_OPTIONS} //= 'print_stacktrace=1';
$ENV{LC_ALL} = 'C.UTF-8';
delete @ENV{qw(PGHOST PGPORT PGUSER PGDATABASE PGSERVICE PGPASSWORD NOTIFY_SOCKET)};

sub import {
    strict->import;
    warnings->import;
    $_[0]->export_to_level(1, @_);
}

# Calls the block until it is true; fails the test with the last value and the logs otherwise.
# The block's last value is shown: let it return the text that it looks into when it can, as in
# poll_until { contents_like($a->console('core show hints'), qr/InUse/) } 'name'.
our $last_seen = '';

sub poll_until (&$;$) {
    my ($block, $name, $seconds) = @_;
    my $deadline = time + ($seconds // $DEADLINE);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $last_seen = '';
    while (1) {
        my $value = eval { $block->() };
        $last_seen = $@ if $@;
        if ($value) {
            pass($name);
            return $value;
        }
        last if time > $deadline;
        sleep 0.02;
    }
    fail($name);
    diag("waited " . ($seconds // $DEADLINE) . " s; last seen:\n$last_seen");
    return;
}

# Does the text match? Remembers it for poll_until's message.
sub contents_like {
    my ($text, $re) = @_;
    $last_seen = $text;
    return $text =~ $re;
}

sub slurp {
    my ($path) = @_;
    open(my $in, '<', $path) or return '';
    local $/;
    return <$in> // '';
}

sub spew {
    my ($path, $text) = @_;
    open(my $out, '>', $path) or die "$path: $!";
    print {$out} $text;
    close($out) or die "$path: $!";
    return $path;
}

# Runs a program without a shell: (stdout, stderr, exit status; 128 + signal).
sub run_command { return run_reading('/dev/null', @_) }

# The same with a text on its standard input.
sub run_with_input {
    my ($text, @argv) = @_;
    my $file   = spew("$DIR/input.$$", $text);
    my @result = run_reading($file, @argv);
    unlink $file;
    return @result;
}

my $runs = 0;

sub run_reading {
    my ($input, @argv) = @_;
    my $base = "$DIR/run." . ++$runs;
    my $pid  = fork // die "fork: $!";
    if ($pid == 0) {
        open(STDIN,  '<', $input)      or POSIX::_exit(126);
        open(STDOUT, '>', "$base.out") or POSIX::_exit(126);
        open(STDERR, '>', "$base.err") or POSIX::_exit(126);
        { no warnings 'exec'; exec { $argv[0] } @argv; }
        print STDERR "$argv[0]: $!\n";
        POSIX::_exit(127);
    }
    waitpid($pid, 0);
    my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    my @out = (slurp("$base.out"), slurp("$base.err"), $status);
    unlink "$base.out", "$base.err";
    return @out;
}

# Waits until all nodes know what SQL says, devices and mailboxes; where `expected` is given
# ({devices => {...}, mailboxes => {...}}), that is what all of them say.
sub agree {
    my ($name, $expected, $pg, @nodes) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return poll_until {
        my $want = as_text($expected // { devices => $pg->devices, mailboxes => $pg->mailboxes });
        for my $who ($pg, @nodes) {
            my $has = as_text({ devices => $who->devices, mailboxes => $who->mailboxes });
            next if $has eq $want;
            $last_seen = ($who->{name} // 'SQL') . " says <, should >\n" . differences($has, $want);
            return 0;
        }
        return 1;
    } $name;
}

sub as_text { return JSON::PP->new->utf8->canonical->pretty->encode($_[0]) }

# The first lines that only one of two texts has.
sub differences {
    my ($has, $want) = @_;
    my %has  = map { $_ => 1 } split /\n/, $has;
    my %want = map { $_ => 1 } split /\n/, $want;
    my @lines = ((map { "< $_" } grep { !$want{$_} } sort keys %has), (map { "> $_" } grep { !$has{$_} } sort keys %want));
    splice(@lines, 20) if @lines > 20;
    return join "\n", @lines;
}

# The client program, under valgrind when that was asked for.
sub client {
    my (@args) = @_;
    my ($out, $err, $status) = run_command("$BIN/pgdevstate", @args);
    check_sanitizers("pgdevstate @args", $err);
    return ($out, $err, $status);
}

# Many commands at once, one a line, through one connection.
sub client_batch {
    my ($commands, @args) = @_;
    my ($out, $err, $status) = run_with_input($commands, "$BIN/pgdevstate", @args, '-r');
    check_sanitizers("pgdevstate @args -r", $err);
    return ($out, $err, $status);
}

sub check_sanitizers {
    my ($who, $text) = @_;
    my ($found) = $text =~ /(^.*(?:Sanitizer|runtime error: ).*(?:\n.*){0,30})/m or return;
    fail("no sanitizer reports: $who");
    diag($found);
}

sub passing { return Test::More->builder->is_passing }

sub show_logs {
    for my $node (@nodes) {
        my @lines = split /\n/, slurp($node->{log});
        splice(@lines, 0, @lines - 60) if @lines > 60;
        diag(join "\n", "--- log of $node->{name}", @lines);
    }
}

# Stop what is left, look into the logs, show them when the test failed.
sub finish {
    for my $node (@nodes) {
        $node->kill('KILL') if $node->{pid};
        check_sanitizers($node->{name}, slurp($node->{log}));
        $node->check_valgrind;
    }
    my $ok = passing();
    show_logs() unless $ok;
    $_->remove for @servers;
    if ($ok) {
        remove_tree($DIR);
    } else {
        diag("files are left in $DIR");
    }
    return $ok;
}

# Reports of the sanitizers have to be found while the test can still fail.
my $finished;

sub done_testing {
    $finished = 1;
    finish();
    Test::More::done_testing(@_);
}

END {
    my $status = $?;
    finish() if $$ == $main_pid && !$finished;
    $? = $status;
}
$SIG{INT} = $SIG{TERM} = $SIG{HUP} = sub { exit 130 };

package Flow::Pg;
use strict;
use warnings;
use Test::More;

# settings => ['name=value'], migrate => 0: an empty database, tcp => 1: also on 127.0.0.1, at a
# port that was free
sub new {
    my ($class, %opt) = @_;
    my ($port, $dir, $err) = 5432;
    for (1 .. 5) {
        my @settings = @{ $opt{settings} // [] };
        push @settings, 'listen_addresses=127.0.0.1', 'port=' . ($port = free_port()) if $opt{tcp};
        ($dir, $err, my $status) = Flow::run_command("$Flow::ROOT/scripts/private-pg", 'new', $$, @settings);
        last unless $status;
        # between the look for a free port and its use somebody else may take it
        die "no private PostgreSQL: $err" unless $opt{tcp} && $err =~ /could not bind|Address already in use/;
    }
    chomp $dir;
    my $self = bless { dir => $dir, db => 'pgdevstate', nodes => 0, port => $port }, $class;
    push @Flow::servers, $self;
    $self->psql_in('postgres', 'create database pgdevstate');
    $self->migrate unless defined $opt{migrate} && !$opt{migrate};
    return $self;
}

sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "no free port: $!";
    return $socket->sockport;
}

# A port that nobody listens at, and nobody else can take while the test runs.
my @kept;

sub closed_port {
    push @kept, IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp') // die "no free port: $!";
    return $kept[-1]->sockport;
}

sub conninfo {
    my ($self, %opt) = @_;
    my $user = $opt{user} // 'postgres';
    my $db   = $opt{db} // $self->{db};
    return "host=$self->{dir} port=$self->{port} user=$user dbname=$db";
}

sub migrate {
    my ($self, @args) = @_;
    my ($out, $err, $status) = Flow::client('migrate', '--conninfo', $self->conninfo, @args);
    BAIL_OUT("migrate failed: $out$err") if $status;
    return $out;
}

# Rows as text, columns divided by |; dies with psql's message when the statement fails.
sub psql { my ($self, $sql) = @_; return $self->psql_in($self->{db}, $sql) }

sub psql_in {
    my ($self, $db, $sql) = @_;
    my ($out, $err, $status) = Flow::run_command('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', $sql,
        $self->conninfo(db => $db));
    die "psql: $sql: $err" if $status;
    chomp $out;
    return $out;
}

# What SQL says of the same: as Flow::Node's devices() and mailboxes().
sub devices   { my ($self) = @_; return $self->pairs('select device, state from pgdevstate.device') }
sub mailboxes {
    my ($self) = @_;
    return $self->pairs("select mailbox || '\@' || context, concat_ws('/', new_messages, old_messages, urgent_messages)"
            . ' from pgdevstate.mailbox');
}

# A query of two columns: the first one's values are the keys.
sub pairs {
    my ($self, $sql) = @_;
    my $text = $self->psql("select coalesce(json_object_agg(k, v), '{}') from ($sql) as q(k, v)");
    return JSON::PP->new->utf8->decode($text);
}

sub ctl {
    my ($self, @args) = @_;
    my (undef, $err, $status) = Flow::run_command("$Flow::ROOT/scripts/private-pg", 'ctl', $self->{dir}, @args);
    die "pg_ctl @args: $err" if $status;
}
sub stop    { my ($self, $mode) = @_; $self->ctl('stop', '-m', $mode // 'fast') }
sub start   { my ($self) = @_; $self->ctl('start') }
sub restart { my ($self, $mode) = @_; $self->ctl('restart', '-m', $mode // 'fast') }

# A node of this database's cluster. Options: entity_id, dialplan (text), options (lines for
# [options]), channels (text instead of the two usual sections), conninfo, user, prefix (words in
# front of the daemon's command, as [nsenter ...]).
sub node { my ($self, $name, %opt) = @_; return Flow::Node->new($self, $name, %opt) }

# kill -9 of the postmaster; the server's other processes end by themselves
sub kill9 {
    my ($self) = @_;
    my ($pid) = split /\n/, Flow::slurp("$self->{dir}/data/postmaster.pid");
    CORE::kill('KILL', $pid);
}

# Does what makes the server restart by itself (kill -9 of a backend), and waits until it has: a moment
# before that it still takes connections, and then ends them.
sub crashed {
    my ($self, $name, $fault) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $before = $self->readies;
    $fault->();
    return Flow::poll_until { $self->readies > $before && $self->psql_in('postgres', 'select 1') } $name;
}

sub readies { my ($self) = @_; return scalar(() = Flow::slurp("$self->{dir}/log") =~ /ready to accept connections/g) }

sub remove {
    my ($self) = @_;
    Flow::run_command("$Flow::ROOT/scripts/private-pg", 'stop', $self->{dir});
}

package Flow::Node;
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my $count = 0;

sub new {
    my ($class, $pg, $name, %opt) = @_;
    my $n    = ++$count;
    my $dir  = "$Flow::DIR/$n";
    mkdir $dir or die "$dir: $!";
    my $self = bless {
        pg  => $pg, name => $name, dir => $dir, conf => "$dir/$name.conf", log => "$dir/$name.log",
        entity_id => $opt{entity_id} // sprintf('02:00:00:00:00:%02x', $n),
        %opt
    }, $class;
    $self->{conninfo} //= $pg->conninfo(user => $self->{user} // $self->make_role);
    $self->write_conf;
    push @Flow::nodes, $self;
    return $self;
}

# Nodes log in with least rights, each as itself.
sub make_role {
    my ($self) = @_;
    my $role = "node_$self->{name}";
    $self->{pg}->psql("do \$\$ begin create role \"$role\" login in role pgdevstate_node;"
            . " exception when duplicate_object then null; end \$\$");
    return $role;
}

sub write_conf {
    my ($self, %change) = @_;
    $self->{$_} = $change{$_} for keys %change;
    my $dialplan = Flow::spew("$self->{dir}/extensions.conf", $self->{dialplan} // '');
    my $options  = $self->{options} // '';
    my $channels = $self->{channels} // <<'CHANNELS';
[device_state]
type=event_channel
publish_event=device_state
subscribe_event=device_state

[mwi]
type=event_channel
publish_event=mwi
subscribe_event=mwi
CHANNELS
    Flow::spew($self->{conf}, <<"CONF");
[options]
entity_id=$self->{entity_id}
system_name=$self->{name}
run_directory=$self->{dir}
dialplan=$dialplan
$options

[postgresql]
conninfo=$self->{conninfo}

$channels
CONF
}

sub spawn {
    my ($self) = @_;
    my @argv = (@{ $self->{prefix} // [] }, "$Flow::BIN/pgdevstated", '-f', '-C', $self->{conf});
    if ($Flow::VALGRIND) {
        unshift @argv, 'valgrind', '--leak-check=full', '--show-leak-kinds=definite,possible',
            '--errors-for-leak-kinds=definite,possible', '--error-exitcode=99',
            "--log-file=$self->{dir}/valgrind.%p";
    }
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open(STDIN,  '<',  '/dev/null')  or POSIX::_exit(126);
        open(STDOUT, '>>', $self->{log}) or POSIX::_exit(126);
        open(STDERR, '>&', \*STDOUT)     or POSIX::_exit(126);
        exec('setpriv', '--pdeathsig', 'KILL', @argv) or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    return $self;
}

# Start it and wait until it is ready.
sub start {
    my ($self) = @_;
    $self->spawn;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->wait_ready;
    return $self;
}

sub wait_ready {
    my ($self) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Flow::poll_until {
        die "it ended\n" . Flow::slurp($self->{log}) unless $self->running;
        my ($out, $err, $status) = $self->run('cluster show members');
        $status == 0 && Flow::contents_like($out . $err, qr/Node Name: \Q$self->{name}\E\b.*?Member: Yes/s);
    }
    "$self->{name} is ready";
}

# One console command: (stdout, stderr, exit status).
sub run { my ($self, @command) = @_; return Flow::client('-C', $self->{conf}, '-x', @command) }

# The same with --json: what the document says, as Perl data of characters (not bytes).
sub json {
    my ($self, @command) = @_;
    my ($out, $err, $status) = Flow::client('-C', $self->{conf}, '--json', '-x', @command);
    return JSON::PP->new->utf8->allow_nonref->decode($out);
}

# Many commands, one connection; (stdout, stderr, exit status).
sub batch { my ($self, @commands) = @_; return Flow::client_batch(join('', map { "$_\n" } @commands), '-C', $self->{conf}) }

# ... all of which have to succeed; returns the output.
sub ok_batch {
    my ($self, $name, @commands) = @_;
    my ($out, $err, $status) = $self->batch(@commands);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$status $err", '0 ', $name) or diag(substr($out, -2000));
    return $out;
}

# What it knows: {device => state}, {mailbox@context => "new/old/urgent"}; what nobody says is absent.
sub devices {
    my ($self, @pattern) = @_;
    return { map { $_->{device} => $_->{state} } @{ $self->json("devstate list @pattern") } };
}

sub mailboxes {
    my ($self, @pattern) = @_;
    return { map { $_->{mailbox} => "$_->{new}/$_->{old}/$_->{urgent}" } @{ $self->json("mailbox list @pattern") } };
}

# The counters and state of `cluster show stats`.
sub stats { my ($self) = @_; return $self->json('cluster show stats') }

# ... its output only.
sub console { my ($self, @command) = @_; return ($self->run(@command))[0] }

# ... that has to succeed; returns its output.
sub ok_console {
    my ($self, @command) = @_;
    my ($out, $err, $status) = $self->run(@command);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($status, 0, "$self->{name}: @command") or diag("$out$err");
    return $out;
}

sub running {
    my ($self) = @_;
    return 0 unless $self->{pid};
    return 1 if waitpid($self->{pid}, POSIX::WNOHANG) == 0;
    $self->{exit} = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    delete $self->{pid};
    return 0;
}

# Wait until it has ended; returns the exit status (128 + signal), undef when it does not end.
sub wait_exit {
    my ($self, $seconds) = @_;
    my $deadline = time + ($seconds // $Flow::DEADLINE);
    while ($self->running) {
        return if time > $deadline;
        Time::HiRes::sleep(0.01);
    }
    return $self->{exit};
}

sub signal { my ($self, $sig) = @_; CORE::kill($sig, $self->{pid}) if $self->{pid} }

sub kill {
    my ($self, $sig) = @_;
    $self->signal($sig // 'KILL');
    $self->signal('CONT');
    return $self->wait_exit;
}

# Ask it to stop; it has to end with status 0.
sub stop {
    my ($self) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->signal('TERM');
    is($self->wait_exit, 0, "$self->{name} stopped");
}

sub log { my ($self) = @_; return Flow::slurp($self->{log}) }

sub check_valgrind {
    my ($self) = @_;
    for my $file (glob "$self->{dir}/valgrind.*") {
        my $text = Flow::slurp($file);
        next if $text !~ /ERROR SUMMARY/;    # killed with -9
        like($text, qr/ERROR SUMMARY: 0 errors/, "valgrind found nothing in $self->{name}")
            or diag($text);
    }
}

1;
