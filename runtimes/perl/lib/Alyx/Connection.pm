# The one connection to the host: opened, read from, written to.
#
# Knows addresses and descriptors, not what the bytes mean. Nothing here waits for the host but
# `write`, and that not for ever.
package Alyx::Connection;
use v5.36;

use Errno qw(EAGAIN EINTR);
use Fcntl qw(F_GETFL F_SETFL F_SETOWN O_ASYNC O_NONBLOCK);
use IO::Handle ();
use IO::Socket::UNIX ();
use Time::HiRes ();

# In seconds and bytes.
use constant {PATIENCE => 5, STALLED => 10, CHUNK => 1 << 18};

my $USAGE = 'this is started by an Alyx host, with ALYX_ADDR and ALYX_TOKEN in its environment; '
    . "ALYX_ADDR is unix:/path, tcp:host:port or stdio, not '%s'";

# The connection, or a text: the exit code and why. User code's child processes get none of its
# descriptors, for Perl closes all above 2 when it starts a program.
sub open ($class, $address) {
    my ($in, $out);
    if ($address eq 'stdio') {
        ($in, $out) = _private_stdio();
    }
    elsif ($address =~ /^unix:(.+)/) {
        $in = $out = IO::Socket::UNIX->new(Peer => $1, Timeout => PATIENCE)
            or return "1 cannot connect to '$address': $!";
    }
    elsif ($address =~ /^tcp:(?:\[(.+)\]|([^:]+)):(\d+)$/) {
        require IO::Socket::IP;
        $in = $out = IO::Socket::IP->new(
            PeerHost => $1 // $2, PeerPort => $3, Timeout => PATIENCE, Proto => 'tcp',
        ) or return "1 cannot connect to '$address': $@";
        $in->setsockopt(Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1);
    }
    else {
        return '2 ' . sprintf $USAGE, $address;
    }
    my $self = bless {in => $in, out => $out, pid => $$, closed => 0}, $class;
    $self->_announce_input;
    return $self;
}

# What user code prints to descriptor 1 must never reach the host as frames.
sub _private_stdio {
    CORE::open my $in,  '<&', \*STDIN  or die "cannot keep descriptor 0: $!\n";
    CORE::open my $out, '>&', \*STDOUT or die "cannot keep descriptor 1: $!\n";
    CORE::open STDOUT, '>&', \*STDERR     or die "cannot move descriptor 1: $!\n";
    CORE::open STDIN,  '<',  '/dev/null'  or die "cannot empty descriptor 0: $!\n";
    STDOUT->autoflush(1);
    return ($in, $out);
}

# SIGIO comes with every arrival: so frames are read while user code computes. Who catches it must
# be in place before.
sub _announce_input ($self) {
    $SIG{IO} //= sub { };
    binmode $_ for $self->@{qw(in out)};
    fcntl $self->{in}, F_SETOWN, 0 + $$ or die "cannot be told of input: $!\n";
    for my $handle ($self->{in}, $self->{out}) {
        my $async = $handle == $self->{in} ? O_ASYNC : 0;
        my $flags = fcntl $handle, F_GETFL, 0;
        fcntl $handle, F_SETFL, $flags | O_NONBLOCK | $async or die "cannot be non-blocking: $!\n";
    }
    return;
}

# True in a process that user code forked: it must leave the connection alone.
sub is_foreign ($self) { return $$ != $self->{pid} }

sub is_closed ($self) { return $self->{closed} }

# What has arrived: bytes, or nothing when there is none. The end of the stream closes.
sub read ($self) {
    return if $self->{closed};
    my $count = sysread $self->{in}, my $bytes, CHUNK;
    return $bytes if $count;
    $self->{closed} = 1 if defined $count || ($! != EAGAIN && $! != EINTR);
    return;
}

# Waits until something may be there to read, a signal came, or the time (from Time::HiRes) is over.
sub wait ($self, $until) {
    my $left = defined $until ? $until - Time::HiRes::time() : undef;
    return if defined $left && $left <= 0;
    vec(my $watched = '', fileno $self->{in}, 1) = 1;
    select $watched, undef, undef, $left;
    return;
}

# All of it, or the connection is closed.
sub write ($self, $bytes) {
    return if $self->{closed} || $self->is_foreign;
    my $done = 0;
    while ($done < length $bytes) {
        my $count = syswrite $self->{out}, $bytes, CHUNK, $done;
        if    ($count)        { $done += $count }
        elsif ($! == EAGAIN)  { $self->_is_writable or last }
        elsif ($! != EINTR)   { last }
    }
    $self->{closed} = 1 if $done < length $bytes;
    return;
}

sub _is_writable ($self) {
    my $until = Time::HiRes::time() + STALLED;
    while ((my $left = $until - Time::HiRes::time()) > 0) {
        vec(my $watched = '', fileno $self->{out}, 1) = 1;
        return 1 if 0 < select undef, $watched, undef, $left;
    }
    return 0;
}

sub close ($self) {
    $self->{closed} = 1;
    CORE::close $_ for $self->@{qw(in out)};
    return;
}

1;
