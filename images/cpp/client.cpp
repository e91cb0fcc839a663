// An echo client: it sends lines to an echo server and shows what comes back.
//
//     echo-client [--script FILE] [HOST [PORT]]
//
// On a terminal it asks for lines; with --script it plays the lines of a file, each after the answer to the one before;
// else it sends whatever its standard input brings. The rules (P1, P2, ...) are in docs/protocol.md, the arguments and
// sentences in images/CONTRACT.md; clients in other languages follow the same two.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <format>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr std::string_view USAGE = "usage: echo-client [--script FILE] [HOST [PORT]]";
constexpr std::string_view GOOD_BYE = "Good bye";
constexpr std::string_view BYTE_ORDER_MARK = "\xEF\xBB\xBF";
constexpr std::size_t READ_OCTETS = 65536; // the most that one read takes

void show(std::string_view octets);
void show_line(std::string_view line);
void note(std::string_view sentence);
[[noreturn]] void fail(int status, const std::string &sentence);

// ---- Connecting ----

// A socket, closed when its owner goes. The kernel then sends our FIN, if we have not sent it before.
class Socket {
public:
    explicit Socket(int number) : number_(number) {}
    Socket(Socket &&other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Socket &operator=(Socket &&) = delete;
    ~Socket()
    {
        if (number_ >= 0)
            close(number_);
    }
    operator int() const { return number_; }

private:
    int number_;
};

// Wait until a descriptor has something to tell, but not beyond a time. What it tells; 0 if the time is over.
short wait_for(int descriptor, short events, Clock::time_point end)
{
    const auto left = std::max(0ms, std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()));
    pollfd news{descriptor, events, 0};
    poll(&news, 1, static_cast<int>(left.count()));
    return news.revents;
}

// An address as people write it.
std::string text_of(const sockaddr *address)
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6 *>(address)->sin6_addr, text.data(), text.size());
    else
        inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in *>(address)->sin_addr, text.data(), text.size());
    return text.data();
}

// A connection to one address. Throws system_error if there is none.
Socket connect_to(const addrinfo &address, seconds timeout)
{
    Socket connection(socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int error = 0;
    // Sends a SYN. Non-blocking, it doesn't wait for the SYN-ACK: wait_for() does, and not for ever.
    if (connection < 0 || connect(connection, address.ai_addr, address.ai_addrlen) < 0)
        error = errno;
    if (error == EINPROGRESS) {
        socklen_t size = sizeof error;
        if (wait_for(connection, POLLOUT, Clock::now() + timeout))
            getsockopt(connection, SOL_SOCKET, SO_ERROR, &error, &size); // 0: the SYN-ACK has come, our ACK has gone
        else
            error = ETIMEDOUT;
    }
    if (error != 0)
        throw std::system_error(error, std::generic_category());
    return connection; // still non-blocking: what would have to wait fails with EAGAIN, and poll() does the waiting
}

// Try every address that the name has, one after the other, until a server answers.
Socket connect_to_one_of(const std::string &host, int port, seconds timeout)
{
    addrinfo hints{}, *found;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    // Asks /etc/hosts, then the DNS. A name may have several addresses: localhost has ::1 and 127.0.0.1.
    if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
        fail(1, std::format("there is no host named \"{}\"; check the name", host));
    const std::unique_ptr<addrinfo, decltype([](addrinfo *list) { freeaddrinfo(list); })> list(found);
    std::vector<std::string> tried;
    bool refused = false, timed_out = false;
    for (const addrinfo *address = found; address; address = address->ai_next) {
        try {
            return connect_to(*address, timeout);
        } catch (const std::system_error &error) {
            refused |= error.code() == std::errc::connection_refused; // the SYN was answered with a RST
            timed_out |= error.code() == std::errc::timed_out;        // the SYN was not answered at all
        }
        const std::string text = text_of(address->ai_addr);
        if (std::ranges::find(tried, text) == tried.end())
            tried.push_back(text);
    }
    std::string names;
    for (const std::string &text : tried)
        names += (names.empty() ? "" : " and ") + text;
    if (refused)
        fail(1, std::format("{} port {} refused the connection (tried {}); start the server, or check the port", host,
                            port, names));
    if (timed_out)
        fail(1, std::format("no answer from {} port {} within {} s (tried {}); check address and firewall", host, port,
                            timeout.count(), names));
    fail(1, std::format("there is no way to {} port {} (tried {}); check address and network", host, port, names));
}

// ---- The stream from the server ----

// Nothing came from the server, for longer than we wait.
struct TimeoutError {};

// The server sent a RST: what was under way is lost.
struct ResetError {};

// What the server sends: a stream of octets, in which we look for lines.
class Incoming {
public:
    Incoming(int connection, seconds timeout) : connection_(connection), timeout_(timeout) {}

    std::string_view receive();
    std::string line();
    std::size_t send(std::string_view octets);
    void send_line(std::string_view line);
    void time_is_over();
    int connection() const { return connection_; }
    seconds timeout() const { return timeout_; }
    bool ended() const { return ended_; }
    bool said_good_bye() const { return said_good_bye_; }

private:
    int connection_;
    seconds timeout_;
    std::array<char, READ_OCTETS> piece_;
    std::string octets_;    // arrived,
    std::size_t shown_ = 0; // of which so many have been shown
    std::string tail_;      // the last few octets that arrived
    bool ended_ = false, said_good_bye_ = false, reset_ = false;
};

// Take what has arrived; nothing when the server has ended its side.
std::string_view Incoming::receive()
{
    const ssize_t count = recv(connection_, piece_.data(), piece_.size(), 0); // takes what is there; 0 is the FIN
    if ((count < 0 || (count == 0 && reset_)) && !said_good_bye_)
        throw ResetError();
    ended_ = count <= 0; // P31: after its "Good bye" all is said, however the connection ends
    const std::string_view octets(piece_.data(), ended_ ? 0 : static_cast<std::size_t>(count));
    // P31: no message is echoed as "Good bye": echoes have no small letters.
    tail_ += octets.substr(octets.size() - std::min(octets.size(), GOOD_BYE.size() + 2));
    tail_.erase(0, tail_.size() - std::min(tail_.size(), GOOD_BYE.size() + 2));
    said_good_bye_ |= std::string_view(tail_).substr(0, tail_.find_last_not_of("\r\n") + 1).ends_with(GOOD_BYE);
    return octets;
}

// The next line with its line end; what is there without one, if no more comes.
std::string Incoming::line()
{
    std::size_t searched = shown_, line_feed;
    while ((line_feed = octets_.find('\n', searched)) == octets_.npos && !ended_) {
        octets_.erase(0, std::exchange(shown_, 0));
        searched = octets_.size();
        if (wait_for(connection_, POLLIN, Clock::now() + timeout_))
            octets_ += receive();
        else if (!octets_.empty())
            break; // a server that sends no line ends: its text shall be seen all the same
        else
            time_is_over();
    }
    const std::size_t begin = std::exchange(shown_, line_feed == octets_.npos ? octets_.size() : line_feed + 1);
    return octets_.substr(begin, shown_ - begin);
}

// The wait for the server has become too long.
void Incoming::time_is_over()
{
    if (!said_good_bye_)
        throw TimeoutError();
    ended_ = true;
}

// Hand octets to the kernel, which makes segments of them. Returns how many it has taken: there may be no room.
std::size_t Incoming::send(std::string_view octets)
{
    const ssize_t count = ::send(connection_, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (count >= 0 || errno == EAGAIN)
        return static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    // The server has ended the connection, and receive() notices too: what is left goes nowhere. P33: EPIPE comes after
    // its FIN. A RST without one is told only once: to send() or to recv().
    reset_ |= errno != EPIPE;
    return octets.size();
}

// Send a line, and take what comes meanwhile (P30): else each side could wait for the other.
void Incoming::send_line(std::string_view line)
{
    while (!line.empty() && !ended_ && !said_good_bye_) {
        const short news = wait_for(connection_, POLLIN | POLLOUT, Clock::now() + timeout_);
        if (news == 0)
            time_is_over();
        else if (news & ~POLLOUT)
            octets_ += receive();
        else
            line.remove_prefix(send(line));
    }
}

// ---- The three ways to talk ----

// The server closed the connection while we were asking for a line.
struct ServerEndedError {};

// Gives the next line, without its line end; none when there are no more.
using NextLine = std::function<std::optional<std::string>()>;

// Send one line, wait for its answer, show it; and so on. next_line asks a person, or reads a script.
void converse(Incoming &incoming, const NextLine &next_line)
{
    try {
        while (!incoming.said_good_bye() && !incoming.ended()) {
            std::optional<std::string> line = next_line();
            if (!line) {
                shutdown(incoming.connection(), SHUT_WR); // our FIN: no more lines. The server may still be sending
                break;
            }
            *line += '\n';
            incoming.send_line(*line);
            show_line(incoming.line());
        }
    } catch (const ServerEndedError &) {
        show("\n"); // leaves the line with the prompt
    }
    while (!incoming.ended())
        show_line(incoming.line());
    note(std::format("the server {}closed the connection", incoming.said_good_bye() ? "said Good bye and " : ""));
}

// Lines from a person, with a prompt, until Ctrl-D. The terminal does the editing: it gives us whole lines.
class Person {
public:
    explicit Person(int connection) : connection_(connection) {}

    std::optional<std::string> ask()
    {
        show("> ");
        std::size_t line_feed;
        while ((line_feed = typed_.find('\n')) == typed_.npos && !ended_) {
            // RDHUP: the other side has sent its FIN
            std::array<pollfd, 2> news{{{STDIN_FILENO, POLLIN, 0}, {connection_, POLLRDHUP, 0}}};
            poll(news.data(), news.size(), -1);
            if (news[1].revents)
                throw ServerEndedError();
            std::array<char, 4096> octets;
            const ssize_t count = read(STDIN_FILENO, octets.data(), octets.size()); // 0: Ctrl-D
            ended_ = count <= 0;
            typed_.append(octets.data(), ended_ ? 0 : static_cast<std::size_t>(count));
        }
        if (typed_.empty()) {
            show("\n");
            return std::nullopt;
        }
        std::string line = typed_.substr(0, line_feed);
        typed_.erase(0, line_feed == typed_.npos ? line_feed : line_feed + 1);
        return line;
    }

private:
    int connection_;
    std::string typed_;
    bool ended_ = false;
};

// The lines of a script, shown as if a person typed them. Lines that begin with # are not sent.
class Script {
public:
    explicit Script(const std::string &path)
    {
        try {
            std::ifstream file;
            file.exceptions(std::ios::failbit); // what fails throws, as reading a directory does anyway
            file.open(path, std::ios::binary);
            octets_.assign(std::istreambuf_iterator<char>(file), {});
        } catch (const std::ios::failure &) {
            fail(2, std::format("cannot read the script \"{}\"; name a text file that this user may read", path));
        }
        if (octets_.starts_with(BYTE_ORDER_MARK))
            next_ = BYTE_ORDER_MARK.size();
    }

    std::optional<std::string> play()
    {
        while (next_ < octets_.size()) {
            const std::size_t end = std::min(octets_.find('\n', next_), octets_.size());
            std::string line = octets_.substr(next_, end - next_);
            next_ = end + 1;
            if (line.ends_with('\r'))
                line.pop_back();
            if (line.starts_with('#'))
                continue;
            show("> " + line + '\n');
            return line;
        }
        return std::nullopt;
    }

private:
    std::string octets_;
    std::size_t next_ = 0;
};

// Send all of our input; meanwhile show what comes back. Both at once: else each side could wait for the other.
void pass_through(Incoming &incoming)
{
    std::array<char, READ_OCTETS> octets;
    std::string_view waiting; // what is still to be sent
    bool input_ended = false;
    while (!incoming.ended()) {
        const short room = waiting.empty() ? 0 : POLLOUT;
        const int input = waiting.empty() && !input_ended ? STDIN_FILENO : -1; // -1: not looked at
        std::array<pollfd, 2> news{{{incoming.connection(), static_cast<short>(POLLIN | room), 0}, {input, POLLIN, 0}}};
        // We wait for the server only while it takes nothing, and when our input has ended.
        const bool limited = input < 0 || incoming.said_good_bye();
        const auto limit = std::chrono::milliseconds(incoming.timeout());
        if (poll(news.data(), news.size(), limited ? static_cast<int>(limit.count()) : -1) == 0)
            incoming.time_is_over();
        if (news[0].revents & ~POLLOUT)
            show(incoming.receive());
        if (news[1].revents) {
            const ssize_t count = read(STDIN_FILENO, octets.data(), octets.size());
            if (count > 0) {
                waiting = {octets.data(), static_cast<std::size_t>(count)};
            } else {
                shutdown(incoming.connection(), SHUT_WR); // our FIN; what the server still sends, we go on receiving
                input_ended = true;
            }
        }
        if (!waiting.empty())
            waiting.remove_prefix(incoming.send(waiting));
    }
}

void talk(const Socket &connection, const std::string &host, std::optional<Script> &script, seconds timeout)
{
    Incoming incoming(connection, timeout);
    if (!script && !isatty(STDIN_FILENO)) {
        pass_through(incoming);
        return;
    }
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    getpeername(connection, reinterpret_cast<sockaddr *>(&address), &size);
    // The port is at the same place in the addresses of both IP versions.
    note(std::format("connected to {} ({}) port {}", host, text_of(reinterpret_cast<sockaddr *>(&address)),
                     ntohs(reinterpret_cast<sockaddr_in &>(address).sin_port)));
    if (script) {
        converse(incoming, [&script] { return script->play(); });
    } else {
        note("type a line and press Enter; quit or Ctrl-D ends");
        Person person(connection);
        converse(incoming, [&person] { return person.ask(); });
    }
}

// ---- Screen, arguments, errors: as images/CONTRACT.md words them ----

void show(std::string_view octets)
{
    while (!octets.empty()) {
        const ssize_t count = write(STDOUT_FILENO, octets.data(), octets.size());
        if (count < 0 && errno == EPIPE) // whoever read our output has gone ("| head"): nothing to complain of
            std::exit(1);
        if (count < 0)
            fail(1, "cannot write to standard output; is the disk full?");
        octets.remove_prefix(static_cast<std::size_t>(count));
    }
}

// A line for a person: on a line of its own, though it may have come without an end.
void show_line(std::string_view line)
{
    show(line);
    if (!line.empty() && !line.ends_with('\n'))
        show("\n");
}

// For the person, not part of the conversation: on standard error.
void note(std::string_view sentence)
{
    std::cerr << std::format("{}\n", sentence);
}

void fail(int status, const std::string &sentence)
{
    note("echo-client: " + sentence);
    std::exit(status);
}

// Ctrl-C or SIGTERM. The kernel closes the socket of a program that has ended, which sends our FIN.
void end_at_once(int signal)
{
    if (signal == SIGINT && write(STDERR_FILENO, "\n", 1) < 0)
        _exit(1);
    _exit(128 + signal);
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

// The script's path, if one is named, and up to two places: HOST and PORT.
std::pair<std::optional<std::string>, std::vector<std::string>> read_arguments(const std::vector<std::string> &words)
{
    std::optional<std::string> path;
    std::vector<std::string> places;
    for (auto word = words.begin(); word != words.end(); ++word) {
        if (*word == "-h" || *word == "--help") {
            std::cout << USAGE << '\n';
            std::exit(0);
        } else if (*word == "--script") {
            if (word + 1 == words.end())
                fail(2, std::format("{} needs a value; {}", *word, USAGE));
            path = *++word;
        } else if (word->starts_with('-')) {
            fail(2, std::format("\"{}\" is not an option; {}", *word, USAGE));
        } else {
            places.push_back(*word);
        }
    }
    if (places.size() > 2)
        fail(2, std::format("\"{}\" is one argument too many; {}", places[2], USAGE));
    places.resize(2);
    return {path, places};
}

int main(int argc, char *argv[])
{
    int descriptor;
    while ((descriptor = open("/dev/null", O_RDWR)) >= 0 && descriptor <= STDERR_FILENO)
        continue; // started without any input, as by "<&-": else the socket would take its number
    close(descriptor);
    std::signal(SIGTERM, end_at_once); // by default process 1 of a container would ignore both
    std::signal(SIGINT, end_at_once);
    std::signal(SIGPIPE, SIG_IGN);
    const auto [path, places] = read_arguments({argv + 1, argv + argc});
    const std::string host = places[0].empty() ? variable("ECHO_HOST", "localhost") : places[0];
    const int port = number("the port", places[1].empty() ? variable("ECHO_PORT", "8080") : places[1], 1, 65535);
    const seconds timeout(number("ECHO_TIMEOUT_S", variable("ECHO_TIMEOUT_S", "10"), 1, 3600));
    std::optional<Script> script;
    try {
        if (path)
            script.emplace(*path);
        talk(connect_to_one_of(host, port, timeout), host, script, timeout);
    } catch (const TimeoutError &) {
        fail(1, std::format("the server has not answered for {} s; look at the server's log", timeout.count()));
    } catch (const ResetError &) {
        fail(1, "the server reset the connection, text may be lost; look at the server's log");
    } catch (const std::bad_alloc &) {
        fail(1, "no memory is left; send shorter lines");
    }
    return 0;
}
