# Log entries on the real descriptor 1 as well, for the log of the engine that runs the worker's
# container.
#
# A line begins with its time, by which the host knows what it has got already. Knows nothing of
# invocations and limits.
package Alyx::Echo;
use v5.36;

use POSIX ();

use Alyx::Json qw(encode);

my $is_wanted = 0;

sub on ($class) { $is_wanted = 1; return }

# One entry as the host gets it.
sub line ($class, $entry) {
    return if !$is_wanted;
    my $seconds = POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime $entry->{ts} / 1000);
    utf8::encode(my $line = $entry->{msg});
    $line = sprintf '%s.%03dZ %s %s', $seconds, $entry->{ts} % 1000, uc $entry->{level}, $line;
    $line .= ' ' . encode($entry->{fields}, 'fields', sub ($, $kind) { "[$kind]" }) if $entry->{fields};
    $line =~ s/\r//g;
    $line =~ s/\n/\\n/g;
    # Nobody may read; the host has the line.
    POSIX::write(1, "$line\n", 1 + length $line);
    return;
}

1;
