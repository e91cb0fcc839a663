// Asks an echo server, and holds it to its answers: round trips, many connections, idle ones, a slow reader, sessions.
//
//   probe ping     HOST PORT CONNECTIONS SECONDS        each connection: a line of 64 octets, its answer, the next line
//   probe idle     HOST PORT CONNECTIONS SECONDS IDLE   the same beside idle connections
//   probe slow     HOST PORT CONNECTIONS SECONDS        the same beside one that sends lines and never reads
//   probe sessions HOST PORT CONNECTIONS TOTAL          connect, "hello", "quit", both answers, end; so often
//
// Prints one JSON object. After `idle` and `slow` have asked, they print it and keep their connections until their
// standard input ends, so that somebody can look at the server meanwhile.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 64, MOST = 20000, SAMPLES = 20000000 };

static const char QUESTION[LINE + 1] = "the quick brown fox jumps over the lazy dog, and 0123456789 too\n";
static const char ANSWER[LINE + 1] = "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG, AND 0123456789 TOO\n";
static const char TALK[] = "hello\nquit\n", BYE[] = "HELLO\nGood bye\n";

typedef struct {
    int fd;
    size_t got;
    long sent_ns;
    char text[256];
} Connection;

static struct sockaddr_in server;
static Connection connections[MOST];
static float *took_us;
static long asked;

static void fail(const char *what) {
    printf("{\"error\": \"%s: %s\"}\n", what, strerror(errno));
    exit(1);
}

static long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int open_one(int flags) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
    if (fd < 0) fail("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) fail("connect");
    return fd;
}

static void ask(Connection *c) {
    c->got = 0;
    c->sent_ns = now_ns();
    if (send(c->fd, QUESTION, LINE, MSG_NOSIGNAL) != LINE) fail("send");
}

static void answered(Connection *c) {
    ssize_t n = recv(c->fd, c->text + c->got, LINE - c->got, 0);
    if (n <= 0) fail("recv");
    if ((c->got += n) < LINE) return;
    if (memcmp(c->text, ANSWER, LINE)) { errno = EBADMSG; fail("a wrong answer"); }
    if (asked < SAMPLES) took_us[asked] = (now_ns() - c->sent_ns) / 1000.0f;
    asked++;
    ask(c);
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double part(double share) {
    long n = asked < SAMPLES ? asked : SAMPLES;
    return n ? took_us[(long)((n - 1) * share)] : 0;
}

static void ping_one(Connection *c, long end_ns) {  // no epoll between: the plainest round trip
    long at;
    do {
        at = now_ns();
        if (send(c->fd, QUESTION, LINE, MSG_NOSIGNAL) != LINE) fail("send");
        for (c->got = 0; c->got < LINE;) {
            ssize_t n = recv(c->fd, c->text + c->got, LINE - c->got, 0);
            if (n <= 0) fail("recv");
            c->got += n;
        }
        if (memcmp(c->text, ANSWER, LINE)) { errno = EBADMSG; fail("a wrong answer"); }
        if (asked < SAMPLES) took_us[asked++] = (now_ns() - at) / 1000.0f;
    } while (at < end_ns);
}

static void ping(int count, double seconds, int deaf) {
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < count; i++) {
        connections[i].fd = open_one(0);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &connections[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &e);
    }
    long poured = 0, begin = now_ns(), end = begin + (long)(seconds * 1e9);
    if (count == 1 && deaf < 0) {
        ping_one(&connections[0], end);
    } else {
        for (int i = 0; i < count; i++) ask(&connections[i]);
        struct epoll_event ready[512];
        while (now_ns() < end) {
            if (deaf >= 0)
                for (ssize_t n; (n = send(deaf, QUESTION, LINE, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0;) poured += n;
            int n = epoll_wait(poll, ready, 512, 100);
            for (int i = 0; i < n; i++) answered(ready[i].data.ptr);
        }
    }
    double spent = (now_ns() - begin) / 1e9;
    qsort(took_us, asked < SAMPLES ? asked : SAMPLES, sizeof *took_us, by_size);
    printf("{\"connections\": %d, \"messages\": %ld, \"seconds\": %.3f, \"messages_per_s\": %.0f, \"p50_us\": %.1f,"
           " \"p99_us\": %.1f, \"max_us\": %.0f, \"poured_octets\": %ld}\n",
           count, asked, spent, asked / spent, part(0.5), part(0.99), part(1), poured);
    fflush(stdout);
}

static void begin_session(Connection *c, int poll) {
    c->fd = open_one(SOCK_NONBLOCK);
    c->got = 0;
    c->sent_ns = 0;
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &e);
}

static void sessions(int count, long total) {
    int poll = epoll_create1(EPOLL_CLOEXEC);
    long begun = 0, ended = 0, begin = now_ns();
    for (; begun < count && begun < total; begun++) begin_session(&connections[begun], poll);
    while (ended < total) {
        struct epoll_event ready[512];
        int n = epoll_wait(poll, ready, 512, 20000);
        if (n <= 0) { errno = ETIMEDOUT; fail("no session ended for 20 s"); }
        for (int i = 0; i < n; i++) {
            Connection *c = ready[i].data.ptr;
            if (!c->sent_ns) {
                if (send(c->fd, TALK, sizeof TALK - 1, MSG_NOSIGNAL) != sizeof TALK - 1) fail("send");
                c->sent_ns = 1;
                struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(poll, EPOLL_CTL_MOD, c->fd, &e);
                continue;
            }
            ssize_t got = recv(c->fd, c->text + c->got, sizeof c->text - c->got, 0);
            if (got < 0) fail("recv");
            c->got += got;
            if (got) continue;
            if (c->got != sizeof BYE - 1 || memcmp(c->text, BYE, c->got)) { errno = EBADMSG; fail("wrong answers"); }
            close(c->fd);
            ended++;
            if (begun < total) begun++, begin_session(c, poll);
        }
    }
    double spent = (now_ns() - begin) / 1e9;
    printf("{\"sessions\": %ld, \"seconds\": %.2f, \"sessions_per_s\": %.0f}\n", ended, spent, ended / spent);
}

int main(int argc, char **argv) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (argc < 6) return fprintf(stderr, "usage: probe ping|idle|slow|sessions HOST PORT CONNECTIONS N [IDLE]\n"), 2;
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[3]));
    if (inet_pton(AF_INET, argv[2], &server.sin_addr) != 1) return fprintf(stderr, "HOST must be an IPv4 address\n"), 2;
    int count = atoi(argv[4]);
    if (count < 1 || count > MOST) return fprintf(stderr, "from 1 to %d connections\n", MOST), 2;
    took_us = malloc(SAMPLES * sizeof *took_us);
    if (!strcmp(argv[1], "sessions")) return sessions(count, atol(argv[5])), 0;
    int deaf = -1;
    if (!strcmp(argv[1], "idle") && argc > 6)
        for (int i = atoi(argv[6]); i > 0; i--) open_one(0);
    if (!strcmp(argv[1], "slow")) deaf = open_one(0);
    ping(count, atof(argv[5]), deaf);
    if (strcmp(argv[1], "ping")) while (getchar() != EOF) {}
    return 0;
}
