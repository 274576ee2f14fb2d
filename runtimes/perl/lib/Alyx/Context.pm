# What a handler is given: `sub handler ($ctx)`.
#
# A thin face on the invocation; knows nothing of the wire.
package Alyx::Context;
use v5.36;

sub new ($class, $invocation) { return bless {invocation => $invocation}, $class }

# The body of the request.
sub input ($self) { return $self->{invocation}{params}{input} }

# The user: id, email, role, verified, metadata; undef without a token.
sub auth ($self) { return $self->{invocation}{params}{auth} }

# The environment of this function; %ENV has none of it.
sub env ($self) { return $self->{invocation}{function}{env} }

# id, method, headers, query, ip. A query value given once is text, else a list.
sub request ($self) { return $self->{request} //= $self->{invocation}->request }

# name, revision.
sub function ($self) {
    my $function = $self->{invocation}{function};
    return {name => $function->{name}, revision => $function->{revision}};
}

# When its time is over: seconds since 1970, with a fraction.
sub deadline ($self) { return $self->{invocation}{deadline} }

# $ctx->log->info('Post created', {id => $id}); also debug, warn, error.
sub log ($self) { return $self->{log} //= bless {invocation => $self->{invocation}}, 'Alyx::Context::Log' }

# The database, see Alyx::Database.
sub db ($self) { return $self->{invocation}->database }

# Waits for so many seconds, or fractions of one.
sub sleep ($self, $seconds) { return $self->{invocation}->sleep($seconds) }

# True once the call is cancelled. A handler that waits (sleep, the database) need not ask: an error
# of code CANCELLED comes out of that call; it may be caught to clean up.
sub is_cancelled ($self) { return $self->{invocation}->is_cancelled }

package Alyx::Context::Log;
use v5.36;

sub debug ($self, $message, @fields) { return $self->_add(debug => $message, @fields) }
sub info  ($self, $message, @fields) { return $self->_add(info  => $message, @fields) }
sub warn  ($self, $message, @fields) { return $self->_add(warn  => $message, @fields) }
sub error ($self, $message, @fields) { return $self->_add(error => $message, @fields) }

# Fields are a hash or a list of pairs.
sub _add ($self, $level, $message, @fields) {
    my $fields = @fields == 0 ? undef : @fields == 1 ? $fields[0] : {@fields, @fields % 2 ? (undef) : ()};
    return $self->{invocation}->log($level, $message, $fields);
}

1;
