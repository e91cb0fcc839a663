// An echo server: it answers every line in capital letters, and "quit" with "Good bye".
//
//     echo-server [--host ADDR] [--port N]
//
// The rules (P1, P2, ...) are in docs/protocol.md, the arguments and log lines in images/CONTRACT.md; servers in other
// languages follow the same two. Every Connection has a thread of its own, which waits until its peer sends something:
// so a conversation can be read from top to bottom, and who waits keeps nobody else waiting.

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <format>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <syncstream>
#include <system_error>
#include <thread>
#include <unicase.h>
#include <unistr.h>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::string_view USAGE = "usage: echo-server [--host ADDR] [--port N]";
constexpr std::string_view GOOD_BYE = "Good bye";
constexpr auto DISCARD = 2s;         // P16: how long we read on after our FIN
constexpr auto STOP = 500ms;         // P26: the same when the whole server stops
constexpr auto STOP_READING = 250ms; // P26: how long, at most, we take in what had arrived before the stop
constexpr auto REST = 1000ms;        // how long nobody is accepted when no file descriptor is left
constexpr int MOST_MAX_LINE = 1 << 26; // an answer may be three times as long, and is there more than once while made
constexpr int BACKLOG = 4096;        // so many clients may wait, shaken hands with by the kernel, until we accept them
constexpr std::size_t READ_OCTETS = 65536;   // the most that one read takes
constexpr std::size_t STACK_OCTETS = 262144; // by default 8 MiB: ten thousand threads would take 80 GiB of addresses

constexpr const char *NO_MEMORY = "no memory is left; give it more, or choose a smaller ECHO_MAX_LINE";

void log(const std::string &text);
void log_error(const std::string &sentence);
[[noreturn]] void fail(int status, const std::string &sentence);
std::string name_of(const sockaddr_storage &address);

// ---- Messages: octets in, octets out; nothing here knows of sockets ----

// The answer to a message (P9, P11): text in capital letters; of what is not UTF-8, only a to z change.
std::string capital_letters(std::string message)
{
    const auto *octets = reinterpret_cast<const std::uint8_t *>(message.data());
    if (u8_check(octets, message.size()) == nullptr) { // it found nothing that is not UTF-8
        struct Free {
            void operator()(std::uint8_t *memory) const { std::free(memory); }
        };
        std::size_t length = 0;
        const std::unique_ptr<std::uint8_t, Free> capitals(
            u8_toupper(octets, message.size(), nullptr, nullptr, nullptr, &length)); // no language, no normalising
        if (!capitals)
            throw std::bad_alloc();
        return {reinterpret_cast<const char *>(capitals.get()), length};
    }
    for (char &octet : message)
        if (octet >= 'a' && octet <= 'z')
            octet = static_cast<char>(octet - 'a' + 'A');
    return message;
}

// A line without its LF, as message and line end: CR LF is answered with CR LF (P3).
std::pair<std::string, std::string_view> split_line_end(std::string line)
{
    if (!line.ends_with('\r'))
        return {std::move(line), "\n"};
    line.pop_back();
    return {std::move(line), "\r\n"};
}

// ---- Connections: what happens on the wire, and what we do about it ----

// A file descriptor, closed when its owner goes. Of a socket: both sides must have sent their FIN, or a RST may follow.
class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor &&other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor &operator=(Descriptor &&) = delete;
    ~Descriptor()
    {
        if (number_ >= 0)
            ::close(number_);
    }
    operator int() const { return number_; }

private:
    int number_;
};

// What all connections share.
struct Server {
    int max_line = 0;
    int flush_ms = 0;
    bool log_messages = false;
    Descriptor stop_sign{eventfd(0, EFD_CLOEXEC)}; // readable, for every thread, once the server stops
    std::atomic<Clock::time_point> stop_reading{Clock::time_point::max()};
    std::atomic<int> connections{0};

    void run(const Descriptor &listener);
    bool accept_connection(const Descriptor &listener);
    void stop();
};

// One client. TCP brings a stream of octets, not messages: a line comes in pieces, or many lines come at once.
class Connection {
public:
    Connection(Server &server, Descriptor socket, std::string peer);
    ~Connection();
    void serve();

private:
    void receive();
    void data_received(std::string_view octets);
    void answer(std::string message, std::string_view line_end);
    void refuse_long_line();
    void send_answers();
    void answer_unfinished();
    void eof_received();
    void close();

    Server &server_;
    Descriptor socket_;
    std::string peer_;
    std::string line_;     // the octets of the line that has no end yet
    std::string answers_;  // what we will send when all that has arrived is looked at
    bool closing_ = false; // nothing more will be answered
    bool peer_ended_ = false; // the peer's FIN has come
};

// SYN, SYN-ACK and ACK are exchanged: the kernel did that on its own, before we heard of the client.
Connection::Connection(Server &server, Descriptor socket, std::string peer)
    : server_(server), socket_(std::move(socket)), peer_(std::move(peer))
{
    // An answer leaves at once. Nagle's algorithm would keep a short one back until the one before is acknowledged.
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++server_.connections;
}

Connection::~Connection()
{
    --server_.connections;
}

// The life of a connection.
void Connection::serve()
{
    log(peer_ + " connected");
    try {
        while (!closing_) {
            // Wait for the peer or for the server's stop; and if a line is unfinished, not longer than for its silence.
            std::array<pollfd, 2> news{{{socket_, POLLIN, 0}, {server_.stop_sign, POLLIN, 0}}};
            poll(news.data(), news.size(), line_.empty() ? -1 : server_.flush_ms);
            if (news[0].revents && Clock::now() < server_.stop_reading.load()) {
                receive();
            } else { // silence, or the stop when nothing more has arrived
                answer_unfinished();
                closing_ = closing_ || news[1].revents;
            }
            send_answers();
        }
        close();
        log(peer_ + " closed");
    } catch (const std::system_error &error) { // the peer sent a RST, or can't be reached any more
        const bool reset = error.code() == std::errc::connection_reset || error.code() == std::errc::broken_pipe;
        log(peer_ + (reset ? " reset" : " closed"));
    } catch (const std::bad_alloc &) { // this connection ends, all others go on (P1)
        log_error(NO_MEMORY);
        log(peer_ + " closed");
    }
}

// Take what is there. It must be something, or this would wait for it.
void Connection::receive()
{
    std::array<char, READ_OCTETS> octets;
    const ssize_t count = recv(socket_, octets.data(), octets.size(), 0); // 0 is the peer's FIN
    if (count < 0)
        throw std::system_error(errno, std::generic_category());
    if (count == 0)
        eof_received();
    else
        data_received({octets.data(), static_cast<std::size_t>(count)});
}

// Segments have arrived: the kernel has acknowledged them and put their octets in order.
void Connection::data_received(std::string_view octets)
{
    if (closing_)
        return; // P16: read and thrown away, for close() with unread octets would send a RST, not a FIN
    if (server_.log_messages)
        log(std::format("{} received {} octets", peer_, octets.size()));
    std::size_t line_feed;
    while (!closing_ && (line_feed = octets.find('\n')) != octets.npos) {
        line_ += octets.substr(0, line_feed); // only what is new was searched: a long line in many pieces stays cheap
        octets.remove_prefix(line_feed + 1);
        auto [message, line_end] = split_line_end(std::exchange(line_, {}));
        answer(std::move(message), line_end);
    }
    if (!closing_) {
        line_ += octets;
        // P22: the limit is for the message alone. A CR at the end may be the first half of a line end.
        if (line_.size() - line_.ends_with('\r') > static_cast<std::size_t>(server_.max_line))
            refuse_long_line();
    }
}

void Connection::answer(std::string message, std::string_view line_end)
{
    if (message.size() > static_cast<std::size_t>(server_.max_line)) {
        refuse_long_line();
    } else if (message.size() == 4 && strncasecmp(message.data(), "quit", 4) == 0) { // only A to Z: not "quıt" (P14)
        log(peer_ + " said quit");
        answers_ += GOOD_BYE;
        answers_ += line_end;
        closing_ = true;
    } else {
        answers_ += capital_letters(std::move(message));
        answers_ += line_end;
    }
}

void Connection::refuse_long_line()
{
    log(std::format("{} sent a line longer than {} bytes", peer_, server_.max_line));
    answers_ += std::format("ERROR line longer than {} bytes\n", server_.max_line);
    closing_ = true;
}

// Hand all answers to the kernel at once: they share segments, as the lines may have done.
void Connection::send_answers()
{
    const std::string answers = std::exchange(answers_, {});
    for (std::string_view rest = answers; !rest.empty();) {
        // The kernel copies the octets and makes segments of them. If the peer reads slowly (P24), its window closes;
        // then this waits, and as we don't read meanwhile, our window closes too: back-pressure. MSG_NOSIGNAL: that the
        // peer is gone shall be an error (EPIPE), not a signal that ends us all.
        const ssize_t count = send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (count < 0)
            throw std::system_error(errno, std::generic_category());
        rest.remove_prefix(static_cast<std::size_t>(count));
    }
    if (server_.log_messages && !answers.empty())
        log(std::format("{} sent {} octets", peer_, answers.size()));
}

// ---- A line without an end: 200 ms of silence (P19), or the peer's FIN (P18) ----

// Answer the line that has no end, without one. What comes later starts a new message (P20).
void Connection::answer_unfinished()
{
    if (!line_.empty())
        answer(std::exchange(line_, {}), "");
}

// The peer's FIN: it will send no more. It can still receive, so its last line is answered first.
void Connection::eof_received()
{
    peer_ended_ = true;
    if (!closing_)
        answer_unfinished();
    closing_ = true;
}

// ---- The end ----

// End our side with a FIN, and read on until the peer's: "close" in P16. No octet is lost, no RST is sent.
void Connection::close()
{
    line_ = {};
    shutdown(socket_, SHUT_WR); // a FIN, behind the last octet of the answers
    const auto end = Clock::now() + DISCARD;
    while (!peer_ended_) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        pollfd news{socket_, POLLIN, 0};
        if (left <= 0ms || poll(&news, 1, static_cast<int>(left.count())) == 0)
            return; // the time is over
        receive();
    }
}

// ---- The server: the socket that listens, and the signals that stop it ----

void Server::run(const Descriptor &listener)
{
    sigset_t numbers;
    sigemptyset(&numbers);
    sigaddset(&numbers, SIGTERM);
    sigaddset(&numbers, SIGINT);
    sigprocmask(SIG_BLOCK, &numbers, nullptr); // no signal interrupts a thread any more: we read them, like octets
    const Descriptor signals(signalfd(-1, &numbers, SFD_CLOEXEC));

    sockaddr_storage address{};
    socklen_t length = sizeof address;
    getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length);
    log("listening on " + name_of(address));
    for (bool accepting = true;;) {
        std::array<pollfd, 2> news{{{signals, POLLIN, 0}, {accepting ? int{listener} : -1, POLLIN, 0}}};
        poll(news.data(), news.size(), accepting ? -1 : static_cast<int>(std::chrono::milliseconds(REST).count()));
        if (news[0].revents)
            break;
        accepting = !news[1].revents || accept_connection(listener);
    }
    log("stopping");
}

// Take a connection that the kernel has ready for us, and give it a thread. False if nothing is left for one more.
bool Server::accept_connection(const Descriptor &listener)
{
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    Descriptor socket(accept4(listener, reinterpret_cast<sockaddr *>(&address), &length, SOCK_CLOEXEC));
    if (socket < 0) {
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
            return true; // a client that has gone again
        log_error("no file descriptor is left for one more connection; raise the limit (ulimit -n)");
        return false;
    }
    try {
        auto connection = std::make_unique<Connection>(*this, std::move(socket), name_of(address));
        std::jthread([connection = std::move(connection)] { connection->serve(); }).detach();
    } catch (const std::bad_alloc &) { // the connection is gone with its owner
        log_error(NO_MEMORY);
        return false;
    } catch (const std::system_error &) {
        log_error("no thread is left for one more connection; raise the limit (ulimit -u)");
        return false;
    }
    return true;
}

// P26: let every thread answer what has arrived, send its peer a FIN, and wait for the peer's, but not for long.
void Server::stop()
{
    const auto now = Clock::now();
    stop_reading = now + STOP_READING;
    eventfd_write(stop_sign, 1); // wakes them all
    while (connections > 0 && Clock::now() < now + STOP)
        std::this_thread::sleep_for(5ms);
}

// A listening socket. "::" stands for every address of this machine, of IPv6 and of IPv4 (P27).
Descriptor listen_on(std::string host, int port)
{
    const bool both = host == "::";
    if (both && Descriptor(socket(AF_INET6, SOCK_STREAM, 0)) < 0)
        host = "0.0.0.0"; // this system has no IPv6

    addrinfo hints{}, *found;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
        fail(1, std::format("there is no host named \"{}\"; check --host", host));
    const std::unique_ptr<addrinfo, decltype([](addrinfo *list) { freeaddrinfo(list); })> list(found);
    Descriptor listener(socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1, only_ip6 = !both;
    // Connections in TIME_WAIT, of a server that has just ended, don't keep us from its port.
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (found->ai_family == AF_INET6)
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &only_ip6, sizeof only_ip6);
    // bind() takes the port. listen() makes the kernel answer a SYN with a SYN-ACK; before, it refuses with a RST.
    if (bind(listener, found->ai_addr, found->ai_addrlen) == 0 && listen(listener, BACKLOG) == 0)
        return listener;
    switch (errno) {
    case EADDRINUSE:
        fail(1, std::format("port {} is in use by another program; stop it, or choose another with --port", port));
    case EACCES:
        fail(1, std::format("port {} is not for this user; choose one from 1024 up with --port", port));
    case EADDRNOTAVAIL:
        fail(1, std::format("{} is not an address of this machine; choose another with --host", host));
    default:
        fail(1, std::format("cannot listen on {} port {}; choose others with --host and --port", host, port));
    }
}

// ---- Arguments, log lines, errors: as images/CONTRACT.md words them ----

// An address as people write it: 192.0.2.20:40312 or [2001:db8::20]:40312.
std::string name_of(const sockaddr_storage &address)
{
    std::array<char, INET6_ADDRSTRLEN> host{};
    if (address.ss_family == AF_INET) {
        const auto &ip4 = reinterpret_cast<const sockaddr_in &>(address);
        inet_ntop(AF_INET, &ip4.sin_addr, host.data(), host.size());
        return std::format("{}:{}", host.data(), ntohs(ip4.sin_port));
    }
    const auto &ip6 = reinterpret_cast<const sockaddr_in6 &>(address);
    if (IN6_IS_ADDR_V4MAPPED(&ip6.sin6_addr)) { // ::ffff:192.0.2.20 is an IPv4 peer
        inet_ntop(AF_INET, &ip6.sin6_addr.s6_addr[12], host.data(), host.size());
        return std::format("{}:{}", host.data(), ntohs(ip6.sin6_port));
    }
    inet_ntop(AF_INET6, &ip6.sin6_addr, host.data(), host.size());
    return std::format("[{}]:{}", host.data(), ntohs(ip6.sin6_port));
}

// One line, whole: two threads may log in the same moment.
void log(const std::string &text)
{
    std::osyncstream(std::cout) << text << std::endl;
}

void log_error(const std::string &sentence)
{
    std::osyncstream(std::cerr) << "echo-server: " << sentence << std::endl;
}

void fail(int status, const std::string &sentence)
{
    log_error(sentence);
    std::exit(status);
}

// The value of a variable; what is set but empty counts as not set.
std::string variable(const char *name, const char *otherwise)
{
    const char *value = std::getenv(name);
    return value && *value ? value : otherwise;
}

int number(std::string_view name, const std::string &text, int least, int most)
{
    long long value = -1;
    const bool digits = text.find_first_not_of("0123456789") == text.npos && text.size() < 12;
    std::from_chars(text.data(), text.data() + text.size(), value);
    if (!digits || value < least || value > most)
        fail(2, std::format("{} is \"{}\"; it must be a number from {} to {}", name, text, least, most));
    return static_cast<int>(value);
}

int main(int argc, char *argv[])
{
    std::string host = variable("ECHO_HOST", "::"), port = variable("ECHO_PORT", "8080");
    const std::vector<std::string> words(argv + 1, argv + argc);
    for (auto word = words.begin(); word != words.end(); ++word) {
        if (*word == "-h" || *word == "--help") {
            std::cout << USAGE << '\n';
            return 0;
        }
        if (*word != "--host" && *word != "--port")
            fail(2, std::format("\"{}\" is not an option; {}", *word, USAGE));
        std::string &option = *word == "--host" ? host : port;
        if (word + 1 == words.end())
            fail(2, std::format("{} needs a value; {}", *word, USAGE));
        if (!(++word)->empty())
            option = *word;
    }
    const int port_number = number("the port", port, 0, 65535);
    Server server;
    server.max_line = number("ECHO_MAX_LINE", variable("ECHO_MAX_LINE", "1048576"), 1, MOST_MAX_LINE);
    server.flush_ms = number("ECHO_FLUSH_MS", variable("ECHO_FLUSH_MS", "200"), 1, 60'000);
    const std::string what = variable("ECHO_LOG", "connections");
    if (what != "connections" && what != "messages")
        fail(2, std::format("ECHO_LOG is \"{}\"; it must be connections or messages", what));
    server.log_messages = what == "messages";

    std::signal(SIGPIPE, SIG_IGN); // whoever read the log may be gone; that is no reason to stop
    // Every connection is a file descriptor. Take as many as we may have.
    rlimit descriptors{};
    getrlimit(RLIMIT_NOFILE, &descriptors);
    if (descriptors.rlim_max != RLIM_INFINITY)
        descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);
    // And a thread, whose stack may be small: nothing here goes deep.
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_OCTETS);
    pthread_setattr_default_np(&attributes);
    {
        const Descriptor listener = listen_on(host, port_number);
        server.run(listener);
    } // closes it: from now on a SYN is answered with a RST: refused
    server.stop();
    std::_Exit(0); // without waiting for threads whose peers don't read
}
