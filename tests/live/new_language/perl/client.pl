#!/usr/bin/perl
# An echo client in Perl: asks for lines, plays a script, or passes its input through.
use strict;
use warnings;
use IO::Select;
use Socket qw(:addrinfo :DEFAULT);

my $USAGE = 'usage: echo-client [--script FILE] [HOST [PORT]]';
my ($server, $timeout_s);
my ($arrived, $tail, $ended, $said_good_bye, $reset) = ('', '', 0, 0, 0);

# ---- Connecting ----

sub text_of {
    my ($error, $host) = getnameinfo($_[0], NI_NUMERICHOST | NI_NUMERICSERV);
    return $host =~ s/%.*//r;
}

sub connect_to {
    my ($host, $port) = @_;
    my ($error, @found) = getaddrinfo($host, $port, { socktype => SOCK_STREAM });
    fail(1, qq{there is no host named "$host"; check the name}) if $error;
    my (@tried, %failed);
    for my $address (@found) {
        socket($server, $address->{family}, SOCK_STREAM, 0);
        $server->blocking(0);
        return if connect($server, $address->{addr});
        my $why = $! + 0;
        if ($!{EINPROGRESS}) {    # the SYN is sent; there is room to write when the SYN-ACK has come
            my $answered = IO::Select->new($server)->can_write($timeout_s);
            $why = $answered ? unpack('i', getsockopt($server, SOL_SOCKET, SO_ERROR)) : Errno::ETIMEDOUT();
            return unless $why;
        }
        $failed{$why} = 1;
        my $text = text_of($address->{addr});
        push @tried, $text unless grep { $_ eq $text } @tried;
    }
    my $names = join ' and ', @tried;
    fail(1, "$host port $port refused the connection (tried $names); start the server, or check the port")
        if $failed{ Errno::ECONNREFUSED() };
    fail(1, "no answer from $host port $port within $timeout_s s (tried $names); check address and firewall")
        if $failed{ Errno::ETIMEDOUT() };
    fail(1, "there is no way to $host port $port (tried $names); check address and network");
}

# ---- The stream from the server ----

# Wait for the server, or for another file: who can be read. Or (room) until the server takes octets.
sub wait_for {
    my ($also, $room, $limited) = @_;
    my $writing = $room ? IO::Select->new($server) : undef;
    my $limit_s = $limited || $said_good_bye ? $timeout_s : undef;
    my @news    = IO::Select->select(IO::Select->new($server, $also // ()), $writing, undef, $limit_s);
    return @{ $news[0] } if @news;
    fail(1, "the server has not answered for $timeout_s s; look at the server's log") unless $said_good_bye;
    $ended = 1;    # P31
    return;
}

sub receive {
    my $count = sysread($server, my $octets, 65536);
    fail(1, "the server reset the connection, text may be lost; look at the server's log")
        if !$said_good_bye && (!defined $count || (!$count && $reset));
    $ended = !$count;
    $tail  = substr($tail . ($octets // ''), -10) if $count;
    $said_good_bye ||= $tail =~ /Good bye[\r\n]*\z/;
    return $octets // '';
}

sub next_line {
    until ($ended || $arrived =~ /\n/) {
        last if length $arrived && !IO::Select->new($server)->can_read($timeout_s);    # a server without line ends
        $arrived .= receive() if wait_for(undef, 0, 1);
    }
    $arrived =~ s/^([^\n]*\n?)//;
    return $1;
}

# What the kernel has no room for.
sub send_some {
    my ($octets) = @_;
    my $sent = syswrite($server, $octets);
    return substr($octets, $sent) if defined $sent;
    return $octets if $!{EAGAIN};
    $reset ||= !$!{EPIPE};    # P33
    return '';
}

sub send_line {
    my ($waiting) = @_;
    while (length $waiting && !$ended && !$said_good_bye) {
        if   (wait_for(undef, 1, 1)) { $arrived .= receive() }
        else                         { $waiting = send_some($waiting) }
    }
}

# ---- The three ways to talk ----

sub converse {
    my ($ask) = @_;
    while (!$ended && !$said_good_bye) {
        my $line = $ask->();
        if (!defined $line) { shutdown($server, 1); last }
        last if $ended;
        send_line($line);
        show_line(next_line());
    }
    show_line(next_line()) until $ended;
    note('the server ', $said_good_bye ? 'said Good bye and ' : '', 'closed the connection');
}

sub ask {
    show('> ');
    my $typed = '';
    until ($typed =~ /\n\z/) {
        my @ready = wait_for(\*STDIN, 0, 0);
        if (grep { $_ == $server } @ready) {
            $arrived .= receive();
            if ($ended) { show("\n"); return "\n" }
        }
        elsif (!sysread(STDIN, $typed, 65536, length $typed)) {
            if (!length $typed) { show("\n"); return undef }
            $typed .= "\n";
        }
    }
    return $typed;
}

sub player {
    my ($path) = @_;
    open(my $file, '<', $path) or fail(2, qq{cannot read the script "$path"; name a text file that this user may read});
    my @lines = <$file>;
    $lines[0] =~ s/^\xEF\xBB\xBF// if @lines;
    return sub {
        while (defined(my $line = shift @lines)) {
            next if $line =~ /^#/;
            $line =~ s/\r?\n?\z/\n/;
            show("> $line");
            return $line;
        }
        return undef;
    };
}

sub pass_through {
    my ($waiting, $input_ended) = ('', 0);
    until ($ended) {
        my $ours = !length $waiting && !$input_ended;
        for my $one (wait_for($ours ? \*STDIN : undef, length $waiting, !$ours)) {
            if ($one == $server) { show(receive()) }
            elsif (!sysread(STDIN, $waiting, 65536)) {
                shutdown($server, 1);
                $input_ended = 1;
            }
        }
        $waiting = send_some($waiting) if length $waiting;
    }
}

# ---- Screen, arguments and errors ----

sub show {
    my ($octets) = @_;
    while (length $octets) {
        my $count = syswrite(STDOUT, $octets);
        exit 1 if !defined $count && $!{EPIPE};
        fail(1, 'cannot write to standard output; is the disk full?') unless defined $count;
        substr($octets, 0, $count) = '';
    }
}

sub show_line { show($_[0] =~ /[^\n]\z/ ? "$_[0]\n" : $_[0]) }

sub note { print STDERR @_, "\n" }

sub fail {
    my ($status, $sentence) = @_;
    note("echo-client: $sentence");
    exit $status;
}

sub number {
    my ($name, $text, $least, $most) = @_;
    return $text if $text =~ /^[0-9]{1,11}\z/ && $text >= $least && $text <= $most;
    fail(2, qq{$name is "$text"; it must be a number from $least to $most});
}

sub first_of {
    for (@_) { return $_ if length($_ // '') }
}

$SIG{TERM} = sub { exit 143 };
$SIG{INT}  = sub { note(''); exit 130 };
$SIG{PIPE} = 'IGNORE';
my ($path, @places);
while (defined(my $word = shift)) {
    if ($word eq '-h' || $word eq '--help') { show("$USAGE\n"); exit 0 }
    elsif ($word eq '--script') { $path = shift // fail(2, "$word needs a value; $USAGE") }
    elsif ($word =~ /^-/)       { fail(2, qq{"$word" is not an option; $USAGE}) }
    else                        { push @places, $word }
}
fail(2, qq{"$places[2]" is one argument too many; $USAGE}) if @places > 2;
my $host = first_of($places[0], $ENV{ECHO_HOST}, 'localhost');
my $port = number('the port', first_of($places[1], $ENV{ECHO_PORT}, 8080), 1, 65535);
$timeout_s = number('ECHO_TIMEOUT_S', first_of($ENV{ECHO_TIMEOUT_S}, 10), 1, 3600);
my $script = defined $path ? player($path) : undef;
connect_to($host, $port);
note("connected to $host (", text_of(getpeername $server), ") port $port") if $script || -t STDIN;
note('type a line and press Enter; quit or Ctrl-D ends') if !$script && -t STDIN;
if    ($script)  { converse($script) }
elsif (-t STDIN) { converse(\&ask) }
else             { pass_through() }
