# STDOUT and STDERR as user code sees them: what is printed becomes log entries.
#
# Child processes have the real descriptors, and so does what is written below Perl's handles.
package Alyx::Output;
use v5.36;

use POSIX ();

my %DESCRIPTOR = (stdout => 1, stderr => 2);

# From here on prints go to the log that $worker says is the current one.
sub capture ($class, $worker) {
    tie *STDOUT, $class, $worker, 'stdout';
    tie *STDERR, $class, $worker, 'stderr';
    return;
}

# A line on the real descriptor 2: the shim's own last words.
sub complain ($line) {
    POSIX::write(2, my $text = "alyx-shim-perl: $line\n", length "alyx-shim-perl: $line\n");
    return;
}

sub TIEHANDLE ($class, $worker, $stream) {
    return bless {worker => $worker, stream => $stream, pid => $$}, $class;
}

sub WRITE ($self, $text, $length = length $text, $offset = 0) {
    $text = substr $text, $offset, $length;
    my $fd = $DESCRIPTOR{$self->{stream}};
    return POSIX::write($fd, $text, length $text) if $$ != $self->{pid};
    $self->{worker}->print($self->{stream}, $text);
    return $length;
}

sub PRINT ($self, @parts) {
    no warnings 'uninitialized';
    $self->WRITE(join($, // '', @parts) . ($\ // ''));
    return 1;
}

sub PRINTF ($self, $format, @values) {
    $self->WRITE(sprintf $format, @values);
    return 1;
}

sub FILENO ($self) { return $DESCRIPTOR{$self->{stream}} }
sub BINMODE        { return 1 }
sub CLOSE          { return 1 }
sub OPEN           { return 1 }

1;
