# Loading: what goes wrong, where, and that revisions stay apart.
use v5.36;

use File::Temp 'tempdir';
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Alyx::Functions;

my $folder    = tempdir(CLEANUP => 1);
my $functions = Alyx::Functions->new;

sub write_file ($name, $text) {
    open my $file, '>', "$folder/$name" or die "$name: $!";
    print {$file} $text;
    close $file;
}

sub load ($name, $revision, %more) {
    my %params = (function => $name, revision => $revision, path => "$folder/$name.pl", root => $folder, %more);
    return eval { $functions->load(\%params, sub ($code) { $code->() }) } // $@;
}

for my $case (
    [syntax     => 2, "sub handler (\$ctx) {\n    return 1 +;\n}\n"],
    [syntax     => 1, "my \$x = \$y;\nsub handler { }\n"],
    [import     => 2, "\nuse No::Such::Module;\nsub handler { }\n"],
    [throw      => 3, "\n\ndie 'boom';\n"],
    [throw      => 1, "BEGIN { die 'boom' }\n"],
    [no_handler => undef, "sub helper { }\n"],
    [schema     => undef, "our \$schema = [1];\nsub handler { }\n"],
    [schema     => undef, "our \$schema = {input => sub { }};\nsub handler { }\n"],
) {
    my ($kind, $line, $text) = @$case;
    write_file('broken.pl', $text);
    my $failure = load('broken', 'r1');
    is $failure->{kind}, $kind, "$kind is told";
    is $failure->{file}, "$folder/broken.pl", 'with the file';
    is $failure->{line}, $line, 'and the line';
    unlike $failure->{message}, qr/\Q$folder\E.*line/, 'which the message does not repeat';
}
write_file('broken.pl', "sub handler { 'fine' }\n");
is load('broken', 'r1')->{handler}->(), 'fine', 'a failure does not spoil a later load';

write_file('Shared.pm', "package Shared;\nsub word { 'one' }\n1;\n");
write_file('uses.pl', "use Shared;\nmy \$calls = 0;\nsub handler { Shared::word() . ++\$calls }\n");
my $first = load('uses', 'r1');
write_file('Shared.pm', "package Shared;\nsub word { 'two' }\n1;\n");
my $second = load('uses', 'r2');
is_deeply [map { $_->{handler}->() } $first, $second, $first], ['one1', 'two1', 'one2'],
    'each revision has its own shared code and state';
is load('uses', 'r1'), $first, 'what is loaded is not loaded again';
$functions->unload($first);
is $functions->find('uses', 'r1'), undef, 'until it is unloaded';
is $second->{handler}->(), 'two2', 'which leaves the other alone';

write_file('slow.pl', "1 while 1;\n");
is load('slow', 'r1', timeoutMs => 50)->{kind}, 'timeout', 'top-level code has its time';

done_testing;
