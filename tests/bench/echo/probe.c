// Asks an echo server, and holds it to its answers: round trips, many connections, idle ones, a slow reader, sessions.
//
//   probe ping     HOST PORT CONNECTIONS SECONDS        each connection: a line of 64 octets, its answer, the next line
//   probe idle     HOST PORT CONNECTIONS SECONDS IDLE   the same beside idle ones; at last each of those says a line
//   probe slow     HOST PORT CONNECTIONS SECONDS        the same beside one that sends lines and never reads
//   probe ramp     HOST PORT CONNECTIONS SECONDS MOST   beside 1,000 idle ones, then 2,000, and so on, until it breaks
//   probe sessions HOST PORT CONNECTIONS TOTAL          connect, "hello", "quit", both answers, end; so often
//
// Prints a JSON object a line. `idle`, `slow` and `ramp` then keep their connections, so that somebody can look at the
// server meanwhile, until a line comes through their standard input (the next step), or its end.
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

enum { LINE = 64, MOST = 65536, SAMPLES = 20000000, PATIENCE_S = 10, POURED_AT_ONCE = 64 };

static const char QUESTION[LINE + 1] = "the quick brown fox jumps over the lazy dog, and 0123456789 too\n";
static const char ANSWER[LINE + 1] = "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG, AND 0123456789 TOO\n";
static const char TALK[] = "hello\nquit\n", BYE[] = "HELLO\nGood bye\n";
static const char WORD[] = "still here\n", WORD_ANSWER[] = "STILL HERE\n";

typedef struct {
    int fd;
    size_t got;
    long sent_ns, answers;
    char text[256];
} Connection;

static struct sockaddr_in server;
static Connection connections[MOST];
static int idle[MOST], idle_count;
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

static int try_one(int flags) {  // -1 if there is no way
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
    if (fd < 0) return -1;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!connect(fd, (struct sockaddr *)&server, sizeof server) || ((flags & SOCK_NONBLOCK) && errno == EINPROGRESS))
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int open_one(int flags) {
    int fd = try_one(flags);
    if (fd < 0) fail("connect");
    return fd;
}

static void ask(Connection *c) {
    c->got = 0;
    c->sent_ns = now_ns();
    if (send(c->fd, QUESTION, LINE, MSG_NOSIGNAL) != LINE) fail("send");
}

static void answered(Connection *c, int again) {
    ssize_t n = recv(c->fd, c->text + c->got, LINE - c->got, 0);
    if (n <= 0) fail("recv");
    if ((c->got += n) < LINE) return;
    if (memcmp(c->text, ANSWER, LINE)) { errno = EBADMSG; fail("a wrong answer"); }
    if (asked < SAMPLES) took_us[asked] = (now_ns() - c->sent_ns) / 1000.0f;
    asked++;
    c->answers++;
    if (again) ask(c);
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
        c->answers++;
    } while (at < end_ns);
}

static void ping(int count, double seconds, int deaf) {
    int poll = epoll_create1(EPOLL_CLOEXEC);
    asked = 0;
    for (int i = 0; i < count; i++) {
        connections[i].fd = open_one(0);
        connections[i].answers = 0;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &connections[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &e);
    }
    long poured = 0, begin = now_ns(), end = begin + (long)(seconds * 1e9);
    if (count == 1 && deaf < 0) {
        ping_one(&connections[0], end);
    } else {
        struct epoll_event ready[512];
        for (int i = 0; i < count; i++) ask(&connections[i]);
        while (asked < count) {  // everybody is accepted and answered once before the clock starts
            int n = epoll_wait(poll, ready, 512, 1000 * PATIENCE_S);
            if (n <= 0) { errno = ETIMEDOUT; fail("not everybody was answered"); }
            for (int i = 0; i < n; i++) answered(ready[i].data.ptr, 0);
        }
        asked = 0;
        for (int i = 0; i < count; i++) connections[i].answers = 0;
        begin = now_ns(), end = begin + (long)(seconds * 1e9);
        for (int i = 0; i < count; i++) ask(&connections[i]);
        while (now_ns() < end) {
            // A few lines at a time: while this side pours it does not ask, and a server may take in as fast as it pours.
            for (ssize_t n, lines = 0; deaf >= 0 && lines < POURED_AT_ONCE; lines++, poured += n)
                if ((n = send(deaf, QUESTION, LINE, MSG_NOSIGNAL | MSG_DONTWAIT)) <= 0) break;
            int n = epoll_wait(poll, ready, 512, 100);
            for (int i = 0; i < n; i++) answered(ready[i].data.ptr, 1);
        }
    }
    double spent = (now_ns() - begin) / 1e9;
    int served = 0;
    for (int i = 0; i < count; i++) served += connections[i].answers > 0;
    qsort(took_us, asked < SAMPLES ? asked : SAMPLES, sizeof *took_us, by_size);
    printf("{\"connections\": %d, \"served\": %d, \"idle\": %d, \"messages\": %ld, \"seconds\": %.3f,"
           " \"messages_per_s\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.0f,"
           " \"poured_octets\": %ld}\n",
           count, served, idle_count, asked, spent, asked / spent, part(0.5), part(0.99), part(1), poured);
    fflush(stdout);
    close(poll);
}

// The idle ones from this number on say one line each. Returns how many of them are answered rightly.
static int say_a_line(int from) {
    int answered = 0;
    for (int i = from; i < idle_count; i++)
        if (send(idle[i], WORD, sizeof WORD - 1, MSG_NOSIGNAL) != sizeof WORD - 1) return answered;
    for (int i = from; i < idle_count; i++) {
        char text[sizeof WORD];
        ssize_t n = recv(idle[i], text, sizeof WORD - 1, MSG_WAITALL);
        if (n != sizeof WORD - 1 || memcmp(text, WORD_ANSWER, n)) return answered;
        answered++;
    }
    return answered;
}

static int told_to_go_on(void) {
    int c;
    while ((c = getchar()) != EOF && c != '\n') {}
    return c != EOF;
}

static void ramp(int talking, double seconds, int most) {
    for (int step = 1000;; step = 2 * step < most ? 2 * step : most) {
        int before = idle_count;
        const char *why = NULL;
        while (!why && idle_count < step) {
            int fd = try_one(0);
            if (fd < 0) why = strerror(errno);
            else idle[idle_count++] = fd;
        }
        int answered = say_a_line(before);
        if (!why && answered < idle_count - before) why = "no answer for 10 s";
        if (why) {
            printf("{\"idle\": %d, \"end\": \"%s\"}\n", before + answered, why);
            fflush(stdout);
            told_to_go_on();
            return;
        }
        ping(talking, seconds, -1);
        for (int i = 0; i < talking; i++) close(connections[i].fd);
        if (!told_to_go_on() || step == most) return;
    }
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
    if (argc < 6) return fprintf(stderr, "usage: probe ping|idle|slow|ramp|sessions HOST PORT CONNECTIONS N [N]\n"), 2;
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[3]));
    if (inet_pton(AF_INET, argv[2], &server.sin_addr) != 1) return fprintf(stderr, "HOST must be an IPv4 address\n"), 2;
    int count = atoi(argv[4]);
    if (count < 1 || count > MOST) return fprintf(stderr, "from 1 to %d connections\n", MOST), 2;
    took_us = malloc(SAMPLES * sizeof *took_us);
    if (!strcmp(argv[1], "sessions")) return sessions(count, atol(argv[5])), 0;
    int others = argc > 6 ? atoi(argv[6]) : 0;
    if (others < 0 || others > MOST) return fprintf(stderr, "at most %d idle connections\n", MOST), 2;
    if (!strcmp(argv[1], "ramp")) return ramp(count, atof(argv[5]), others), 0;
    int deaf = strcmp(argv[1], "slow") ? -1 : open_one(0);
    while (idle_count < others) idle[idle_count++] = open_one(0);
    ping(count, atof(argv[5]), deaf);
    if (!strcmp(argv[1], "ping") || !told_to_go_on()) return 0;
    printf("{\"idle_answered\": %d}\n", say_a_line(0));
    fflush(stdout);
    told_to_go_on();
    return 0;
}
