# One call of a handler, from `invoke` to its answer.
package Alyx::Invocation;
use v5.36;
no warnings 'experimental::builtin';

use builtin 'refaddr';
use Carp ();
use File::Basename 'dirname';
use Time::HiRes ();

use Alyx::Context ();
use Alyx::Database ();
use Alyx::Error ();
use Alyx::Json 'encode';
use Alyx::Log ();

use constant TIME => 30_000;    # where `deadlineMs` is absent

my $OWN_CODE = dirname(__FILE__);

# $host: the limits and capabilities that the host told.
sub new ($class, $peer, $host, $id, $function, $params) {
    $params->{input} //= {};
    return bless {
        peer     => $peer,
        host     => $host,
        id       => $id,
        function => $function,
        params   => $params,
        deadline => Time::HiRes::time() + ($params->{deadlineMs} // TIME) / 1000,
        log      => Alyx::Log->new($peer, $host->{limits}, $id),
        state    => 'waiting',    # running, ended
        cancelled => undef,       # the error that tells the handler,
        is_told   => 0,           # and whether it did
    }, $class;
}

sub id ($self)           { return $self->{id} }
sub is_cancelled ($self) { return $self->{peer}->shim_code(sub { !!$self->{cancelled} }) }

# The handler is told where it waits, now or the next time: an error comes out of that call. Once.
sub cancel ($self, $reason) {
    return if $self->{cancelled};
    $self->{cancelled} = Alyx::Error->new(CANCELLED => "the call was cancelled: $reason");
    return;
}

# Calls the handler and answers.
sub run ($self) {
    my ($peer, $id) = $self->@{qw(peer id)};
    my ($stack, $result) = ('');
    my $thrown = $self->{cancelled};    # before it began
    my $lived  = !$thrown && eval {
        local $SIG{__DIE__} = sub { $stack = Carp::longmess('') };
        local @INC = $self->{function}{inc}->@*;
        $self->{state} = 'running';
        $result = $peer->user_code(sub { $self->{function}{handler}->(Alyx::Context->new($self)) });
        1;
    };
    $thrown //= $@;
    $self->{state} = 'ended';
    # Writing the result may call its TO_JSON, which is user code.
    my ($json, $error) = $lived ? $self->_written($result)
        : (undef, $self->_is_cancel($thrown) ? $self->_cancelled : $self->_failed($thrown, $stack));
    $self->{log}->finish;
    defined $json ? $peer->answer($id, qq({"output":$json})) : $peer->fail($id, $error);
    return;
}

sub _is_cancel ($self, $thrown) {
    return $self->{cancelled} && ref $thrown && refaddr($thrown) == refaddr($self->{cancelled});
}

sub _cancelled ($self) { return Alyx::Error::wire(CANCELLED => $self->{cancelled}->message) }

sub _failed ($self, $thrown, $stack) {
    # Where the shim itself stands in the stack, it tells nobody anything.
    $stack = join "\n", grep { !/\Q$OWN_CODE\E|^\s*$/ } split /\n/, $stack;
    $stack = "$thrown$stack" if !ref $thrown;
    return Alyx::Error::thrown_wire($thrown, $stack);
}

sub _written ($self, $result) {
    my $json = eval { encode($result, 'result') };
    return $json if defined $json;
    my $why = $@;
    return (undef, $self->_failed($why, '')) if ref $why ne 'HASH' || !exists $why->{place};
    return (undef, Alyx::Error::wire(
        RESULT_NOT_SERIALIZABLE => "$why->{place}: $why->{kind} cannot be written as JSON"));
}

sub request ($self) {
    my $params  = $self->{params};
    my $trigger = $params->{trigger} // {};
    my $query   = $trigger->{query} // {};
    return {
        id      => $params->{requestId} // '',
        method  => $trigger->{method},
        headers => $trigger->{headers} // {},
        query   => {map { $_ => $query->{$_}->@* == 1 ? $query->{$_}[0] : $query->{$_} } keys %$query},
        ip      => $trigger->{ip},
    };
}

sub database ($self) {
    return $self->{database} //= Alyx::Database->new($self);
}

sub log ($self, $level, $message, $fields) {
    $self->{peer}->shim_code(sub { $self->{log}->add($level, $message, $fields) });
    return;
}

# A call to the host on behalf of the handler, which waits for the answer: the result. Dies with an
# Alyx::Error.
sub call ($self, $method, $params) {
    return $self->{peer}->shim_code(sub { $self->_call($method, $params) });
}

sub _call ($self, $method, $params) {
    my $peer = $self->{peer};
    die Alyx::Error->new(INVOCATION_ENDED => "'$method' came after the handler had returned")
        if $self->{state} ne 'running' || $peer->{connection}->is_foreign;
    my ($is_answered, $result, $error);
    $self->_tell_cancel;
    my $id = $peer->request($method, $params, sub (@answer) { ($is_answered, $result, $error) = (1, @answer) });
    $peer->wait_for(sub { $is_answered || $self->_must_tell });
    $peer->forget($id);
    $self->_tell_cancel;
    die Alyx::Error->from_wire($error) if $error;
    return $result if $is_answered;
    die Alyx::Error->new(UNAVAILABLE => "the host went before it answered '$method'");
}

sub _must_tell ($self) { return $self->{cancelled} && !$self->{is_told} }

sub _tell_cancel ($self) {
    return if !$self->_must_tell;
    $self->{is_told} = 1;
    die $self->{cancelled};
}

# Waits for so many seconds, or for ever.
sub sleep ($self, $seconds) {
    my $until = defined $seconds ? Time::HiRes::time() + $seconds : undef;
    $self->{peer}->shim_code(sub {
        $self->{peer}->wait_for(sub { $self->_must_tell }, $until);
        $self->_tell_cancel;
    });
    return;
}

1;
