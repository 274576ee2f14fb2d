# The life of a worker: hello, load and invoke, shutdown. It takes one call at a time.
#
# Frames come in whenever Alyx::Peer reads them; what they ask for is either done at once (ping,
# cancel) or put into the queue, which the main loop works off.
package Alyx::Worker;
use v5.36;

use POSIX ();
use Time::HiRes ();

use Alyx::Functions ();
use Alyx::Invocation ();
use Alyx::Json qw(encode type_of);
use Alyx::Log ();
use Alyx::Output ();

our $VERSION = '0.1.0';

use constant {
    PROTOCOL => 1, CONCURRENCY => 1, QUEUE => 64,
    FRAME    => 8388608,
    PATIENCE => 5,        # for the answer to hello, in seconds
    GRACE    => 1000,     # of a shutdown, in milliseconds
    LAST     => 0.8,      # between the cancel at the end and the end itself, in seconds
};

my %LIMITS = (maxFrame => FRAME, maxLogEntry => 16384, maxLogBytes => 262144);

# What members must be, by method; `!` marks the required ones.
my %MEMBERS = (
    load => {
        function => 'string!', revision => 'string!', path => 'string!', root => 'string',
        entry => 'string', env => 'object', timeoutMs => 'number', paths => 'array',
    },
    unload => {function => 'string!', revision => 'string!'},
    invoke => {
        function => 'string!', revision => 'string!', requestId => 'string',
        deadlineMs => 'number', trigger => 'object',
    },
    shutdown => {graceMs => 'number'},
);

sub new ($class, $peer) {
    my $self = bless {
        peer => $peer, functions => Alyx::Functions->new, queue => [], invocation => undef,
        host => {limits => {%LIMITS}, capabilities => {}}, shutdown => undef,
    }, $class;
    $self->{log} = Alyx::Log->new($peer, $self->{host}{limits});
    for my $method (keys %MEMBERS) {
        $peer->{requests}{$method} = sub ($id, $params) { $self->_request($method, $id, $params) };
    }
    $peer->{requests}{ping} = sub ($id, $params) { $peer->answer($id, '{}') };
    $peer->{notifications}{cancel} = sub ($params) { $self->_cancel($params) };
    $peer->{on_end} = sub { $self->_end };
    no warnings 'once';
    *CORE::GLOBAL::sleep = sub { $self->_sleep(@_) };
    return $self;
}

# To the end of the process.
sub run ($self, $token) {
    my $peer = $self->{peer};
    $self->_hello($token);
    until ($peer->{connection}->is_closed) {
        if (my $job = shift $self->{queue}->@*) {
            $job->();
        }
        elsif (defined $self->{shutdown}) {
            $self->_leave;
        }
        else {
            $peer->wait_for(sub { $self->{queue}->@* || defined $self->{shutdown} });
        }
    }
    $peer->pump;
    exit($peer->{is_broken} ? 1 : 0);
}

sub _hello ($self, $token) {
    my $peer = $self->{peer};
    my ($is_done, $refusal);
    my %hello = (
        protocolVersions => [PROTOCOL],
        token            => $token,
        runtime => {
            name => 'perl', version => $VERSION, language => 'perl', languageVersion => sprintf('%vd', $^V),
        },
        pid          => $$,
        concurrency  => {max => CONCURRENCY},
        capabilities => {load => {}, 'heartbeat.isolated' => {}},
        limits       => {maxFrame => FRAME},
    );
    $peer->request(hello => encode(\%hello), sub ($result, $error) {
        $is_done = 1;
        $refusal = $error ? $error->{message} // 'refused' : $self->_greeted($result);
    });
    $peer->wait_for(sub { $is_done }, Time::HiRes::time() + PATIENCE);
    return if $is_done && !defined $refusal;
    Alyx::Output::complain($is_done ? "the host refused hello: $refusal" : 'the host did not answer hello');
    exit 1;
}

# What the host told counts from the next frame on, which may be there already.
sub _greeted ($self, $result) {
    my $version = $result->{protocolVersion} // 'none';
    return "it speaks version $version, and this shim only " . PROTOCOL if $version ne PROTOCOL;
    my $limits = $self->{host}{limits};
    my $told = type_of($result->{limits}) eq 'object' ? $result->{limits} : {};
    $limits->{$_} = $told->{$_} for grep { type_of($told->{$_}) eq 'number' } keys %LIMITS;
    $self->{host}{capabilities} = $result->{capabilities} // {};
    $self->{peer}{frames}->limit($limits->{maxFrame} < FRAME ? $limits->{maxFrame} : FRAME);
    $self->{peer}{is_ready} = 1;
    return;
}

# --- what the host asks for

sub _request ($self, $method, $id, $params) {
    my $peer = $self->{peer};
    my $members = $MEMBERS{$method};
    for my $name (sort keys %$members) {
        my ($type, $is_required) = $members->{$name} =~ /^(\w+)(!?)/;
        next if !exists $params->{$name} && !$is_required;
        return $peer->refuse($id, INVALID_PARAMS => "'$name' of '$method' is not of type $type")
            if type_of($params->{$name}) ne $type;
    }
    return $peer->refuse($id, NOT_READY => 'the worker is shutting down') if defined $self->{shutdown};
    my $serve = $self->can("_$method");
    return $self->$serve($id, $params);
}

# Later ones wait for earlier ones: Perl does one thing at a time.
sub _later ($self, $id, $job) {
    return $self->{peer}->refuse($id, OVERLOADED => 'too much at once', retryable => !!1)
        if $self->{queue}->@* >= QUEUE;
    push $self->{queue}->@*, $job;
    return;
}

sub _load ($self, $id, $params) {
    return $self->_later($id, sub { $self->_load_now($id, $params) });
}

sub _load_now ($self, $id, $params) {
    my $peer = $self->{peer};
    my $function = eval { $self->{functions}->load($params, sub ($code) { $peer->user_code($code) }) };
    my $failure = $@;
    $self->{log}->finish;
    if ($function) {
        my $schema = $function->{schema};
        return $peer->answer($id, defined $schema ? qq({"schema":$schema}) : '{}');
    }
    $failure = {kind => 'throw', message => "$failure"} if ref $failure ne 'HASH';
    my ($message, $stack) = delete $failure->@{qw(message stack)};
    return $peer->refuse($id, LOAD_FAILED => $message, details => $failure, stack => Alyx::Error::cut($stack // '', 16384));
}

sub _unload ($self, $id, $params) {
    my $peer = $self->{peer};
    my $function = $self->_known($id, $params) or return;
    return $peer->refuse($id, OVERLOADED => "'$function->{name}' runs", retryable => !!1)
        if $self->{invocation} && $self->{invocation}{function} == $function;
    $self->{functions}->unload($function);
    return $peer->answer($id, '{"reclaimed":true}');
}

sub _invoke ($self, $id, $params) {
    my $peer = $self->{peer};
    my $function = $self->_known($id, $params) or return;
    return $peer->refuse($id, OVERLOADED => 'this worker takes one call at a time', retryable => !!1)
        if $self->{invocation};
    my $invocation = Alyx::Invocation->new($peer, $self->{host}, $id, $function, $params);
    $self->{invocation} = $invocation;
    return $self->_later($id, sub {
        $invocation->run;
        $self->{invocation} = undef;
    });
}

sub _known ($self, $id, $params) {
    my ($name, $revision) = $params->@{qw(function revision)};
    my $function = $self->{functions}->find($name, $revision);
    return $function if $function;
    $self->{peer}->refuse($id, FUNCTION_NOT_FOUND => "no function '$name' of revision $revision is loaded here");
    return;
}

sub _cancel ($self, $params) {
    my $invocation = $self->{invocation} // return;
    my ($id, $reason) = $params->@{qw(id reason)};
    return if type_of($id) ne 'number' || $id != $invocation->id;
    return $invocation->cancel(type_of($reason) eq 'string' ? $reason : 'no reason given');
}

# --- the end. The alarm is the process's only clock, so it is used here alone, where user code is
# about to end anyway.

sub _shutdown ($self, $id, $params) {
    $self->{shutdown} = $id;
    return if !$self->{invocation};
    $SIG{ALRM} = sub { $self->_cancel_for_good('shutdown', sub { $self->_leave }) };
    my $grace = ($params->{graceMs} // GRACE) / 1000;
    return Time::HiRes::alarm($grace > 0 ? $grace : 0.001);
}

# Everything is answered: this is the last frame.
sub _leave ($self) {
    $self->{peer}->answer($self->{shutdown}, '{}');
    $self->{peer}{connection}->close;
    POSIX::_exit(0) if $self->{invocation};
    exit 0;
}

# The host is gone.
sub _end ($self) {
    $self->{queue} = [];
    my $code = $self->{peer}{is_broken} ? 1 : 0;
    return if !$self->{invocation};
    $self->_cancel_for_good('shutdown', sub { POSIX::_exit($code) });
    return;
}

# Cancels, and after a last moment calls $at_last, whatever the handler does.
sub _cancel_for_good ($self, $reason, $at_last) {
    $SIG{ALRM} = $at_last;
    Time::HiRes::alarm(LAST);
    $self->{invocation}->cancel($reason) if $self->{invocation};
    return;
}

# --- for user code

# What is printed belongs to the call that runs, or to none.
sub print ($self, $stream, $text) {
    my $log = $self->{invocation} && $self->{invocation}{state} eq 'running' ? $self->{invocation}{log} : $self->{log};
    $self->{peer}->shim_code(sub { $log->print($stream, $text) });
    return;
}

# Perl's own sleep ends with every signal, and so with every frame; this one with a cancel only.
sub _sleep ($self, @seconds) {
    my $started    = time;
    my $invocation = $self->{invocation};
    return CORE::sleep(@seconds ? $seconds[0] : ()) if !$invocation || $self->{peer}{connection}->is_foreign;
    $invocation->sleep(@seconds ? int $seconds[0] : undef);
    return time - $started;
}

1;
