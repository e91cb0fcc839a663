#!/usr/bin/perl
# An echo server in Perl: a process for every client.
use strict;
use warnings;
use Errno qw(EACCES EADDRINUSE EADDRNOTAVAIL ECONNRESET EMFILE ENFILE EPIPE);
use IO::Select;
use POSIX qw(WNOHANG);
use Socket qw(:addrinfo :DEFAULT IPPROTO_IPV6 IPPROTO_TCP IPV6_V6ONLY TCP_NODELAY);

my $USAGE = 'usage: echo-server [--host ADDR] [--port N]';
my ($peer, $stopping, %clients);
$| = 1;

# ---- Messages ----

sub capital_letters {
    my ($message) = @_;
    my $text = $message;
    return $message =~ tr/a-z/A-Z/r unless utf8::decode($text);    # it is not UTF-8
    # uc moves an iota below a letter (U+0345) behind other marks; letter by letter it can't.
    $text = $text =~ /\x{345}/ ? join('', map { uc } split //, $text) : uc $text;
    utf8::encode($text);
    return $text;
}

# ---- Connections; each lives in a process of its own ----

sub end_with {
    print "$peer $_[0]\n";
    exit 0;
}

sub gone { end_with($!{ECONNRESET} || $!{EPIPE} ? 'reset' : 'closed') }

sub send_all {
    my ($client, $octets) = @_;
    while (length $octets) {
        my $sent = syswrite($client, $octets);
        if (defined $sent) { substr($octets, 0, $sent) = '' }
        elsif (!$!{EINTR}) { gone() }
    }
}

sub close_connection {    # P16: a FIN, then read on until the peer's, but not for long
    my ($client) = @_;
    shutdown($client, 1);
    my $waiting = IO::Select->new($client);
    my $end     = time + 2;
    while (time <= $end && $waiting->can_read($stopping ? 0.25 : 1)) {
        my $count = sysread($client, my $thrown_away, 65536) // gone();
        last unless $count;
    }
    end_with('closed');
}

sub serve {
    my ($client, $longest, $flush_s, $log_messages) = @_;
    my ($line, $answers, $over) = ('', '', 0);
    my $answer = sub {
        my ($message, $line_end) = @_;
        if (length $message > $longest) {
            print "$peer sent a line longer than $longest bytes\n";
            $answers .= "ERROR line longer than $longest bytes\n";
            $over = 1;
        }
        elsif ($message =~ /^quit\z/i) {
            print "$peer said quit\n";
            $answers .= "Good bye$line_end";
            $over = 1;
        }
        else { $answers .= capital_letters($message) . $line_end }
    };
    my $waiting = IO::Select->new($client);
    print "$peer connected\n";
    until ($over) {
        # At the stop what has arrived is answered, but nothing is waited for.
        if ($waiting->can_read($stopping ? 0 : length $line ? $flush_s : undef)) {
            my $count = sysread($client, my $octets, 65536) // gone();
            print "$peer received $count octets\n" if $log_messages && $count;
            $over = !$count;
            my @pieces = split /\n/, $octets, -1;
            my $rest   = pop @pieces // '';
            for my $piece (@pieces) {
                $line .= $piece;
                my $line_end = $line =~ s/\r\z// ? "\r\n" : "\n";
                $answer->($line, $line_end);
                $line = '';
                last if $over;
            }
            $line .= $rest unless $over && $count;
            $answer->($line, '') if !$over && length($line) - ($line =~ /\r\z/) > $longest;
            $answer->($line, '') if !$count && length $line;
        }
        elsif (!$!{EINTR} || $stopping) {    # silence (P19), or the stop
            $answer->($line, '') if length $line;
            $line = '';
            $over = 1 if $stopping;
        }
        print "$peer sent ", length $answers, " octets\n" if $log_messages && length $answers;
        send_all($client, $answers);
        $answers = '';
    }
    close_connection($client);
}

# ---- The server ----

sub name_of {
    my ($error, $host, $port) = getnameinfo($_[0], NI_NUMERICHOST | NI_NUMERICSERV);
    $host =~ s/^::ffff:(?=\d+\.)|%.*//g;
    return $host =~ /:/ ? "[$host]:$port" : "$host:$port";
}

sub listen_on {
    my ($host, $port) = @_;
    my ($error, $first) = getaddrinfo($host, $port, { socktype => SOCK_STREAM, flags => AI_PASSIVE });
    fail(1, qq{there is no host named "$host"; check --host}) if $error;
    my $good = socket(my $listener, $first->{family}, SOCK_STREAM, 0);
    return listen_on('0.0.0.0', $port) if !$good && $host eq '::';
    setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1);
    setsockopt($listener, IPPROTO_IPV6, IPV6_V6ONLY, $host eq '::' ? 0 : 1) if $first->{family} == AF_INET6;
    return $listener if $good && bind($listener, $first->{addr}) && listen($listener, 4096);
    fail(1, "port $port is in use by another program; stop it, or choose another with --port") if $!{EADDRINUSE};
    fail(1, "port $port is not for this user; choose one from 1024 up with --port")            if $!{EACCES};
    fail(1, "$host is not an address of this machine; choose another with --host") if $!{EADDRNOTAVAIL};
    fail(1, "cannot listen on $host port $port; choose others with --host and --port");
}

sub run {
    my ($listener, @settings) = @_;
    $SIG{PIPE} = 'IGNORE';
    $SIG{TERM} = $SIG{INT} = sub { $stopping = 1 };
    $SIG{CHLD} = sub {
        while ((my $one = waitpid(-1, WNOHANG)) > 0) { delete $clients{$one} }
    };
    print 'listening on ', name_of(getsockname $listener), "\n";
    my $waiting = IO::Select->new($listener);
    until ($stopping) {
        next unless $waiting->can_read(1);    # a second at most: a signal may have come just before
        my $from = accept(my $client, $listener);
        my $pid  = $from ? fork : undef;
        if (!defined $pid) {
            next unless $from || $!{EMFILE} || $!{ENFILE};
            my ($what, $limit) = $from ? ('thread', '-u') : ('file descriptor', '-n');
            print STDERR "echo-server: no $what is left for one more connection; raise the limit (ulimit $limit)\n";
            sleep 1;
        }
        elsif ($pid) { $clients{$pid} = 1 }
        else {
            $SIG{CHLD} = 'DEFAULT';
            close $listener;
            setsockopt($client, IPPROTO_TCP, TCP_NODELAY, 1);
            $peer = name_of($from);
            serve($client, @settings);
        }
    }
    print "stopping\n";
    close $listener;
    kill TERM => keys %clients;
    for (1 .. 20) { last unless %clients; select(undef, undef, undef, 0.02) }
    kill KILL => keys %clients;
}

# Nobody may be there to read the log. What is left of it Perl would try to write once more, and complain.
END { close STDOUT }

# ---- Arguments and errors ----

sub fail {
    my ($status, $sentence) = @_;
    print STDERR "echo-server: $sentence\n";
    exit $status;
}

sub setting {
    my ($name, $otherwise) = @_;
    return length($ENV{$name} // '') ? $ENV{$name} : $otherwise;
}

sub number {
    my ($name, $text, $least, $most) = @_;
    return $text if $text =~ /^[0-9]{1,11}\z/ && $text >= $least && $text <= $most;
    fail(2, qq{$name is "$text"; it must be a number from $least to $most});
}

my %option = ('--host' => '', '--port' => '');
while (defined(my $word = shift)) {
    if ($word eq '-h' || $word eq '--help') { print "$USAGE\n"; exit 0 }
    fail(2, qq{"$word" is not an option; $USAGE}) unless exists $option{$word};
    $option{$word} = shift // fail(2, "$word needs a value; $USAGE");
}
my $host    = length $option{'--host'} ? $option{'--host'} : setting('ECHO_HOST', '::');
my $port    = length $option{'--port'} ? $option{'--port'} : setting('ECHO_PORT', 8080);
my $number  = number('the port', $port, 0, 65535);
my $longest = number('ECHO_MAX_LINE', setting('ECHO_MAX_LINE', 1048576), 1, 2**26);
my $flush_s = number('ECHO_FLUSH_MS', setting('ECHO_FLUSH_MS', 200), 1, 60000) / 1000;
my $log     = setting('ECHO_LOG', 'connections');
fail(2, qq{ECHO_LOG is "$log"; it must be connections or messages}) unless $log =~ /^(connections|messages)\z/;
run(listen_on($host, $number), $longest, $flush_s, $log eq 'messages');
