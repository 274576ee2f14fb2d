# The database, as a handler sees it. Each call waits for its answer and dies with an Alyx::Error.
#
#     my $page  = $ctx->db->posts->list(filter => {published => true}, sort => '-created_at', limit => 20);
#     my $post  = $ctx->db->posts->get($id);                       # undef where there is none
#     my $made  = $ctx->db->collection('posts')->create({title => 'Hello'});
#     my $rows  = $ctx->db->query('SELECT id FROM posts WHERE author = ?', $author);
#     my $done  = $ctx->db->exec('UPDATE posts SET views = :n', {n => 0});   # {rows_affected, last_insert_id}
#     my $all   = $ctx->db->batch(['DELETE FROM a WHERE id = ?', 1], ['DELETE FROM b']);
#
# Judges nothing that it passes on.
package Alyx::Database;
use v5.36;

use Alyx::Error ();
use Alyx::Json qw(encode type_of);
use Alyx::Values qw(filter_to_wire from_wire to_wire);

sub new ($class, $invocation) { return bless {invocation => $invocation}, $class }

sub collection ($self, $name) { return bless {database => $self, name => "$name"}, 'Alyx::Collection' }

# $ctx->db->posts is $ctx->db->collection('posts').
our $AUTOLOAD;
sub AUTOLOAD ($self) { return $self->collection($AUTOLOAD =~ s/.*:://r) }
sub DESTROY { }

sub query ($self, $sql, @args) {
    my $result = $self->_call('db.query', _statement($sql, @args));
    die Alyx::Error->new(RESULT_TOO_LARGE => 'the host cut the rows short; ask for fewer with LIMIT')
        if $result->{truncated};
    my @columns = ($result->{columns} // [])->@*;
    return [map { my %row; @row{@columns} = @$_; from_wire([\%row])->[0] } ($result->{rows} // [])->@*];
}

sub exec ($self, $sql, @args) { return _done($self->_call('db.exec', _statement($sql, @args))) }

# All or none of them.
sub batch ($self, @statements) {
    my @ops = map { {method => 'db.exec', params => {_statement(@$_)}} } @statements;
    my $result = $self->_call('db.batch', ops => \@ops);
    return [map { _done($_) } ($result->{results} // [])->@*];
}

# A hash alone names the parameters, else they are in order.
sub _statement ($sql, @args) {
    my $args = @args == 1 && type_of($args[0]) eq 'object' ? _members($args[0]) : [map { to_wire($_) } @args];
    return (sql => "$sql", args => $args);
}

# Each member is a value; the hash itself is none.
sub _members ($hash) { return {map { $_ => to_wire($hash->{$_}) } keys %$hash} }

sub _done ($result) {
    return {rows_affected => $result->{changes}, last_insert_id => from_wire($result->{lastInsertId})};
}

sub _call ($self, $method, %params) {
    my $invocation = $self->{invocation};
    my ($capability, $name) = $method eq 'db.batch' ? ('batch', 'batches') : ('db', 'database');
    die Alyx::Error->new(UNAVAILABLE => "the host offers no $name")
        if !$invocation->{host}{capabilities}{$capability};
    my $json = '"inv":' . $invocation->id;
    for my $name (sort keys %params) {
        $json .= qq(,"$name":) . (eval { encode($params{$name}, $name) } // _refuse($@));
    }
    return $invocation->call($method, "{$json}");
}

sub _refuse ($why) {
    die $why if ref $why ne 'HASH';
    die Alyx::Error->new(VALIDATION_ERROR => "$why->{place}: $why->{kind} cannot be sent to a database");
}

package Alyx::Collection;
use v5.36;

use Alyx::Values qw(filter_to_wire from_wire to_wire);

# filter, sort, limit, offset, fields, count; a hash of docs and, unless count is false, total.
sub list ($self, @options) {
    my %options = @options == 1 ? $options[0]->%* : @options;
    $options{filter} = filter_to_wire($options{filter}) if exists $options{filter};
    my $result = $self->_call(list => %options);
    return {docs => from_wire($result->{docs} // []), exists $result->{total} ? (total => $result->{total}) : ()};
}

sub get    ($self, $id)        { return from_wire($self->_call(get => id => $id)->{doc}) }
sub create ($self, $data)      { return from_wire($self->_call(create => data => Alyx::Database::_members($data))->{doc}) }
sub update ($self, $id, $data) { return from_wire($self->_call(update => id => $id, data => Alyx::Database::_members($data))->{doc}) }
sub delete ($self, $id)        { $self->_call(delete => id => $id); return }

sub _call ($self, $method, %params) {
    return $self->{database}->_call("db.$method", collection => $self->{name}, %params);
}

1;
