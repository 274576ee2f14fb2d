# The JSON-RPC profile over one connection: calls and answers, matched by id.
#
# Knows which messages are legal, not what the methods mean. Perl does one thing at a time, so
# frames are read in three situations: while the shim waits, between two steps of user code (SIGIO
# tells that some arrived), and when user code calls the shim. `pump` is what all three run; what it
# calls must be short and never waits.
package Alyx::Peer;
use v5.36;

use Time::HiRes ();

use Alyx::Error ();
use Alyx::Frames ();
use Alyx::Json qw(decode encode type_of);

use constant {ID_MAX => 9007199254740991, METHOD => 64, BAD_FRAMES => 8};

sub new ($class, $connection) {
    my $self = bless {
        connection    => $connection,
        frames        => Alyx::Frames->new,
        is_ready      => 0,
        last_id       => 0,
        waiting       => {},          # what to do with an answer, by id
        requests      => {},          # by method: sub ($id, $params)
        notifications => {},          # by method: sub ($params)
        on_end        => sub { },     # once, when the connection is over
        is_broken     => 0,           # because of what came over it
        bad_frames    => 0,
        in_user_code  => 0,
        has_input     => 0,           # SIGIO came while the shim's own code ran
    }, $class;
    $SIG{IO}   = sub { $self->{in_user_code} ? $self->_look : ($self->{has_input} = 1) };
    $SIG{PIPE} = sub { };
    return $self;
}

# --- user code, and reading beside it

# Runs user code; frames are read meanwhile.
sub user_code ($self, $code) {
    local $self->{in_user_code} = 1;
    $self->_look if $self->{has_input};
    return $code->();
}

# Runs the shim's own code that user code has called: nothing is read beside it, but afterwards.
sub shim_code ($self, $code) {
    return $code->() if !$self->{in_user_code};
    my ($lived, $result, $error);
    {
        local $@;
        local $self->{in_user_code} = 0;
        $lived = eval { $result = $code->(); 1 };
        $error = $@;
    }
    $self->_look if $self->{has_input};
    die $error   if !$lived;
    return $result;
}

# Between two steps of user code, which must not notice.
sub _look ($self) {
    local ($@, $!, $?, $_);
    local $self->{in_user_code} = 0;
    return $self->pump;
}

# Reads frames until the condition holds, the time (from Time::HiRes) is over or the connection ends.
sub wait_for ($self, $is_done, $until = undef) {
    until ($is_done->() || $self->{connection}->is_closed) {
        last if defined $until && Time::HiRes::time() >= $until;
        $self->{connection}->wait($until);
        $self->pump;
    }
    return;
}

# Takes in what has arrived.
sub pump ($self) {
    my $connection = $self->{connection};
    return if $connection->is_foreign;
    $self->{has_input} = 0;
    while (defined(my $bytes = $connection->read)) {
        $self->{frames}->feed($bytes);
        while (my ($kind, $content) = $self->{frames}->next) {
            $self->_frame($kind, $content);
            last if $connection->is_closed;
        }
    }
    if ($connection->is_closed && (my $end = delete $self->{on_end})) { $end->() }
    return;
}

# --- out

# True when the message is not too large for a frame.
sub fits ($self, $message) { return length $message <= $self->{frames}->limit }

sub send ($self, $message) {
    $self->{connection}->write(Alyx::Frames::frame($message));
    return;
}

sub notify ($self, $method, $params) {
    $self->send(qq({"jsonrpc":"2.0","method":"$method","params":$params}));
    return;
}

# An answer: the JSON of a result, or of an error.
sub answer ($self, $id, $result) {
    my $message = qq({"jsonrpc":"2.0","id":$id,"result":$result});
    my $size = length $message;
    return $self->send($message) if $self->fits($message);
    my $most = $self->{frames}->limit;
    return $self->refuse($id, FRAME_TOO_LARGE => "the answer has $size bytes; at most $most go into a frame");
}

sub fail ($self, $id, $error) {
    $self->send(qq({"jsonrpc":"2.0","id":$id,"error":$error}));
    return;
}

sub refuse ($self, $id, $word, $message, %data) {
    return $self->fail($id, Alyx::Error::wire($word, $message, %data));
}

# A request; $then gets result and error, one of them undef, or neither member's when the answer is
# unreadable.
sub request ($self, $method, $params, $then) {
    my $id = ++$self->{last_id};
    my $message = qq({"jsonrpc":"2.0","id":$id,"method":"$method","params":$params});
    my $size = length $message;
    die Alyx::Error->new(PAYLOAD_TOO_LARGE => "'$method' has $size bytes; at most "
        . $self->{frames}->limit . ' go into a frame', size => $size) if !$self->fits($message);
    $self->{waiting}{$id} = $then;
    $self->send($message);
    return $id;
}

# Nobody waits for that answer any more.
sub forget ($self, $id) {
    delete $self->{waiting}{$id};
    return;
}

# --- in

sub _frame ($self, $kind, $content) {
    return $self->_give_up if $kind eq 'unknown';
    return $self->refuse('null', FRAME_TOO_LARGE => "a frame of $content bytes; at most "
        . $self->{frames}->limit) if $kind eq 'oversize';
    my $message;
    if (!eval { $message = decode($content); 1 }) {
        chomp(my $why = $@);
        $self->refuse('null', PARSE_ERROR => "the payload is no JSON: $why");
        $self->_give_up if ++$self->{bad_frames} >= BAD_FRAMES;
        return;
    }
    $self->{bad_frames} = 0;
    return $self->refuse('null', INVALID_REQUEST => 'a message is an object')
        if type_of($message) ne 'object';
    return exists $message->{method} ? $self->_call($message) : $self->_answer($message);
}

# What comes is no protocol: a mistake that cannot be mended.
sub _give_up ($self) {
    $self->{is_broken} = 1;
    $self->{connection}->close;
    return;
}

sub _call ($self, $message) {
    my $is_request = exists $message->{id};
    my $id = $is_request && _is_id($message->{id}) ? $message->{id} : 'null';
    my $wrong = $is_request && $id eq 'null' ? 'id is no integer from 1 to 2^53 - 1' : _wrong($message);
    return $self->refuse($id, INVALID_REQUEST => $wrong) if $wrong;

    my ($method, $params) = ($message->{method}, $message->{params} // {});
    if (!$is_request) {
        my $served = $self->{notifications}{$method} or return;
        return $self->{is_ready} && $served->($params);
    }
    return $self->refuse($id, NOT_READY => "'$method' came before the answer to hello")
        if !$self->{is_ready};
    my $served = $self->{requests}{$method}
        or return $self->refuse($id, METHOD_NOT_FOUND => "there is no method '$method' here");
    return $served->($id, $params);
}

sub _wrong ($message) {
    return 'jsonrpc is not "2.0"' if type_of($message->{jsonrpc}) ne 'string' || $message->{jsonrpc} ne '2.0';
    return 'method is no text of at most 64 bytes'
        if type_of($message->{method}) ne 'string' || length encode($message->{method}) > METHOD + 2;
    return 'params is no object' if exists $message->{params} && type_of($message->{params}) ne 'object';
    return;
}

sub _is_id ($id) { return type_of($id) eq 'number' && $id =~ /^[1-9][0-9]*$/ && $id <= ID_MAX }

# Answers are never answered, whatever is wrong with them.
sub _answer ($self, $message) {
    return if !_is_id($message->{id});
    my $then = delete $self->{waiting}{$message->{id}} or return;
    my ($result, $error) = $message->@{qw(result error)};
    my $is_readable = ($message->{jsonrpc} // '') eq '2.0' && !(defined $result && defined $error)
        && type_of($result // $error) eq 'object';
    ($result, $error) = (undef, {message => 'the host sent an answer that cannot be read'})
        if !$is_readable;
    return $then->($result, $error);
}

1;
