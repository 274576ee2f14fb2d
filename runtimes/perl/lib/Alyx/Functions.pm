# Functions: source files to handlers, each revision in a package of its own.
#
# Knows nothing of the wire; a failure is a hash of kind, message, file, line and stack.
package Alyx::Functions;
use v5.36;
no warnings 'experimental::builtin';

# Compiles and runs a source, first in this file: it sees none of the shim's variables. Functions
# are written in the Perl of this very line.
sub _compile {
    use builtin qw(true false);
    no warnings 'once';
    eval $_[0];
    return $@ ne '' ? $@ : undef;
}

use File::Basename 'dirname';
use Symbol ();
use Time::HiRes ();

use Alyx::Json qw(encode type_of);

my $loaded = 0;

sub new ($class) { return bless {by_key => {}}, $class }

sub find ($self, $name, $revision) { return $self->{by_key}{"$name\0$revision"} }

# Takes in a revision, and gives the function; dies with a failure. $run is called with the code
# that runs the author's.
sub load ($self, $params, $run) {
    my ($name, $revision, $path) = $params->@{qw(function revision path)};
    return $self->{by_key}{"$name\0$revision"} //= do {
        my $function = {
            name     => $name,
            revision => $revision,
            env      => $params->{env} // {},
            package  => 'Alyx::Function::F' . ++$loaded,
            # Where its code may be, then its packages, then what came with Perl.
            inc => [dirname($path), grep({ defined } $params->{root}), ($params->{paths} // [])->@*, @INC],
        };
        my $lived = eval { _bring_in($function, $params, $run); 1 };
        my $failure = $@;
        if (!$lived) {
            Symbol::delete_package($function->{package});
            die $failure;
        }
        $function;
    };
}

sub unload ($self, $function) {
    delete $self->{by_key}{"$function->{name}\0$function->{revision}"};
    Symbol::delete_package($function->{package});
    return;
}

sub _bring_in ($function, $params, $run) {
    my ($path, $package) = ($params->{path}, $function->{package});
    my $source = _read($path);
    _forget_modules($params->{root} // dirname $path);
    our $is_compiled = 0;
    my $error = _within($params->{timeoutMs}, sub {
        local @INC = $function->{inc}->@*;
        $run->(sub {
            _compile(qq(package $package; UNITCHECK { \$Alyx::Functions::is_compiled = 1 }\n)
                . qq(#line 1 "$path"\n$source));
        });
    });
    die _failure($error, $path, $is_compiled) if defined $error;

    my $entry = $params->{entry} // 'handler';
    $function->{handler} = $package->can($entry)
        or die {kind => 'no_handler', file => $path, message => "'$path' has no sub '$entry'"};
    no strict 'refs';
    my $schema = ${"${package}::schema"};
    $function->{schema} = _schema($schema, $path) if defined $schema;
    return;
}

sub _read ($path) {
    open my $file, '<:encoding(UTF-8)', $path
        or die {kind => 'import', file => $path, message => "cannot read '$path': $!"};
    local $/ = undef;
    return <$file>;
}

sub _schema ($schema, $path) {
    my $json = type_of($schema) eq 'object' ? eval { encode($schema, 'schema') } : undef;
    return $json if defined $json;
    my $why = ref $@ eq 'HASH' ? "$@->{place} is $@->{kind}" : 'it is no hash';
    die {kind => 'schema', file => $path, message => "\$schema is not plain JSON: $why"};
}

# Shared code is taken in anew with each revision. What was compiled before keeps the subs it calls,
# because only the name of the package goes away.
sub _forget_modules ($root) {
    for my $module (grep { index($INC{$_} // '', "$root/") == 0 } keys %INC) {
        delete $INC{$module};
        next if $module !~ /\A(.+)\.pm\z/;
        my @names = split m{/}, $1;
        my $last = pop @names;
        my $stash = \%main::;
        $stash = exists $stash->{"${_}::"} ? \%{$stash->{"${_}::"}} : {} for @names;
        delete $stash->{"${last}::"};
    }
    return;
}

# The error of user code, or none. Code that uses the alarm itself is not timed.
sub _within ($ms, $code) {
    my $is_over = 0;
    my $error = do {
        local $SIG{ALRM} = sub { $is_over = 1; die "its time is over\n" };
        Time::HiRes::alarm($ms / 1000) if $ms;
        my $error;
        eval { $error = $code->(); 1 } or $error = $@;
        Time::HiRes::alarm(0) if $ms;
        $error;
    };
    return {kind => 'timeout', message => "its top-level code did not end in $ms ms"} if $is_over;
    return $error;
}

# Perl tells place and reason in one text.
sub _failure ($error, $path, $is_compiled) {
    return {$error->%*, file => $path} if ref $error eq 'HASH' && exists $error->{kind};
    my $text = "$error";
    my $kind = $text =~ /^Can't locate \S+ in \@INC/ ? 'import'
        : $is_compiled                               ? 'throw'
        : $text =~ /^BEGIN failed/m && $text !~ /^Compilation failed|syntax error/m ? 'throw'
        :                                              'syntax';
    my ($message) = $text =~ /^(.* line \d.*)$/m;
    $message //= $text;
    my ($file, $line) = $message =~ /.* at (\S.*?) line (\d+)/;
    $message =~ s/ at \Q$file\E line \d+\.?//                      if defined $file;
    $message =~ s/ \(you may need [^)]*\)| \(\@INC contains: .*\)//g;
    return {
        kind => $kind, message => $message, stack => $text, file => $file // $path,
        defined $line ? (line => 0 + $line) : (),
    };
}

1;
