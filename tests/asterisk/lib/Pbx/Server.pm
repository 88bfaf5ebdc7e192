# One Asterisk server: configuration and everything else that it writes in a directory of its
# own, autoload=no with the modules that the test wants, AMI and SIP at an address of its own.
#
# Options: entity       its entity id (as the node's, or 02:00:00:00:01:<n>)
#          node         the Flow::Node that it is linked to: res_pgdevstate is loaded
#          modules      further modules: names without .so; sets: sip, voicemail, queue
#          files        {'extensions.conf' => text, ...}; lines for res_pgdevstate.conf: `module_conf`
#          asan         the module is one built with AddressSanitizer
package Pbx::Server;
use strict;
use warnings;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my %sets = (
    base => [qw(res_timing_timerfd pbx_config func_devstate func_db func_channel func_extstate func_logic
        func_strings func_vmcount app_dial app_echo app_verbose app_playtones app_senddtmf app_stack app_originate
        app_playback codec_ulaw codec_gsm format_gsm format_wav format_pcm bridge_simple bridge_builtin_features
        res_clioriginate res_manager_devicestate app_userevent app_exec func_callerid func_global func_rand app_waituntil)],
    sip => [qw(res_sorcery_config res_sorcery_memory res_sorcery_astdb res_pjproject res_pjsip res_pjsip_session res_pjsip_authenticator_digest
        res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_ip res_pjsip_registrar res_pjsip_pubsub
        res_pjsip_mwi res_pjsip_mwi_body_generator res_pjsip_exten_state res_pjsip_pidf_body_generator
        res_pjsip_dialog_info_body_generator res_pjsip_xpidf_body_generator res_rtp_asterisk res_pjsip_sdp_rtp
        res_pjsip_caller_id res_pjsip_outbound_publish res_pjsip_publish_asterisk chan_pjsip
        res_http_websocket)],
    voicemail => [qw(res_smdi res_adsi app_voicemail)],
    queue     => [qw(res_monitor res_musiconhold app_queue)],
);

sub new {
    my ($class, $name, $n, %opt) = @_;
    my $dir  = "$Flow::DIR/pbx$n-$name";
    my $self = bless {
        name => $name, n => $n, dir => $dir, address => "127.0.1.$n", log => "$dir/messages", runs => 0,
        entity => $opt{node} ? $opt{node}{entity_id} : sprintf('02:00:00:00:01:%02x', $n), %opt
    }, $class;
    mkdir "$dir$_" or die "$dir$_: $!" for '', map { "/$_" } qw(etc run lib spool log mod key);
    $self->write_conf;
    return $self;
}

# ---- configuration ----

sub write_conf {
    my ($self) = @_;
    my %file = (
        'asterisk.conf'       => $self->asterisk_conf,
        'logger.conf'         => "[general]\n[logfiles]\n$self->{log} => " . $self->levels . "\n",
        'manager.conf'        => $self->manager_conf,
        'modules.conf'        => $self->modules_conf,
        'indications.conf'    => "[general]\ncountry=us\n[us]\ndescription=here\nringcadence=2000,4000\ndial=350+440\nring=440+480/2000,0/4000\n",
        'res_pgdevstate.conf' => $self->module_conf,
        'extensions.conf'     => "[default]\n",
        %{ $self->{files} // {} }
    );
    Flow::spew("$self->{dir}/etc/$_", $file{$_}) for keys %file;
    $self->link_modules;
}

# Changes files of the configuration; takes effect at a start or reload.
sub reconfigure {
    my ($self, %file) = @_;
    Flow::spew("$self->{dir}/etc/$_", $file{$_}) for keys %file;
}

sub asterisk_conf {
    my ($self) = @_;
    my $d = $self->{dir};
    return <<"CONF";
[directories]
astcachedir => $d/lib
astetcdir => $d/etc
astmoddir => $d/mod
astvarlibdir => $d/lib
astdbdir => $d/lib
astkeydir => $d/key
astdatadir => /usr/share/asterisk
astagidir => $d/lib
astspooldir => $d/spool
astrundir => $d/run
astlogdir => $d/log
astsbindir => /usr/sbin
[options]
entityid = $self->{entity}
systemname = $self->{name}
verbose = 3
nocolor = yes
rtpuserealcores = no
CONF
}

sub levels { return $ENV{VERBOSE} ? 'notice,warning,error,verbose,debug' : 'notice,warning,error' }

sub manager_conf {
    my ($self) = @_;
    return <<"CONF";
[general]
enabled = yes
port = 5038
bindaddr = $self->{address}
[test]
secret = test
read = all
write = all
writetimeout = 10000
CONF
}

sub modules_conf {
    my ($self) = @_;
    my @names = @{ $sets{base} };
    push @names, map { $sets{$_} ? @{ $sets{$_} } : $_ } @{ $self->{modules} // [] };
    push @names, 'res_pgdevstate' if $self->{node};
    return join "\n", '[modules]', 'autoload=no', (map { "load=$_.so" } grep { -e "$self->{dir}/mod/$_.so" || $self->has($_) } @names), '';
}

sub module_dir { my ($found) = glob "$Pbx::ASTERISK_ROOT/usr/lib{/*,}/asterisk/modules"; return $found }
sub has { my ($self, $name) = @_; return $name eq 'res_pgdevstate' || -e module_dir() . "/$name.so" }

# `module load` takes names below astmoddir only: links to all that the root has, and ours.
sub link_modules {
    my ($self) = @_;
    my $from = module_dir();
    my $seen = substr($from, length $Pbx::ASTERISK_ROOT);
    opendir(my $in, $from) or die "$from: $!";
    symlink("$seen/$_", "$self->{dir}/mod/$_") for grep { /\.so$/ } readdir $in;
    return unless $self->{node};
    my $module = $self->{asan} ? $Pbx::MODULE =~ s{([^/]+)$}{san/$1}r : $Pbx::MODULE;
    -e $module or BAIL_OUT("$module is not there: run \"make module\"");
    symlink($module, "$self->{dir}/mod/res_pgdevstate.so");
}

sub socket { my ($self) = @_; return "$self->{node}{dir}/pgdevstate.link" }

sub module_conf {
    my ($self) = @_;
    return '' unless $self->{node};
    my $more = $self->{module_conf} // '';
    return <<"CONF";
[general]
socket=@{[ $self->socket ]}
$more

[device_state]
type=event_channel
publish_event=device_state
subscribe_event=device_state

[mwi]
type=event_channel
publish_event=mwi
subscribe_event=mwi
CONF
}

# ---- life ----

sub conf { my ($self) = @_; return "$self->{dir}/etc/asterisk.conf" }

sub spawn {
    my ($self) = @_;
    my @env = $self->{asan}
        ? ('env', 'LD_PRELOAD=libasan.so.' . asan_version(), 'ASAN_OPTIONS=detect_leaks=1:exitcode=99:log_path=' . "$self->{dir}/asan",
        "LSAN_OPTIONS=suppressions=$self->{dir}/lsan.supp")
        : ();
    Flow::spew("$self->{dir}/lsan.supp", '') if $self->{asan};
    $self->{runs}++;
    $self->{pid} = Pbx::spawn("$self->{dir}/console", @env, 'asterisk', '-f', '-C', $self->conf);
    return $self;
}

sub asan_version {
    my ($found) = glob "$Pbx::ASTERISK_ROOT/usr/lib/*/libasan.so.*[0-9]";
    ($found // '') =~ /libasan\.so\.(\d+)/ or die "no libasan in $Pbx::ASTERISK_ROOT\n";
    return $1;
}

# Starts it and waits until it has booted fully.
sub start {
    my ($self) = @_;
    $self->spawn;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->wait_booted;
    return $self;
}

sub wait_booted {
    my ($self) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    delete $self->{ami};
    my $what = "$self->{name}: Asterisk has booted";
    Flow::poll_until {
        die "it ended with status $self->{exit}\n" . Flow::slurp("$self->{dir}/console") . Flow::slurp($self->{log})
            unless $self->running;
        my $ami = $self->{ami} //= Pbx::Ami->new($self->{address}) or die "no manager connection yet\n";
        $ami->events(0, Event => 'FullyBooted');
    } $what;
    $self->loaded or BAIL_OUT("$self->{name}: the module was not loaded: " . join "\n", grep { /pgdevstate/ } split /\n/, Flow::slurp($self->{log}));
}

# Is our module, when it is wanted, there?
sub loaded {
    my ($self) = @_;
    return 1 unless $self->{node};
    return $self->cli('module show like res_pgdevstate.so') =~ /res_pgdevstate\.so.*Running/;
}

sub ami {
    my ($self) = @_;
    return $self->{ami} //= Pbx::Ami->new($self->{address}) // die "$self->{name}: no manager connection\n";
}

sub running {
    my ($self) = @_;
    return 0 unless $self->{pid};
    my $status = Pbx::ended($self->{pid});
    return 1 unless defined $status;
    $self->{exit} = $status;
    delete $self->{pid};
    return 0;
}

# Waits for its end: the exit status, undef when it does not end.
sub wait_exit {
    my ($self, $seconds) = @_;
    my $until = time + ($seconds // $Flow::DEADLINE);
    while ($self->running) {
        return if time > $until;
        Time::HiRes::sleep(0.01);
    }
    delete $self->{ami};
    return $self->{exit};
}

sub signal { my ($self, $sig) = @_; CORE::kill($sig, $self->{pid}) if $self->{pid} }

sub kill9 {
    my ($self) = @_;
    $self->signal('KILL');
    $self->signal('CONT');
    return $self->wait_exit;
}

# One console command: its output.
sub cli {
    my ($self, $command) = @_;
    my ($out, $err, $status) = Pbx::run_inside('asterisk', '-C', $self->conf, '-rx', $command);
    $self->{cli_status} = $status;
    return ($out . $err) =~ s/\ANo ethernet interface found.*\n//r;
}

# Has app_voicemail look into a mailbox whose files were changed.
sub count_messages {
    my ($self, $box) = @_;
    $self->ami->action('VoicemailRefresh', Context => 'default', Mailbox => $box);
    # 16 does nothing for it unless it polls; a reload looks, too
    $self->cli('module reload app_voicemail.so') if $Pbx::VERSION_WANTED < 18;
}

# Ends it if it runs, as a test's end does.
sub end {
    my ($self) = @_;
    return unless $self->running;
    $self->cli('core stop now');
    my $status = $self->wait_exit;
    is($status, 0, "$self->{name}: core stop now ends it");
    $self->kill9 unless defined $status;
}

# What no server may have logged, whatever the test was about.
sub check_log {
    my ($self) = @_;
    my @bad = grep { /Segmentation|assertion|ERROR.*pgdevstate|FRACK|task processor queue reached/i }
        split /\n/, Flow::slurp($self->{log});
    @bad = grep { my $line = $_; !grep { $line =~ $_ } @{ $self->{expected_errors} // [] } } @bad;
    is(join("\n", @bad), '', "$self->{name}: nothing alarming in its log");
    for my $file (glob "$self->{dir}/asan.*") {
        my $text = Flow::slurp($file);
        # what was unloaded has no name any more
        unlike($text, qr/res_pgdevstate|src\/module|unknown module/, "$self->{name}: no report of AddressSanitizer: $file") or diag(substr($text, 0, 6000));
    }
}

1;
