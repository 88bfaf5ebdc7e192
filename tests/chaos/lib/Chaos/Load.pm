# Who says what, and what is known of it.
#
# Load: two hands for each node, and one for SQL, say random things in small batches and wait for
# the acknowledgement, until they are told to stop. A node's two hands speak of different keys. All
# that was said is written down: whether it was acknowledged, and what came later.
#
# Telephone servers (Pbx.pm) speak over the link of some nodes; what they say are other keys.
#
# Truth: $says{server}{devices or mailboxes}{key} is what a living node was told last. What a node
# that was killed, and SQL, say is "open": the node's own word counts, and it has to be the last
# acknowledged one or a later one.
package Chaos::Load;
use lib 'tests/flow/lib', 'tests/chaos/lib';
use Flow;
use Chaos::World;
use Chaos::Pbx;
use POSIX ();
use Time::HiRes qw(time sleep);

our @ISA    = ('Exporter');
our @EXPORT = qw(load_start load_quiet load_wait load_join load_killed look disagreement lost never_said accept_open said_since KEYS);
use constant { KEYS => 8, HANDS => 2 };

my @states        = qw(UNKNOWN NOT_INUSE INUSE BUSY INVALID UNAVAILABLE RINGING RINGINUSE ONHOLD);
my @weakest_first = qw(INVALID UNKNOWN UNAVAILABLE NOT_INUSE ONHOLD RINGING INUSE BUSY RINGINUSE);
my %hint_of       = (
    NOT_INUSE => 'Idle', UNKNOWN => 'Idle', INUSE => 'InUse', BUSY => 'Busy', UNAVAILABLE => 'Unavailable',
    INVALID => 'Unavailable', RINGING => 'Ringing', RINGINUSE => 'InUse&Ringing', ONHOLD => 'Hold',
);
our @kinds = qw(devices mailboxes);
our (%says, %open, %log, %hands);
our $said_in_round = 0;

# --- the hands
sub command_of {
    my ($said, $name, $hand) = @_;
    my $n    = HANDS * int(rand KEYS / HANDS) + $hand;
    my $kind = rand() < 0.75 ? 'devices' : 'mailboxes';
    my $key  = $kind eq 'devices' ? (rand() < 0.5 ? "Custom:shared$n" : "Custom:$name-$n") : (rand() < 0.3 ? "shared$n" : "$name-$n") . '@default';
    my $word = $kind eq 'devices' ? 'devstate' : 'mailbox';
    return ("$word remove $key", $kind, $key, '') if exists $said->{$kind}{$key} && rand() < 0.12;
    my $value = $kind eq 'devices' ? $states[ rand @states ] : join '/', map { 1 + int rand 20 } 1 .. 3;
    return ($kind eq 'devices' ? "devstate change $key $value" : "mailbox set $key $value", $kind, $key, $value);
}

# JSON documents, one after the other; the last may be torn.
sub documents {
    my ($text) = @_;
    my $json = JSON::PP->new->utf8->allow_nonref;
    my @all;
    eval {
        $json->incr_parse($text);
        while (my $one = $json->incr_parse) { push @all, $one }
    };
    return @all;
}

sub batch_json {
    my ($node, @commands) = @_;
    my ($out, $err, $status) = Flow::client_batch(join('', map {"$_\n"} @commands), '--json', '-C', $node->{conf});
    return ($err, $status, documents($out));
}

# One batch: [kind, key, value, acknowledged] for each that was taken, or may have been.
sub speak {
    my ($node, $said, $hand) = @_;
    my (@commands, @done);
    for (1 .. 1 + int rand 3) {
        my ($line, $kind, $key, $value) = command_of($said, $node->{name}, $hand);
        $value eq '' ? delete $said->{$kind}{$key} : ($said->{$kind}{$key} = $value);
        push @commands, $line;
        push @done, [$kind, $key, $value];
    }
    my ($err, $status, @answers) = batch_json($node, @commands);
    push @{ $done[$_] }, ref $answers[$_] eq 'HASH' && $answers[$_]{acknowledged} ? 1 : 0 for 0 .. $#done;
    return ($status ? "$node->{name}: status $status: $err" . JSON::PP->new->canonical->encode(\@answers) : '', @done);
}

# SQL says it through whichever host is the primary; what fails was not said for certain.
sub sql_speak {
    my ($said) = @_;
    my (undef, $kind, $key, $value) = command_of($said, 'sql', int rand HANDS);
    my @words = $kind eq 'devices'
        ? ("'$key'", $value eq '' ? () : "'$value'")
        : ("'" . $key =~ s/@.*//r . "', 'default'", split m{/}, $value);
    my $call = ($value eq '' ? 'clear_' : 'set_') . ($kind eq 'mailboxes' ? 'mailbox' : 'device_state') . '(' . join(', ', @words) . ')';
    my ($here, $there) = ($Chaos::World::here, $Chaos::World::there);
    my (undef, $err, $status) = Flow::run_command('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', "select pgdevstate.$call",
        "host=$here->{dir},$there->{dir} port=5432,5433 user=postgres dbname=pgdevstate target_session_attrs=read-write connect_timeout=2");
    sleep 0.2;
    return ($err =~ /ERROR:/ && $err !~ /No space|terminating|recovery/ ? "sql: $err" : '', [$kind, $key, $value, $status ? 0 : 1]);
}

sub hand {
    my ($who, $said, $speak) = @_;
    my $base = "$Flow::DIR/load.$who";
    unlink "$base.stop", "$base.said", "$base.begun";
    my $seed = int rand 2**31;
    my $pid  = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{TERM} = $SIG{PIPE} = 'DEFAULT';
        srand $seed;
        $Flow::DIR = "$base.d";
        mkdir $Flow::DIR;
        my ($trouble, @all) = ('');
        until (-e "$base.stop" || $trouble) {
            ($trouble, my @done) = eval { $speak->($said) };
            $trouble //= $@;
            push @all, @done;
            spew("$base.begun", '');
            sleep rand 0.15;
        }
        spew("$base.said", JSON::PP->new->encode([$trouble, \@all]));
        POSIX::_exit(0);
    }
    $hands{$who} = $pid;
}

# Hands of all living nodes; returns when each has said something.
sub load_start {
    for my $node (living()) {
        for my $hand (0 .. HANDS - 1) {
            my %said = map { $_ => { %{ $says{ $node->{name} }{$_} // {} } } } @kinds;
            hand("$node->{name}.$hand", \%said, sub { speak($node, $_[0], $hand) });
        }
    }
    hand('sql.0', { map { $_ => { %{ $says{sql}{$_} // {} } } } @kinds }, \&sql_speak);
    my @begun = map {"$Flow::DIR/load.$_.begun"} keys %hands;
    pbx_talk();
    poll { @begun == grep { -e } @begun } 'all hands have begun';
}

sub load_quiet {
    pbx_quiet();
    spew("$Flow::DIR/load.$_.stop", '') for keys %hands;
}

# ... and waits until the hands have ended.
sub load_wait {
    for my $who (keys %hands) {
        waitpid $hands{$who}, 0 if $hands{$who};
        $hands{$who} = 0;
    }
}

# The node was killed: from now on its own word counts.
sub load_killed { my ($node) = @_; $open{ $node->{name} } = 1 }

# All hands end, and what they said is the truth from now on. Returns what they were refused.
sub load_join {
    my @refused;
    $open{sql} = 1;
    load_wait();
    for my $who (sort keys %hands) {
        delete $hands{$who};
        my $text = slurp("$Flow::DIR/load.$who.said") or do { push @refused, "$who ended early"; next };
        my ($trouble, $all) = @{ JSON::PP->new->decode($text) };
        my ($name) = $who =~ /(.*)\./;
        push @refused, $trouble if $trouble ne '' && ($name eq 'sql' || !$open{$name});
        for my $one (@$all) {
            my ($kind, $key, $value, $acked) = @$one;
            push @{ $log{"$kind\t$name"}{$key} }, [$value, $acked];
            $said_in_round += $acked;
            next if $open{$name};
            $value eq '' ? delete $says{$name}{$kind}{$key} : ($says{$name}{$kind}{$key} = $value);
        }
    }
    return @refused;
}

# --- what is known
sub sum_of {
    my %has = map { $_ => 1 } @_;
    return 'RINGINUSE' if $has{RINGING} && ($has{INUSE} || $has{BUSY} || $has{ONHOLD});
    return (grep { $has{$_} } @weakest_first)[-1];
}

# What SQL knows: {devices, mailboxes}, and who says it: {"devices\tserver1" => {...}}.
sub sql_known {
    my ($server) = @_;
    my $text = $server->psql(<<'SQL');
with said(what, k, v) as (
    select 'devices', device, state from pgdevstate.device
    union all
    select 'mailboxes', mailbox || '@' || context, concat_ws('/', new_messages, old_messages, urgent_messages) from pgdevstate.mailbox
    union all
    select E'devices\t' || entity, device, state from pgdevstate.device_entity where counts
    union all
    select E'mailboxes\t' || entity, mailbox || '@' || context, concat_ws('/', new_messages, old_messages, urgent_messages)
    from pgdevstate.mailbox_entity where counts
    union all
    select 'members', name, 'yes' from pgdevstate.member where alive and kind = 'node'
    union all
    select 'ids', entity_id::text, name from pgdevstate.member)
select coalesce(json_object_agg(what, o), '{}') from (select what, json_object_agg(k, v) o from said group by what) g
SQL
    return JSON::PP->new->utf8->decode($text);
}

sub counts_of { my ($o) = @_; return "$o->{new}/$o->{old}/$o->{urgent}" }

# What a node knows, in the same form, and {hints}, {stats}: its lists, and each statement of the
# keys that anybody has.
sub node_known {
    my ($node, $keys) = @_;
    my @shows = map { my $kind = $_; map { [$kind, $_] } sort keys %{ $keys->{$kind} } } @kinds;
    my ($err, $status, @doc) = batch_json($node, 'devstate list', 'mailbox list', 'cluster show members', 'core show hints',
        'cluster show stats', map { ($_->[0] eq 'devices' ? 'devstate' : 'mailbox') . " show $_->[1]" } @shows);
    die "$node->{name} does not answer: status $status: $err\n" if $status || @doc != 5 + @shows;
    my %known = (
        devices   => { map { $_->{device} => $_->{state} } @{ $doc[0] } },
        mailboxes => { map { $_->{mailbox} => counts_of($_) } @{ $doc[1] } },
        members   => { map { $_->{name} => 'yes' } grep { $_->{member} && $_->{name} ne 'sql' } @{ $doc[2] } },
        hints     => { map { $_->{exten} => $_->{state} } @{ $doc[3] } },
        stats     => $doc[4],
    );
    for my $i (0 .. $#shows) {
        my ($kind, $key) = @{ $shows[$i] };
        for my $one (grep { $_->{counts} } @{ $doc[ 5 + $i ]{statements} }) {
            $known{"$kind\t$one->{name}"}{$key} = $kind eq 'devices' ? $one->{state} : counts_of($one);
        }
    }
    return \%known;
}

# A look at everything: {sql}, {nodes}{name}, {says} (who is open: as it says itself).
sub look {
    my ($server, @some) = @_;
    my %look = (pbx => pbx_look(), sql => sql_known($server), who => \@some);
    my %keys = map { $_ => {} } @kinds;
    for my $kind (@kinds) {
        $keys{$kind}{$_} = 1 for map { keys %{$_} } $look{sql}{$kind} // {}, map { $says{$_}{$kind} // {} } keys %says;
        $keys{$kind}{$_} = 1 for map { my $who = $_; map { keys %{$_} } $log{"$kind\t$who"} // {} } keys %says;
    }
    for my $kind (@kinds) {
        $keys{$kind}{$_} = 1 for map { keys %{ $_->{said}{$kind} } } values %{ $look{pbx} };
    }
    $look{nodes}{ $_->{name} } = node_known($_, \%keys) for @some;
    for my $name ('sql', map { $_->{name} } @some) {
        my $own = $name eq 'sql' ? $look{sql} : $look{nodes}{$name};
        $look{says}{$name} = $open{$name} ? { map { $_ => by_hand($own->{"$_\t$name"}) } @kinds } : $says{$name};
        my $pbx = ($look{pbx}{$name} // {})->{said};
        $look{all}{$name} = { map { $_ => { %{ $look{says}{$name}{$_} // {} }, $pbx ? %{ $pbx->{$_} } : () } } @kinds };
    }
    return \%look;
}

# ... without what its telephone server says.
sub by_hand { my ($said) = @_; return { map { $_ => $said->{$_} } grep { !is_pbx_key($_) } keys %{ $said // {} } } }

sub keys_that_differ {
    my ($has, $want) = @_;
    my %all = (%{ $has // {} }, %{ $want // {} });
    return map { "$_: " . ($has->{$_} // 'nothing') . ', should be ' . ($want->{$_} // 'nothing') }
        grep { ($has->{$_} // '') ne ($want->{$_} // '') } sort keys %all;
}

# Statements of living nodes that SQL does not have as they were said last.
sub lost {
    my ($look) = @_;
    my @lost;
    for my $name (map { $_->{name} } @{ $look->{who} }) {
        push @lost, map { my $kind = $_; map {"SQL, $kind of $name: $_"} keys_that_differ($look->{sql}{"$kind\t$name"}, $look->{all}{$name}{$kind}) } @kinds;
    }
    return @lost;
}

# What is to be known, from what is said: sums of devices, members, and each hint of a node. Of
# mailboxes that several set SQL says who was last; but it has to be somebody's word.
sub expected {
    my ($look) = @_;
    my (%sets, %mailboxes, %sums, @wrong);
    for my $said (values %{ $look->{all} }) {
        push @{ $sets{$_} }, $said->{devices}{$_} for keys %{ $said->{devices} };
        $mailboxes{$_}{ $said->{mailboxes}{$_} } = 1 for keys %{ $said->{mailboxes} };
    }
    $sums{$_} = sum_of(@{ $sets{$_} }) for keys %sets;
    my $sql = $look->{sql}{mailboxes} // {};
    for my $key (sort keys %{ { %mailboxes, %$sql } }) {
        my $has = $sql->{$key} // 'nothing';
        push @wrong, "SQL, mailboxes: $key: $has, said: " . join(', ', sort keys %{ $mailboxes{$key} }) unless $mailboxes{$key}{$has};
    }
    return ({ devices => \%sums, mailboxes => $sql, members => { map { $_->{name} => 'yes' } @{ $look->{who} } } }, @wrong);
}

sub hints_of {
    my ($name, $sums) = @_;
    my %hints;
    for my $n (0 .. KEYS - 1) {
        my @devices = map { $sums->{$_} // 'UNKNOWN' } "Custom:shared$n", "Custom:$name-$n";
        $hints{$n} = $hint_of{ sum_of(@devices) };
    }
    return \%hints;
}

sub node_disagrees {
    my ($look, $name, $want) = @_;
    my $known = $look->{nodes}{$name};
    my $stats = $known->{stats};
    my %as_sql = map { $_ => 1 } grep {/\t/} keys %$known, keys %{ $look->{sql} };
    my %own = map { ("own_$_" => scalar keys %{ $look->{all}{$name}{$_} }) } @kinds;
    %own = () if $Chaos::Pbx::pbx{$name} && !$look->{pbx}{$name};    # its words are kept, and do not count
    return map {"$name: $_"} (map { keys_that_differ($known->{$_}, $want->{$_}) } @kinds, 'members'),
        (map { my $what = $_; map {"$what: $_"} keys_that_differ($known->{$what}, $look->{sql}{$what}) } sort keys %as_sql),
        (map { my $kind = $_; map {"own $kind: $_"} keys_that_differ($known->{"$kind\t$name"}, $look->{all}{$name}{$kind}) } @kinds),
        pbx_disagrees($look, $name),
        (map {"hints: $_"} keys_that_differ($known->{hints}, hints_of($name, $want->{devices}))),
        keys_that_differ({ map { $_ => $stats->{$_} } qw(phase unsent), keys %own }, { phase => 'ready', unsent => 0, %own });
}

# What a telephone server was told: each other entity's devices, and those that the console of its
# node said in its name; never its own. And each mailbox, unless it may be its own word.
sub pbx_disagrees {
    my ($look, $name) = @_;
    my $pbx = $look->{pbx}{$name} or return;
    return 'its telephone server is not linked' unless $pbx->{linked};
    return "its telephone server heard: $pbx->{odd}" if $pbx->{odd} ne '';
    my ($sql, %has, %want, %mailboxes) = ($look->{sql});
    for my $key (keys %{ $pbx->{told}{devices} }) {
        my ($id, $device) = split /\t/, $key;
        $has{ ($sql->{ids}{$id} // $id) . " $device" } = $pbx->{told}{devices}{$key};
    }
    for my $who (map {/^devices\t(.*)/} keys %$sql) {
        my $said = $sql->{"devices\t$who"};
        $want{"$who $_"} = $said->{$_} for grep { $who ne $name || !is_pbx_key($_) } keys %$said;
    }
    my ($told, $own) = ($pbx->{told}{mailboxes}, $look->{all}{$name}{mailboxes});
    for my $key (keys %{ $sql->{mailboxes} // {} }) {
        my $value = $sql->{mailboxes}{$key};
        $mailboxes{$key} = $value if exists $told->{$key} || !is_pbx_key($key) || ($own->{$key} // '') ne $value;
    }
    return map {"its telephone server: $_"} keys_that_differ(\%has, \%want), keys_that_differ($told, \%mailboxes);
}

# Everything that anybody has wrong.
sub disagreement {
    my ($look) = @_;
    my ($want, @wrong) = expected($look);
    my %entity = map { $_ => 1 } keys %{ $look->{says} };
    push @wrong, lost($look);
    push @wrong, map {"SQL counts $_"} grep { /\t(.*)/ && !$entity{$1} } sort keys %{ $look->{sql} };
    push @wrong, map {"SQL, sums: $_"} keys_that_differ($look->{sql}{devices}, $want->{devices});
    push @wrong, map {"SQL, members: $_"} keys_that_differ($look->{sql}{members}, $want->{members});
    push @wrong, map { node_disagrees($look, $_->{name}, $want) } @{ $look->{who} };
    return @wrong;
}

# Who is open says what it never said, or has lost what was acknowledged. `forgetful`: the
# database was allowed to lose its last commits, so an older word will do.
sub never_said {
    my ($look, $forgetful) = @_;
    my @odd;
    for my $name (grep { $open{$_} } sort keys %{ $look->{says} }) {
        for my $kind (@kinds) {
            my ($now, $was, $log) = ($look->{says}{$name}{$kind} // {}, $says{$name}{$kind} // {}, $log{"$kind\t$name"} // {});
            for my $key (sort keys %{ { %$now, %$was, %$log } }) {
                my @words = ([$was->{$key} // '', 1], @{ $log->{$key} // [] });
                my $from = 0;
                $words[$_][1] && ($from = $_) for 0 .. $#words;
                splice @words, 0, $from unless $forgetful->{$name};
                my $has = $now->{$key} // '';
                push @odd, "$name, $kind, $key: '$has', said: " . join ' ', map {"'$_->[0]'"} @words unless grep { $_->[0] eq $has } @words;
            }
        }
    }
    return @odd;
}

# The look is the truth that the next round begins with.
sub accept_open {
    my ($look) = @_;
    for my $name (keys %{ $look->{says} }) {
        $says{$name} = { map { $_ => { %{ $look->{says}{$name}{$_} // {} } } } @kinds };
        delete $open{$name};
    }
    %log           = ();
    $said_in_round = 0;
}
sub said_since { return $said_in_round }

1;
