/* An echo server: it answers every line in capital letters, and "quit" with "Good bye".
 *
 *     echo-server [--host ADDR] [--port N]
 *
 * The rules (P1, P2, ...) are in docs/protocol.md, the arguments and log lines in images/CONTRACT.md; servers in other
 * languages follow the same two. One thread serves everybody: epoll asks the kernel which of all the sockets have
 * something to tell, and then a function is called for that Connection. So a function must never wait: every socket is
 * non-blocking, and a call that would have to wait fails with EAGAIN instead. */

#define _GNU_SOURCE /* accept4() */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unicase.h>
#include <unistd.h>
#include <unistr.h>

#define USAGE "usage: echo-server [--host ADDR] [--port N]"
#define GOOD_BYE "Good bye"
#define DISCARD_US 2000000     /* P16: how long we read on after our FIN */
#define STOP_US 500000         /* P26: the same when the whole server stops */
#define STOP_READING_US 250000 /* P26: how long, at most, we take in what had arrived before the stop */
#define REST_US 1000000        /* how long nobody is accepted when no file descriptor is left */
#define MOST_MAX_LINE (1 << 26) /* an answer may be three times as long, and is there more than once while it is made */
#define NO_MEMORY "no memory is left; give it more, or choose a smaller ECHO_MAX_LINE"
#define BACKLOG 4096           /* so many clients may wait, shaken hands with by the kernel, until we accept them */
#define READ_OCTETS 65536      /* the most that one read takes */

static void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define fail(status, ...) (log_error(__VA_ARGS__), exit(status))

/* ---- Octets: an array that grows. An empty one takes no memory, so an idle connection costs next to nothing ---- */

typedef struct {
    uint8_t *data;
    size_t length, capacity;
    bool failed; /* there was no memory: some octets are missing */
} Octets;

static void append(Octets *octets, const void *more, size_t length)
{
    if (length > octets->capacity - octets->length) {
        size_t capacity = 2 * (octets->length + length); /* twice as much: however it grows, it is seldom copied */
        uint8_t *data = realloc(octets->data, capacity);
        octets->failed = octets->failed || data == NULL;
        if (data == NULL)
            return;
        octets->data = data;
        octets->capacity = capacity;
    }
    if (length > 0)
        memcpy(octets->data + octets->length, more, length);
    octets->length += length;
}

static void append_text(Octets *octets, const char *text)
{
    append(octets, text, strlen(text));
}

static void release(Octets *octets)
{
    free(octets->data);
    *octets = (Octets){0};
}

/* ---- Messages: octets in, octets out; nothing here knows of sockets ---- */

/* Append the answer to a message (P9, P11): text in capital letters; of what is not UTF-8, only a to z change. */
static void capital_letters(const uint8_t *message, size_t length, Octets *answers)
{
    if (u8_check(message, length) == NULL) { /* it found nothing that is not UTF-8 */
        size_t count; /* no language, no normalising: */
        uint8_t *capitals = u8_toupper(message, length, NULL, NULL, NULL, &count);
        answers->failed = answers->failed || (capitals == NULL && length > 0);
        append(answers, capitals, capitals ? count : 0);
        free(capitals);
    } else {
        append(answers, message, length);
        length = answers->failed ? 0 : length;
        for (uint8_t *octet = answers->data + answers->length - length; length > 0; octet++, length--)
            if (*octet >= 'a' && *octet <= 'z')
                *octet -= 'a' - 'A';
    }
}

/* A line without its LF, as message and line end: CR LF is answered with CR LF (P3). Makes length the message's. */
static const char *split_line_end(const uint8_t *line, size_t *length)
{
    if (*length == 0 || line[*length - 1] != '\r')
        return "\n";
    *length -= 1;
    return "\r\n";
}

/* ---- Connections: what happens on the wire, and what we do about it ---- */

/* One client. TCP brings a stream of octets, not messages: a line comes in pieces, or many lines come at once. */
typedef struct Connection {
    int socket;
    char peer[INET6_ADDRSTRLEN + sizeof "[]:65535"];
    Octets line;                  /* the octets of the line that has no end yet */
    Octets answers;               /* what is to be sent; empty, most of the time */
    size_t taken;                 /* so many octets of the answers the kernel has taken */
    bool closing;                 /* nothing more will be answered: our FIN is sent, or on its way */
    bool fin_sent;                /* it is sent */
    bool peer_ended;              /* the peer's FIN has come */
    uint32_t events;              /* what epoll watches this socket for */
    struct List *list;            /* the list in which this connection waits, */
    TAILQ_ENTRY(Connection) next; /* whom it stands between, */
    int64_t since_us;             /* and since when */
} Connection;

/* Each connection stands in one of three lists. All those in one list wait equally long, and whoever comes stands at
 * the end: so the first of a list is the first whose time is over, and ten thousand timers cost nothing. */
typedef TAILQ_HEAD(List, Connection) List;

static struct {
    int epoll, listener, signals;
    int max_line, flush_us;
    bool log_messages, stopping;
    int64_t rest_until_us; /* nobody is accepted before this time; 0: we don't rest */
    List patient;          /* no clock runs for these */
    List unfinished;       /* these have sent the beginning of a line: they wait for silence (P19) */
    List discarding;       /* to these our FIN is sent: they wait for the peer's (P16) */
} server;

static void answer(Connection *, const uint8_t *message, size_t length, const char *line_end);
static void refuse_long_line(Connection *);
static void send_answers(Connection *);
static void answer_unfinished(Connection *);
static void stand_in(List *, Connection *);
static void expect_more(Connection *);
static void close_connection(Connection *);
static void connection_lost(Connection *, int error);
static void name_of(const struct sockaddr_storage *address, char *name, size_t size);
static int64_t now_us(void);

/* SYN, SYN-ACK and ACK are exchanged: the kernel did that on its own, before we heard of the client. */
static void connection_made(int socket, const struct sockaddr_storage *address)
{
    Connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        log_error(NO_MEMORY);
        close(socket);
        return;
    }
    connection->socket = socket;
    name_of(address, connection->peer, sizeof connection->peer);
    /* An answer leaves at once. Nagle's algorithm would keep a short one back until the one before is acknowledged. */
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event wish = {.data.ptr = connection};
    epoll_ctl(server.epoll, EPOLL_CTL_ADD, socket, &wish);
    log_line("%s connected", connection->peer);
    expect_more(connection);
}

/* Segments have arrived: the kernel has acknowledged them and put their octets in order. */
static void data_received(Connection *connection, const uint8_t *octets, size_t length)
{
    if (connection->closing)
        return; /* P16: read and thrown away, for close() with unread octets would send a RST, not a FIN */
    if (server.log_messages)
        log_line("%s received %zu octets", connection->peer, length);
    const uint8_t *end = octets + length, *line_feed;
    while (!connection->closing && (line_feed = memchr(octets, '\n', end - octets)) != NULL) {
        append(&connection->line, octets, line_feed - octets); /* only what is new was searched: a long line is cheap */
        if (connection->line.failed)
            break;
        octets = line_feed + 1;
        Octets line = connection->line;
        connection->line = (Octets){0};
        size_t message_length = line.length;
        const char *line_end = split_line_end(line.data, &message_length);
        answer(connection, line.data, message_length, line_end);
        release(&line);
    }
    if (!connection->closing) {
        append(&connection->line, octets, end - octets);
        /* P22: the limit is for the message alone. A CR at the end may be the first half of a line end. */
        size_t message_length = connection->line.length;
        split_line_end(connection->line.data, &message_length);
        if (message_length > (size_t)server.max_line)
            refuse_long_line(connection);
    }
    send_answers(connection);
}

static void answer(Connection *connection, const uint8_t *message, size_t length, const char *line_end)
{
    if (length > (size_t)server.max_line) {
        refuse_long_line(connection);
    } else if (length == 4 && strncasecmp((const char *)message, "quit", 4) == 0) { /* only A to Z: not "quıt" (P14) */
        log_line("%s said quit", connection->peer);
        append_text(&connection->answers, GOOD_BYE);
        append_text(&connection->answers, line_end);
        connection->closing = true;
    } else {
        capital_letters(message, length, &connection->answers);
        append_text(&connection->answers, line_end);
    }
}

static void refuse_long_line(Connection *connection)
{
    char error[64];
    snprintf(error, sizeof error, "ERROR line longer than %d bytes\n", server.max_line);
    log_line("%s sent a line longer than %d bytes", connection->peer, server.max_line);
    append_text(&connection->answers, error);
    release(&connection->line);
    connection->closing = true;
}

/* Hand all answers to the kernel at once: they share segments, as the lines may have done. */
static void send_answers(Connection *connection)
{
    Octets *answers = &connection->answers;
    if (answers->failed || connection->line.failed) { /* this connection ends, all others go on (P1) */
        log_error(NO_MEMORY);
        connection_lost(connection, ENOMEM);
        return;
    }
    while (connection->taken < answers->length) {
        /* The kernel copies what it has room for, and makes segments of it. MSG_NOSIGNAL: that the peer is gone shall
         * be an error (EPIPE), not a signal that ends us. */
        ssize_t count = send(connection->socket, answers->data + connection->taken, answers->length - connection->taken,
                             MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN)
            break; /* no room: the peer reads slowly. expect_more() has epoll tell when there is room again */
        if (count < 0) {
            connection_lost(connection, errno);
            return;
        }
        connection->taken += count;
    }
    if (answers->length > 0 && connection->taken == answers->length) {
        if (server.log_messages)
            log_line("%s sent %zu octets", connection->peer, answers->length);
        release(answers);
        connection->taken = 0;
    }
    expect_more(connection);
}

/* ---- A line without an end: 200 ms of silence (P19), or the peer's FIN (P18) ---- */

static void look_for_silence(void)
{
    Connection *connection;
    while ((connection = TAILQ_FIRST(&server.unfinished)) && connection->since_us + server.flush_us <= now_us()) {
        if (recv(connection->socket, &(char){0}, 1, MSG_PEEK) >= 0) { /* not silent: we were too busy to look */
            stand_in(&server.unfinished, connection);
            continue;
        }
        answer_unfinished(connection);
        send_answers(connection); /* leaves the list, as no line is unfinished any more */
    }
}

/* Answer the line that has no end, without one. What comes later starts a new message (P20). */
static void answer_unfinished(Connection *connection)
{
    Octets line = connection->line;
    connection->line = (Octets){0};
    if (line.length > 0 && !connection->closing)
        answer(connection, line.data, line.length, "");
    release(&line);
}

/* The peer's FIN: it will send no more. It can still receive, so its last line is answered first. */
static void eof_received(Connection *connection)
{
    connection->peer_ended = true;
    answer_unfinished(connection);
    close_connection(connection);
}

/* ---- What we wait for next; also for a peer that reads slowly (P24) ---- */

static void stand_in(List *list, Connection *connection)
{
    if (connection->list)
        TAILQ_REMOVE(connection->list, connection, next);
    TAILQ_INSERT_TAIL(list, connection, next);
    connection->list = list;
    connection->since_us = now_us();
}

/* The last step, whatever has happened. The connection may be gone afterwards. */
static void expect_more(Connection *connection)
{
    bool answers_wait = connection->answers.length > 0;
    if (connection->closing && !answers_wait && !connection->fin_sent) {
        shutdown(connection->socket, SHUT_WR); /* a FIN, behind the last octet of the answers */
        connection->fin_sent = true;
    }
    if (connection->fin_sent && connection->peer_ended) { /* both FINs are sent: nothing can come any more */
        connection_lost(connection, 0);
        return;
    }
    /* While answers wait we don't read. So our window closes too, and the peer can send no more: back-pressure. But
     * what we will only throw away we always read. */
    bool reading = !connection->peer_ended && (!answers_wait || connection->closing);
    uint32_t events = (reading ? EPOLLIN : 0) | (answers_wait ? EPOLLOUT : 0);
    if (events != connection->events) {
        struct epoll_event wish = {.events = events, .data.ptr = connection};
        epoll_ctl(server.epoll, EPOLL_CTL_MOD, connection->socket, &wish);
        connection->events = events;
    }
    if (connection->fin_sent)
        stand_in(&server.discarding, connection);
    else if (connection->line.length > 0 && reading && !connection->closing)
        stand_in(&server.unfinished, connection); /* at its end again, if it was there: the silence starts anew */
    else if (connection->list != &server.patient)
        stand_in(&server.patient, connection);
}

/* Something has come on this connection, or there is room for its answers. */
static void connection_ready(Connection *connection, uint32_t events)
{
    static uint8_t octets[READ_OCTETS];
    if (events & EPOLLOUT) {
        send_answers(connection);
        return;
    }
    ssize_t count = recv(connection->socket, octets, sizeof octets, 0); /* takes what is there; 0 is the peer's FIN */
    if (count > 0)
        data_received(connection, octets, count);
    else if (count == 0)
        eof_received(connection);
    else if (errno != EAGAIN)
        connection_lost(connection, errno);
}

/* ---- The end ---- */

/* End our side with a FIN, and read on until the peer's: "close" in P16. No octet is lost, no RST is sent. */
static void close_connection(Connection *connection)
{
    connection->closing = true;
    send_answers(connection); /* the FIN follows the last of them: expect_more() sends it */
}

static void look_for_peers_that_never_end(void)
{
    Connection *connection;
    while ((connection = TAILQ_FIRST(&server.discarding)) && connection->since_us + DISCARD_US <= now_us())
        connection_lost(connection, 0);
}

/* Both sides have ended, or the time is over, or (error) the peer sent a RST: give the socket back. */
static void connection_lost(Connection *connection, int error)
{
    log_line("%s %s", connection->peer, error == ECONNRESET || error == EPIPE ? "reset" : "closed");
    close(connection->socket); /* epoll forgets it, too */
    TAILQ_REMOVE(connection->list, connection, next);
    release(&connection->line);
    release(&connection->answers);
    free(connection);
}

/* ---- The server: the socket that listens, and the signals that stop it ---- */

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000 + now.tv_nsec / 1000;
}

/* Have epoll tell when this descriptor has something to tell; its name is the address of the variable it is in. */
static void watch(int *descriptor, uint32_t events)
{
    struct epoll_event wish = {.events = events, .data.ptr = descriptor};
    if (epoll_ctl(server.epoll, EPOLL_CTL_MOD, *descriptor, &wish) < 0)
        epoll_ctl(server.epoll, EPOLL_CTL_ADD, *descriptor, &wish);
}

/* Take all connections that the kernel has ready for us. */
static void accept_connections(void)
{
    for (;;) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        int socket = accept4(server.listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            connection_made(socket, &address);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_error("no file descriptor is left for one more connection; raise the limit (ulimit -n)");
            server.rest_until_us = now_us() + REST_US; /* the clients wait in the backlog meanwhile */
            watch(&server.listener, 0);
            return;
        } else if (errno == EAGAIN) {
            return;
        } /* any other error is the end of a client that has gone again: take the next */
    }
}

/* Wait until something happens, but not beyond a time (0: as long as it takes). Returns how many sockets had news. */
static int take_turn(int64_t until_us)
{
    Connection *silent = TAILQ_FIRST(&server.unfinished), *ending = TAILQ_FIRST(&server.discarding);
    int64_t wishes_us[] = {until_us, silent ? silent->since_us + server.flush_us : 0,
                           ending ? ending->since_us + DISCARD_US : 0, server.rest_until_us};
    int wait_ms = -1;
    for (size_t i = 0; i < sizeof wishes_us / sizeof *wishes_us; i++) {
        int64_t left_us = wishes_us[i] - now_us();
        int left_ms = left_us > 0 ? (left_us + 999) / 1000 : 0;
        if (wishes_us[i] && (wait_ms < 0 || left_ms < wait_ms))
            wait_ms = left_ms;
    }
    struct epoll_event events[64];
    int count = epoll_wait(server.epoll, events, 64, wait_ms);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &server.listener) {
            accept_connections();
        } else if (events[i].data.ptr == &server.signals) {
            struct signalfd_siginfo signal;
            server.stopping = read(server.signals, &signal, sizeof signal) > 0;
        } else {
            connection_ready(events[i].data.ptr, events[i].events);
        }
    }
    look_for_silence();
    look_for_peers_that_never_end();
    if (server.rest_until_us && server.rest_until_us <= now_us()) {
        server.rest_until_us = 0;
        watch(&server.listener, EPOLLIN);
    }
    return count;
}

/* P26: answer what has arrived, send every peer a FIN, and wait for theirs, but not for long. */
static void stop(void)
{
    server.rest_until_us = 0;
    close(server.listener); /* from now on a SYN is answered with a RST: refused */
    int64_t end_us = now_us() + STOP_READING_US;
    while (now_us() < end_us && take_turn(1) > 0) /* 1: a time long ago, so without waiting, until nothing is there */
        continue;
    List *lists[] = {&server.patient, &server.unfinished};
    for (int i = 0; i < 2; i++) {
        Connection *connection, *next;
        for (connection = TAILQ_FIRST(lists[i]); connection; connection = next) {
            next = TAILQ_NEXT(connection, next);
            answer_unfinished(connection);
            close_connection(connection);
        }
    }
    end_us = now_us() + STOP_US;
    while (now_us() < end_us && !(TAILQ_EMPTY(&server.patient) && TAILQ_EMPTY(&server.discarding)))
        take_turn(end_us);
}

static void run(void)
{
    sigset_t numbers;
    sigemptyset(&numbers);
    sigaddset(&numbers, SIGTERM);
    sigaddset(&numbers, SIGINT);
    sigprocmask(SIG_BLOCK, &numbers, NULL); /* no signal interrupts us any more: we read them, like octets */
    server.signals = signalfd(-1, &numbers, SFD_NONBLOCK | SFD_CLOEXEC);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    TAILQ_INIT(&server.patient);
    TAILQ_INIT(&server.unfinished);
    TAILQ_INIT(&server.discarding);
    watch(&server.signals, EPOLLIN);
    watch(&server.listener, EPOLLIN);

    struct sockaddr_storage address;
    char name[sizeof((Connection *)NULL)->peer];
    getsockname(server.listener, (struct sockaddr *)&address, &(socklen_t){sizeof address});
    name_of(&address, name, sizeof name);
    log_line("listening on %s", name);
    while (!server.stopping)
        take_turn(0);
    log_line("stopping");
    stop();
}

/* A listening socket. "::" stands for every address of this machine, of IPv6 and of IPv4 (P27). */
static int listen_on(const char *host, int port)
{
    bool both = strcmp(host, "::") == 0;
    int listener = both ? socket(AF_INET6, SOCK_STREAM, 0) : -1;
    if (listener >= 0)
        close(listener);
    else if (both) /* this system has no IPv6 */
        host = "0.0.0.0";

    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char service[12];
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(host, service, &hints, &found) != 0)
        fail(1, "there is no host named \"%s\"; check --host", host);
    listener = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Connections in TIME_WAIT, of a server that has just ended, don't keep us from its port. */
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (found->ai_family == AF_INET6)
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &(int){!both}, sizeof(int));
    /* bind() takes the port. listen() makes the kernel answer a SYN with a SYN-ACK; before, it refuses with a RST. */
    if (bind(listener, found->ai_addr, found->ai_addrlen) < 0 || listen(listener, BACKLOG) < 0) {
        switch (errno) {
        case EADDRINUSE:
            fail(1, "port %d is in use by another program; stop it, or choose another with --port", port);
        case EACCES:
            fail(1, "port %d is not for this user; choose one from 1024 up with --port", port);
        case EADDRNOTAVAIL:
            fail(1, "%s is not an address of this machine; choose another with --host", host);
        default:
            fail(1, "cannot listen on %s port %d; choose others with --host and --port", host, port);
        }
    }
    freeaddrinfo(found);
    return listener;
}

/* ---- Arguments, log lines, errors: as images/CONTRACT.md words them ---- */

/* An address as people write it: 192.0.2.20:40312 or [2001:db8::20]:40312. */
static void name_of(const struct sockaddr_storage *address, char *name, size_t size)
{
    const struct sockaddr_in *ip4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)address;
    bool six = address->ss_family == AF_INET6;
    bool mapped = six && IN6_IS_ADDR_V4MAPPED(&ip6->sin6_addr); /* ::ffff:192.0.2.20 is an IPv4 peer */
    const void *octets = mapped ? &ip6->sin6_addr.s6_addr[12] : six ? (void *)&ip6->sin6_addr : (void *)&ip4->sin_addr;
    char host[INET6_ADDRSTRLEN];
    inet_ntop(six && !mapped ? AF_INET6 : AF_INET, octets, host, sizeof host);
    /* The port is at the same place in the addresses of both IP versions. */
    snprintf(name, size, six && !mapped ? "[%s]:%d" : "%s:%d", host, ntohs(ip4->sin_port));
}

static void log_line(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    putchar('\n'); /* also hands the line over: standard output is buffered by lines */
}

static void log_error(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("echo-server: ", stderr);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
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
    const char *host = variable("ECHO_HOST", "::"), *port = variable("ECHO_PORT", "8080");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            puts(USAGE);
            return 0;
        }
        const char **option = strcmp(argv[i], "--host") == 0 ? &host : strcmp(argv[i], "--port") == 0 ? &port : NULL;
        if (option == NULL)
            fail(2, "\"%s\" is not an option; " USAGE, argv[i]);
        if (i + 1 == argc)
            fail(2, "%s needs a value; " USAGE, argv[i]);
        if (*argv[++i])
            *option = argv[i];
    }
    int port_number = number("the port", port, 0, 65535);
    server.max_line = number("ECHO_MAX_LINE", variable("ECHO_MAX_LINE", "1048576"), 1, MOST_MAX_LINE);
    server.flush_us = 1000 * number("ECHO_FLUSH_MS", variable("ECHO_FLUSH_MS", "200"), 1, 60000);
    const char *log = variable("ECHO_LOG", "connections");
    server.log_messages = strcmp(log, "messages") == 0;
    if (!server.log_messages && strcmp(log, "connections") != 0)
        fail(2, "ECHO_LOG is \"%s\"; it must be connections or messages", log);

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    signal(SIGPIPE, SIG_IGN); /* whoever read the log may be gone; that is no reason to stop */
    /* Every connection is a file descriptor. Take as many as we may have. */
    struct rlimit descriptors;
    getrlimit(RLIMIT_NOFILE, &descriptors);
    if (descriptors.rlim_max != RLIM_INFINITY)
        descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);
    server.listener = listen_on(host, port_number);
    run();
    return 0;
}
