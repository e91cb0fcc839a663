/* An echo client: it sends lines to an echo server and shows what comes back.
 *
 *     echo-client [--script FILE] [HOST [PORT]]
 *
 * On a terminal it asks for lines; with --script it plays the lines of a file, each after the answer to the one before;
 * else it sends whatever its standard input brings. The rules (P1, P2, ...) are in docs/protocol.md, the arguments and
 * sentences in images/CONTRACT.md; clients in other languages follow the same two. */

#define _GNU_SOURCE /* POLLRDHUP */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define USAGE "usage: echo-client [--script FILE] [HOST [PORT]]"
#define GOOD_BYE "Good bye"
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"
#define READ_OCTETS 65536 /* the most that one read takes */

static void show(const void *octets, size_t length);
static void show_text(const char *text);
static void show_line(const uint8_t *line, size_t length);
static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

/* ---- Octets: an array that grows at its end and is used up from its beginning ---- */

typedef struct {
    uint8_t *data;
    size_t length, capacity;
} Octets;

static void append(Octets *octets, const void *more, size_t length)
{
    if (length == 0)
        return;
    if (length > octets->capacity - octets->length) {
        octets->capacity = 2 * (octets->length + length); /* twice as much: however it grows, it is seldom copied */
        octets->data = realloc(octets->data, octets->capacity);
        if (octets->data == NULL)
            fail(1, "no memory is left; send shorter lines");
    }
    memcpy(octets->data + octets->length, more, length);
    octets->length += length;
}

static void remove_first(Octets *octets, size_t length)
{
    octets->length -= length;
    if (octets->length > 0)
        memmove(octets->data, octets->data + length, octets->length);
}

/* ---- Connecting ---- */

static void text_of(const struct sockaddr *address, char text[INET6_ADDRSTRLEN])
{
    const void *octets = address->sa_family == AF_INET6
                             ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                             : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    inet_ntop(address->sa_family, octets, text, INET6_ADDRSTRLEN);
}

/* A connection to one address; -1, and why in errno, if there is none. */
static int connect_to(const struct addrinfo *address, int timeout_s)
{
    int connection = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection < 0)
        return -1;
    int error = 0;
    /* Sends a SYN. Non-blocking, it doesn't wait for the SYN-ACK: poll() does, and not for ever. */
    if (connect(connection, address->ai_addr, address->ai_addrlen) < 0) {
        error = errno;
        struct pollfd answered = {.fd = connection, .events = POLLOUT};
        if (error == EINPROGRESS && poll(&answered, 1, 1000 * timeout_s) == 0)
            error = ETIMEDOUT;
        else if (error == EINPROGRESS) /* 0: the SYN-ACK has come, and our ACK is on its way */
            getsockopt(connection, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
    }
    if (error != 0) {
        close(connection);
        errno = error;
        return -1;
    }
    return connection; /* still non-blocking: what would have to wait fails with EAGAIN, and poll() does the waiting */
}

/* Try every address that the name has, one after the other, until a server answers. */
static int connect_to_one_of(const char *host, int port, int timeout_s)
{
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char service[12];
    snprintf(service, sizeof service, "%d", port);
    /* Asks /etc/hosts, then the DNS. A name may have several addresses: localhost has ::1 and 127.0.0.1. */
    if (getaddrinfo(host, service, &hints, &found) != 0)
        fail(1, "there is no host named \"%s\"; check the name", host);
    Octets tried = {0};
    bool refused = false, timed_out = false;
    for (const struct addrinfo *address = found; address; address = address->ai_next) {
        char text[INET6_ADDRSTRLEN], other[INET6_ADDRSTRLEN];
        int connection = connect_to(address, timeout_s);
        if (connection >= 0) {
            freeaddrinfo(found);
            free(tried.data);
            return connection;
        }
        refused = refused || errno == ECONNREFUSED; /* the SYN was answered with a RST */
        timed_out = timed_out || errno == ETIMEDOUT; /* the SYN was not answered at all */
        text_of(address->ai_addr, text);
        const struct addrinfo *earlier = found;
        while (earlier != address && (text_of(earlier->ai_addr, other), strcmp(text, other) != 0))
            earlier = earlier->ai_next;
        if (earlier == address) { /* not listed yet */
            append(&tried, " and ", tried.length > 0 ? 5 : 0);
            append(&tried, text, strlen(text));
        }
    }
    append(&tried, "", 1);
    const char *names = (const char *)tried.data;
    if (refused)
        fail(1, "%s port %d refused the connection (tried %s); start the server, or check the port", host, port, names);
    if (timed_out)
        fail(1, "no answer from %s port %d within %d s (tried %s); check address and firewall", host, port, timeout_s,
             names);
    fail(1, "there is no way to %s port %d (tried %s); check address and network", host, port, names);
}

/* ---- The stream from the server ---- */

/* What the server sends: a stream of octets, in which we look for lines. */
static struct {
    int connection, timeout_s;
    Octets octets; /* arrived, */
    size_t shown;  /* of which so many have been shown */
    char tail[sizeof GOOD_BYE "\r\n" - 1]; /* the last few octets that arrived */
    bool ended, said_good_bye, reset;
} incoming;

/* P31: no message is echoed as "Good bye": echoes have no small letters. */
static void look_for_good_bye(const uint8_t *octets, size_t length)
{
    size_t size = sizeof incoming.tail, added = length < size ? length : size;
    memmove(incoming.tail, incoming.tail + added, size - added);
    memcpy(incoming.tail + size - added, octets + length - added, added);
    size_t end = size;
    while (end > 0 && (incoming.tail[end - 1] == '\r' || incoming.tail[end - 1] == '\n'))
        end--;
    if (end >= strlen(GOOD_BYE) && memcmp(incoming.tail + end - strlen(GOOD_BYE), GOOD_BYE, strlen(GOOD_BYE)) == 0)
        incoming.said_good_bye = true;
}

/* Take what has arrived. Returns how many octets; 0 when the server has ended its side. */
static size_t receive(uint8_t octets[READ_OCTETS])
{
    ssize_t count = recv(incoming.connection, octets, READ_OCTETS, 0); /* takes what is there; 0 is the server's FIN */
    bool reset = count < 0 || (count == 0 && incoming.reset); /* it sent a RST: what was under way is lost */
    if (reset && !incoming.said_good_bye)
        fail(1, "the server reset the connection, text may be lost; look at the server's log");
    if (count <= 0) { /* P31: after its "Good bye" all is said, however the connection ends */
        incoming.ended = true;
        return 0;
    }
    look_for_good_bye(octets, count);
    return count;
}

/* Hand octets to the kernel, which makes segments of them. Returns how many it has taken: there may be no room. */
static size_t send_octets(const uint8_t *octets, size_t length)
{
    ssize_t count = send(incoming.connection, octets, length, MSG_NOSIGNAL);
    if (count >= 0 || errno == EAGAIN)
        return count > 0 ? count : 0;
    /* The server has ended the connection, and receive() notices too: what is left goes nowhere. P33: EPIPE comes after
     * its FIN. A RST without one is told only once: to send() or to recv(). */
    incoming.reset = incoming.reset || errno != EPIPE;
    return length;
}

/* The wait for the server has become too long. */
static void time_is_over(void)
{
    if (!incoming.said_good_bye)
        fail(1, "the server has not answered for %d s; look at the server's log", incoming.timeout_s);
    incoming.ended = true;
}

/* Send a line, and take what comes meanwhile (P30): else each side could wait for the other. */
static void send_line(const uint8_t *line, size_t length)
{
    static uint8_t piece[READ_OCTETS];
    while (length > 0 && !incoming.ended && !incoming.said_good_bye) {
        struct pollfd news = {.fd = incoming.connection, .events = POLLIN | POLLOUT};
        if (poll(&news, 1, 1000 * incoming.timeout_s) == 0) {
            time_is_over();
        } else if (news.revents & ~POLLOUT) {
            append(&incoming.octets, piece, receive(piece));
        } else {
            size_t taken = send_octets(line, length);
            line += taken;
            length -= taken;
        }
    }
}

/* Show the next line; what is there without a line end, if no more comes. */
static void show_next_line(void)
{
    static uint8_t piece[READ_OCTETS];
    Octets *octets = &incoming.octets;
    size_t searched = incoming.shown;
    const uint8_t *line_feed = NULL;
    for (;;) {
        if (octets->length > searched)
            line_feed = memchr(octets->data + searched, '\n', octets->length - searched);
        if (line_feed || incoming.ended)
            break;
        remove_first(octets, incoming.shown);
        incoming.shown = 0;
        searched = octets->length;
        struct pollfd arrival = {.fd = incoming.connection, .events = POLLIN};
        if (poll(&arrival, 1, 1000 * incoming.timeout_s) > 0)
            append(octets, piece, receive(piece));
        else if (octets->length > 0)
            break; /* a server that sends no line ends: its text shall be seen all the same */
        else
            time_is_over();
    }
    size_t begin = incoming.shown;
    incoming.shown = line_feed ? (size_t)(line_feed + 1 - octets->data) : octets->length;
    show_line(octets->data + begin, incoming.shown - begin);
}

/* ---- The three ways to talk ---- */

/* Where lines come from: a person or a script. Each puts the next one, with LF, where we ask it to. */
typedef enum { LINE, NO_MORE_LINES, SERVER_ENDED } Asked;
typedef Asked Ask(Octets *line);

/* Send one line, wait for its answer, show it; and so on. */
static void converse(Ask *next_line)
{
    for (;;) {
        Octets line = {0};
        Asked asked = next_line(&line);
        send_line(line.data, line.length);
        free(line.data);
        if (asked == NO_MORE_LINES)
            shutdown(incoming.connection, SHUT_WR); /* our FIN: no more lines. The server may still be sending */
        if (asked == SERVER_ENDED)
            show_text("\n"); /* leaves the line with the prompt */
        if (asked != LINE)
            break;
        show_next_line();
        if (incoming.said_good_bye || incoming.ended)
            break;
    }
    while (!incoming.ended)
        show_next_line();
    note("the server %sclosed the connection", incoming.said_good_bye ? "said Good bye and " : "");
}

/* A line from a person, with a prompt, until Ctrl-D. The terminal does the editing: it gives us whole lines. */
static Asked ask(Octets *line)
{
    static Octets typed;
    static bool input_ended;
    show_text("> ");
    for (;;) {
        const uint8_t *line_feed = typed.length > 0 ? memchr(typed.data, '\n', typed.length) : NULL;
        if (line_feed || (input_ended && typed.length > 0)) {
            size_t length = line_feed ? (size_t)(line_feed + 1 - typed.data) : typed.length;
            append(line, typed.data, length);
            append(line, "\n", line_feed ? 0 : 1);
            remove_first(&typed, length);
            return LINE;
        }
        if (input_ended) {
            show_text("\n");
            return NO_MORE_LINES;
        }
        struct pollfd news[] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = incoming.connection, .events = POLLRDHUP}, /* the other side has sent its FIN */
        };
        poll(news, 2, -1);
        if (news[1].revents)
            return SERVER_ENDED;
        uint8_t octets[4096];
        ssize_t count = read(STDIN_FILENO, octets, sizeof octets); /* 0: Ctrl-D */
        input_ended = count <= 0;
        append(&typed, octets, count > 0 ? count : 0);
    }
}

static struct {
    uint8_t *next, *end;
} script;

/* A line of the script, shown as if a person typed it. Lines that begin with # are not sent. */
static Asked play(Octets *line)
{
    while (script.next < script.end) {
        uint8_t *begin = script.next, *line_feed = memchr(begin, '\n', script.end - begin);
        uint8_t *end = line_feed ? line_feed : script.end;
        script.next = line_feed ? line_feed + 1 : script.end;
        if (end > begin && end[-1] == '\r')
            end--;
        if (begin < end && *begin == '#')
            continue;
        append(line, begin, end - begin);
        append(line, "\n", 1);
        show_text("> ");
        show(line->data, line->length);
        return LINE;
    }
    return NO_MORE_LINES;
}

/* Send all of our input; meanwhile show what comes back. Both at once: else each side could wait for the other. */
static void pass_through(void)
{
    static uint8_t octets[READ_OCTETS], input[READ_OCTETS];
    size_t length = 0, sent = 0; /* of the input that waits to be sent */
    bool input_ended = false;
    while (!incoming.ended) {
        bool waiting = sent < length;
        struct pollfd news[] = {
            {.fd = incoming.connection, .events = POLLIN | (waiting ? POLLOUT : 0)},
            {.fd = waiting || input_ended ? -1 : STDIN_FILENO, .events = POLLIN}, /* -1: not looked at */
        };
        /* We wait for the server only while it takes nothing, and when our input has ended. */
        bool limited = waiting || input_ended || incoming.said_good_bye;
        if (poll(news, 2, limited ? 1000 * incoming.timeout_s : -1) == 0)
            time_is_over();
        if (news[0].revents & ~POLLOUT)
            show(octets, receive(octets));
        if (news[1].revents) {
            ssize_t count = read(STDIN_FILENO, input, sizeof input);
            length = count > 0 ? count : 0;
            sent = 0;
            input_ended = count <= 0;
            if (input_ended)
                shutdown(incoming.connection, SHUT_WR); /* our FIN; what the server still sends, we go on receiving */
        }
        if (sent < length)
            sent += send_octets(input + sent, length - sent);
    }
}

static void talk(const char *host, Ask *next_line)
{
    if (next_line == NULL) {
        pass_through();
        return;
    }
    struct sockaddr_storage address;
    char text[INET6_ADDRSTRLEN];
    getpeername(incoming.connection, (struct sockaddr *)&address, &(socklen_t){sizeof address});
    text_of((struct sockaddr *)&address, text);
    /* The port is at the same place in the addresses of both IP versions. */
    note("connected to %s (%s) port %d", host, text, ntohs(((struct sockaddr_in *)&address)->sin_port));
    if (next_line == ask)
        note("type a line and press Enter; quit or Ctrl-D ends");
    converse(next_line);
}

/* ---- Screen, arguments, errors: as images/CONTRACT.md words them ---- */

static void show(const void *octets, size_t length)
{
    const uint8_t *next = octets;
    while (length > 0) {
        ssize_t count = write(STDOUT_FILENO, next, length);
        if (count < 0 && errno == EPIPE) /* whoever read our output has gone ("| head"): nothing to complain of */
            exit(1);
        if (count < 0)
            fail(1, "cannot write to standard output; is the disk full?");
        next += count;
        length -= count;
    }
}

static void show_text(const char *text)
{
    show(text, strlen(text));
}

/* A line for a person: on a line of its own, though it may have come without an end. */
static void show_line(const uint8_t *line, size_t length)
{
    show(line, length);
    if (length > 0 && line[length - 1] != '\n')
        show_text("\n");
}

/* For the person, not part of the conversation: on standard error. */
static void note(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
}

static void fail(int status, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("echo-client: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    exit(status);
}

/* Ctrl-C or SIGTERM. The kernel closes the socket of a program that has ended, which sends our FIN. */
static void end_at_once(int signal)
{
    if (signal == SIGINT && write(STDERR_FILENO, "\n", 1) < 0)
        _exit(1);
    _exit(128 + signal);
}

/* The lines of a script, without a byte order mark. */
static void read_script(const char *path)
{
    Octets octets = {0};
    uint8_t piece[READ_OCTETS];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count;
    while ((count = read(file, piece, sizeof piece)) > 0)
        append(&octets, piece, count);
    if (count < 0)
        fail(2, "cannot read the script \"%s\"; name a text file that this user may read", path);
    close(file);
    script.next = octets.data;
    script.end = octets.data + octets.length;
    if (octets.length >= strlen(BYTE_ORDER_MARK) && memcmp(octets.data, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        script.next += strlen(BYTE_ORDER_MARK);
}

/* The value of a variable; what is set but empty counts as not set. */
static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static int number(const char *name, const char *text, int least, int most)
{
    size_t length = strlen(text);
    long long value = atoll(text);
    if (length == 0 || length > 11 || strspn(text, "0123456789") != length || value < least || value > most)
        fail(2, "%s is \"%s\"; it must be a number from %d to %d", name, text, least, most);
    return (int)value;
}

int main(int argc, char *argv[])
{
    const char *path = NULL, *places[2] = {"", ""}, *surplus = NULL;
    int descriptor, count = 0;
    while ((descriptor = open("/dev/null", O_RDWR)) >= 0 && descriptor <= STDERR_FILENO)
        continue; /* started without any input, as by "<&-": else the socket would take its number */
    close(descriptor);
    signal(SIGTERM, end_at_once); /* by default process 1 of a container would ignore both */
    signal(SIGINT, end_at_once);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            puts(USAGE);
            return 0;
        } else if (strcmp(argv[i], "--script") == 0) {
            if (i + 1 == argc)
                fail(2, "%s needs a value; " USAGE, argv[i]);
            path = argv[++i];
        } else if (argv[i][0] == '-') {
            fail(2, "\"%s\" is not an option; " USAGE, argv[i]);
        } else if (count < 2) {
            places[count++] = argv[i];
        } else if (surplus == NULL) {
            surplus = argv[i];
        }
    }
    if (surplus)
        fail(2, "\"%s\" is one argument too many; " USAGE, surplus);
    const char *host = *places[0] ? places[0] : variable("ECHO_HOST", "localhost");
    int port = number("the port", *places[1] ? places[1] : variable("ECHO_PORT", "8080"), 1, 65535);
    incoming.timeout_s = number("ECHO_TIMEOUT_S", variable("ECHO_TIMEOUT_S", "10"), 1, 3600);
    if (path)
        read_script(path);
    incoming.connection = connect_to_one_of(host, port, incoming.timeout_s);
    talk(host, path ? play : isatty(STDIN_FILENO) ? ask : NULL);
    close(incoming.connection);
    return 0;
}
