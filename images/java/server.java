/* An echo server: it answers every line in capital letters, and "quit" with "Good bye".
 *
 *     echo-server [--host ADDR] [--port N]
 *
 * The rules (P1, P2, ...) are in docs/protocol.md, the arguments and log lines in images/CONTRACT.md; servers in other
 * languages follow the same two. Every client has a virtual thread of its own, which may wait: a thousand of them that
 * wait for octets cost no more than a thousand small objects.
 */

import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.BindException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Pattern;

// ---- Messages: octets in, octets out; nothing here knows of sockets ----

final class Messages {
    static final byte[] GOOD_BYE = "Good bye".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] LF = {'\n'}, CR_LF = {'\r', '\n'};

    /** The answer to a message (P9, P11): text in capital letters; of what is not UTF-8, only a to z change. */
    static byte[] capitalLetters(byte[] message) {
        try {
            // A fresh decoder complains about what is not UTF-8; new String() would replace it without a word.
            var text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(message)).toString();
            return text.toUpperCase(Locale.ROOT).getBytes(StandardCharsets.UTF_8);
        } catch (CharacterCodingException notUtf8) {
            var answer = message.clone();
            for (int i = 0; i < answer.length; i++)
                if (answer[i] >= 'a' && answer[i] <= 'z') answer[i] -= 'a' - 'A';
            return answer;
        }
    }

    /** A line without its LF, as message and line end: CR LF is answered with CR LF (P3). */
    static byte[][] splitLineEnd(byte[] line) {
        boolean cr = line.length > 0 && line[line.length - 1] == '\r';
        return cr ? new byte[][] {Arrays.copyOf(line, line.length - 1), CR_LF} : new byte[][] {line, LF};
    }

    /** Whether a message is quit, in small or capital letters of ASCII: "quıt" is not (P14). */
    static boolean isQuit(byte[] message) {
        return message.length == 4 && new String(message, StandardCharsets.ISO_8859_1).equalsIgnoreCase("quit");
    }
}

// ---- Connections: what happens on the wire, and what we do about it ----

/** One client. TCP brings a stream of octets, not messages: a line comes in pieces, or many lines come at once. */
final class Connection implements Runnable {
    private static final int DISCARD_MS = 2000; // P16: how long we read on after our FIN
    private static final int READ_OCTETS = 65536, READ_FIRST = 2048; // the most that one read takes, and a first one
    private static final byte[] NO_LINE_END = {};

    private final ReentrantLock lock = new ReentrantLock(); // for what follows: the server's stop() has a hand in it, too
    private final Server server;
    private final Socket socket;
    private final String peer;
    private ByteArrayOutputStream line = new ByteArrayOutputStream(0); // the octets of the line that has no end yet
    private ByteArrayOutputStream answers = new ByteArrayOutputStream(0); // what we will send when all is looked at
    private boolean closing; // our FIN is sent, or on its way
    private long discardUntilMs;

    /** SYN, SYN-ACK and ACK are exchanged: the kernel did that on its own, before we heard of the client. */
    Connection(Server server, Socket socket) {
        this.server = server;
        this.socket = socket;
        peer = Log.nameOf((InetSocketAddress) socket.getRemoteSocketAddress());
    }

    /** The life of a connection. */
    @Override
    public void run() {
        Log.line(peer + " connected");
        boolean reset = false;
        try (socket) {
            // An answer leaves at once. Nagle's algorithm would keep a short one until the one before is acknowledged.
            socket.setTcpNoDelay(true);
            receive();
        } catch (SocketTimeoutException nothingMore) {
            // the peer has not sent its FIN in time; leaving the block closes the socket all the same
        } catch (IOException error) {
            var words = String.valueOf(error.getMessage());
            reset = words.contains("reset") || words.contains("Broken pipe");
        } catch (OutOfMemoryError full) { // this connection ends, all others go on (P1)
            Log.error(Log.NO_MEMORY);
        }
        server.connections.remove(this);
        Log.line(peer + (reset ? " reset" : " closed"));
    }

    /** Take what comes, until the peer's FIN. */
    private void receive() throws IOException {
        var input = socket.getInputStream();
        for (var octets = new byte[READ_FIRST];;) {
            socket.setSoTimeout(patienceMs());
            int count;
            try {
                count = input.read(octets); // waits for a segment; the kernel has acknowledged it by then
            } catch (SocketTimeoutException silence) {
                if (closing) throw silence;
                locked(this::answerUnfinished); // P19
                continue;
            }
            if (count < 0) break;
            var received = octets;
            locked(() -> dataReceived(received, count));
            // More room while reads fill it; an idle connection, which only waits, shall cost next to nothing.
            int room = count == octets.length ? Math.min(8 * count, READ_OCTETS) : READ_FIRST;
            if (room != octets.length) octets = new byte[room];
        }
        locked(this::eofReceived);
    }

    /** How long to wait for octets: for ever (0), till an unfinished line is answered, or till we give up. */
    private int patienceMs() throws SocketTimeoutException {
        if (!closing) return line.size() > 0 ? server.flushMs : 0;
        long leftMs = discardUntilMs - System.nanoTime() / 1_000_000;
        if (leftMs <= 0) throw new SocketTimeoutException();
        return (int) leftMs;
    }

    private interface Step {
        void run() throws IOException;
    }

    private void locked(Step step) throws IOException {
        lock.lock();
        try {
            step.run();
        } finally {
            lock.unlock();
        }
    }

    /** Segments have arrived: the kernel has acknowledged them and put their octets in order. */
    private void dataReceived(byte[] octets, int count) throws IOException {
        if (closing) return; // P16: read and thrown away, for close() with unread octets would send a RST, not a FIN
        server.received.addAndGet(count);
        Log.message(peer + " received " + count + " octets");
        int begin = 0; // only what is new is searched: a long line in many pieces stays cheap
        for (int i = 0; i < count; i++) {
            if (octets[i] != '\n') continue;
            line.write(octets, begin, i - begin);
            begin = i + 1;
            var parts = Messages.splitLineEnd(takeLine());
            answer(parts[0], parts[1]);
            if (closing) return;
        }
        line.write(octets, begin, count - begin);
        // P22: the limit is for the message alone. A CR at the end may be the first half of a line end.
        int cr = count > begin && octets[count - 1] == '\r' ? 1 : 0;
        if (line.size() - cr > server.maxLine) refuseLongLine();
        sendAnswers();
    }

    private byte[] takeLine() {
        var octets = line.toByteArray();
        line = new ByteArrayOutputStream(0); // reset() would keep the memory of a long line
        return octets;
    }

    private void answer(byte[] message, byte[] lineEnd) throws IOException {
        if (message.length > server.maxLine) {
            refuseLongLine();
        } else if (Messages.isQuit(message)) {
            Log.line(peer + " said quit");
            answers.writeBytes(Messages.GOOD_BYE);
            answers.writeBytes(lineEnd);
            close();
        } else {
            answers.writeBytes(Messages.capitalLetters(message));
            answers.writeBytes(lineEnd);
        }
    }

    private void refuseLongLine() throws IOException {
        Log.line(peer + " sent a line longer than " + server.maxLine + " bytes");
        answers.writeBytes(("ERROR line longer than " + server.maxLine + " bytes\n").getBytes(StandardCharsets.US_ASCII));
        close();
    }

    /** Hand all answers to the kernel at once: they share segments, as the lines may have done. */
    private void sendAnswers() throws IOException {
        if (answers.size() == 0) return;
        var sending = answers;
        answers = new ByteArrayOutputStream(0);
        // P24: waits while the peer reads slowly and its window is closed. Meanwhile we don't read either, so our
        // window closes too, and the peer can send no more: back-pressure.
        sending.writeTo(socket.getOutputStream());
        Log.message(peer + " sent " + sending.size() + " octets");
    }

    // -- A line without an end: 200 ms of silence (P19), or the peer's FIN (P18) --

    /** Answer the line that has no end, without one. What comes later starts a new message (P20). */
    private void answerUnfinished() throws IOException {
        if (closing || line.size() == 0) return;
        answer(takeLine(), NO_LINE_END);
        sendAnswers();
    }

    /** The peer's FIN: it will send no more. It can still receive, so its last line is answered first. */
    private void eofReceived() throws IOException {
        answerUnfinished();
        close();
    }

    // -- The end --

    /** End our side with a FIN; receive() reads on until the peer's: "close" in P16. No octet is lost, no RST is sent. */
    private void close() throws IOException {
        if (closing) return;
        sendAnswers();
        closing = true;
        line = new ByteArrayOutputStream(0);
        discardUntilMs = System.nanoTime() / 1_000_000 + DISCARD_MS;
        socket.shutdownOutput(); // a FIN, behind the last octet of the answers
    }

    /** P26: the server stops. Waits, if the peer takes no answers now: so each connection has a thread for this. */
    void stop() {
        try {
            locked(this::eofReceived);
        } catch (IOException gone) {
            // the peer has sent a RST, which run() notices too
        }
    }
}

// ---- The server: the socket that listens, and the signals that stop it ----

final class Server {
    // P26: how long we wait for the peers' FINs when the whole server stops. On a busy machine the virtual machine itself
    // takes some 400 ms to end, and all shall be over in a second.
    private static final int STOP_MS = 250;
    private static final int STOP_READING_MS = 250; // P26: how long, at most, we take in what had arrived before
    private static final int REST_MS = 1000; // how long nobody is accepted when no file descriptor is left
    static final int MOST_MAX_LINE = 1 << 26; // an answer may be three times as long, and is there more than once
    private static final int BACKLOG = 4096; // so many clients may wait, shaken hands with, until we accept them

    final int maxLine, flushMs;
    final Set<Connection> connections = ConcurrentHashMap.newKeySet();
    final AtomicLong received = new AtomicLong(); // octets, from everybody
    private final CountDownLatch allAccepted = new CountDownLatch(1); // no connection is added any more
    private volatile boolean stopping;

    Server(int maxLine, int flushMs) {
        this.maxLine = maxLine;
        this.flushMs = flushMs;
    }

    void run(ServerSocket listener) {
        // The virtual machine runs this when SIGTERM or SIGINT comes.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(listener)));
        waitOnce();
        Log.line("listening on " + Log.nameOf((InetSocketAddress) listener.getLocalSocketAddress()));
        while (!stopping) {
            try {
                acceptConnection(listener);
            } catch (IOException error) { // we stop, or a client has gone again, or
                if (!String.valueOf(error.getMessage()).contains("Too many open files")) continue;
                Log.error("no file descriptor is left for one more connection; raise the limit (ulimit -n)");
                sleep(REST_MS); // the clients wait in the backlog meanwhile
            } catch (OutOfMemoryError full) {
                Log.error(Log.NO_MEMORY);
                sleep(REST_MS);
            }
        }
        allAccepted.countDown();
        sleep(60_000); // stop() ends the program
    }

    /** Has a virtual thread wait for an octet. The first time the virtual machine opens files of its own for that; later
     * there might be no descriptor left for them. */
    private static void waitOnce() {
        try {
            var pipe = Pipe.open();
            var waiting = Thread.ofVirtual().start(() -> {
                try (var source = pipe.source()) {
                    source.read(ByteBuffer.allocate(1));
                } catch (IOException noOctet) {
                    // it has waited, and that is all we want
                }
            });
            while (waiting.getState() != Thread.State.WAITING) sleep(1);
            pipe.sink().close();
        } catch (IOException noPipe) {
            // then there is no descriptor left for a client, either
        }
    }

    private void acceptConnection(ServerSocket listener) throws IOException {
        var connection = new Connection(this, listener.accept());
        connections.add(connection); // before its thread begins: stop() shall miss none
        Thread.ofVirtual().start(connection);
    }

    /** P26: answer what has arrived, send every peer a FIN, and wait for theirs, but not for long. */
    private void stop(ServerSocket listener) {
        stopping = true;
        Log.line("stopping");
        try {
            listener.close(); // from now on a SYN is answered with a RST: refused
            allAccepted.await(100, TimeUnit.MILLISECONDS);
        } catch (IOException | InterruptedException ignored) {
            // then nobody is accepted any more, either
        }
        long endMs = System.nanoTime() / 1_000_000 + STOP_READING_MS;
        for (long before = -1; received.get() != before && System.nanoTime() / 1_000_000 < endMs; sleep(20))
            before = received.get(); // until nothing more was there to be read
        for (var connection : connections) Thread.ofVirtual().start(connection::stop);
        endMs = System.nanoTime() / 1_000_000 + STOP_MS;
        while (!connections.isEmpty() && System.nanoTime() / 1_000_000 < endMs) sleep(10);
        Runtime.getRuntime().halt(0);
    }

    /** A listening socket. "::" stands for every address of this machine, of IPv6 and of IPv4 (P27). */
    static ServerSocket listen(String host, int port) throws IOException {
        var listener = new ServerSocket();
        listener.setReuseAddress(true);
        if (host.startsWith("[")) throw new UnknownHostException(); // to Java, [::1] is an address like ::1
        var address = new InetSocketAddress(InetAddress.getByName(host), port);
        // Takes the port, and makes the kernel answer a SYN with a SYN-ACK; before, it refuses with a RST.
        try {
            listener.bind(address, BACKLOG);
        } catch (SocketException error) {
            if (!host.equals("::") || error instanceof BindException) throw error;
            return listen("0.0.0.0", port); // this system has no IPv6
        }
        return listener;
    }

    private static void sleep(int ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException ignored) {
            // then it was shorter
        }
    }
}

// ---- Arguments, log lines, errors: as images/CONTRACT.md words them ----

final class Log {
    static final String NO_MEMORY = "no memory is left; give it more, or choose a smaller ECHO_MAX_LINE";
    static boolean messages;
    private static final OutputStream OUT = new FileOutputStream(FileDescriptor.out);
    private static final OutputStream ERR = new FileOutputStream(FileDescriptor.err);
    private static final Pattern ZEROS = Pattern.compile("(?<![^:])0(:0)+(?![^:])");

    static void line(String text) {
        write(OUT, text);
    }

    static void message(String text) {
        if (messages) line(text);
    }

    static void error(String sentence) {
        write(ERR, "echo-server: " + sentence);
    }

    static <T> T fail(int status, String sentence) {
        error(sentence);
        Runtime.getRuntime().halt(status);
        throw new IllegalStateException();
    }

    private static void write(OutputStream stream, String text) {
        try {
            stream.write((text + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException ignored) {
            // whoever read the log may be gone; that is no reason to stop
        }
    }

    /** An address as people write it: 192.0.2.20:40312 or [2001:db8::20]:40312. */
    static String nameOf(InetSocketAddress address) {
        if (address == null) return "somebody"; // gone again before we could ask for its address
        var host = address.getAddress().getHostAddress(); // an IPv4 peer is never written ::ffff:192.0.2.20 by Java
        return (address.getAddress() instanceof Inet6Address ? "[" + shortened(host) + "]" : host) + ":" + address.getPort();
    }

    /** An IPv6 address with its longest row of zeros left out (RFC 5952 §4). */
    static String shortened(String host) {
        var text = host.replaceAll("%.*", "");
        var longest = ZEROS.matcher(text).results().reduce((a, b) -> b.group().length() > a.group().length() ? b : a);
        if (longest.isEmpty()) return text;
        var head = text.substring(0, longest.get().start()).replaceAll(":$", "");
        var tail = text.substring(longest.get().end()).replaceAll("^:", "");
        return head + "::" + tail;
    }
}

final class Program {
    private static final String USAGE = "usage: echo-server [--host ADDR] [--port N]";

    /** {"--host": ..., "--port": ...}, of the command line. */
    private static Map<String, String> readOptions(Deque<String> words) {
        var options = new HashMap<String, String>();
        while (!words.isEmpty()) {
            var word = words.pop();
            if (word.equals("-h") || word.equals("--help")) {
                Log.line(USAGE);
                Runtime.getRuntime().halt(0);
            }
            if (!word.equals("--host") && !word.equals("--port"))
                Log.fail(2, "\"" + word + "\" is not an option; " + USAGE);
            if (words.isEmpty()) Log.fail(2, word + " needs a value; " + USAGE);
            options.put(word, words.pop());
        }
        return options;
    }

    /** The first of these that is there and not empty. */
    private static String first(String... texts) {
        for (var text : texts) if (text != null && !text.isEmpty()) return text;
        return "";
    }

    private static int number(String name, String text, long least, long most) {
        boolean good = text.matches("[0-9]{1,11}") && Long.parseLong(text) >= least && Long.parseLong(text) <= most;
        if (!good) Log.fail(2, name + " is \"" + text + "\"; it must be a number from " + least + " to " + most);
        return Integer.parseInt(text);
    }

    public static void main(String[] words) {
        var environment = System.getenv();
        var options = readOptions(new ArrayDeque<>(List.of(words)));
        var host = first(options.get("--host"), environment.get("ECHO_HOST"), "::");
        int port = number("the port", first(options.get("--port"), environment.get("ECHO_PORT"), "8080"), 0, 65535);
        int maxLine = number("ECHO_MAX_LINE", first(environment.get("ECHO_MAX_LINE"), "1048576"), 1, Server.MOST_MAX_LINE);
        int flushMs = number("ECHO_FLUSH_MS", first(environment.get("ECHO_FLUSH_MS"), "200"), 1, 60_000);
        var log = first(environment.get("ECHO_LOG"), "connections");
        if (!log.equals("connections") && !log.equals("messages"))
            Log.fail(2, "ECHO_LOG is \"" + log + "\"; it must be connections or messages");
        Log.messages = log.equals("messages");
        // Every connection is a file descriptor. The virtual machine has taken as many as we may have.
        ServerSocket listener;
        try {
            listener = Server.listen(host, port);
        } catch (UnknownHostException error) {
            listener = Log.fail(1, "there is no host named \"" + host + "\"; check --host");
        } catch (IOException error) {
            listener = Log.fail(1, cannotListen(String.valueOf(error.getMessage()), host, port));
        }
        new Server(maxLine, flushMs).run(listener);
    }

    private static String cannotListen(String words, String host, int port) {
        if (words.contains("in use"))
            return "port " + port + " is in use by another program; stop it, or choose another with --port";
        if (words.contains("Permission denied"))
            return "port " + port + " is not for this user; choose one from 1024 up with --port";
        if (words.contains("Cannot assign"))
            return host + " is not an address of this machine; choose another with --host";
        return "cannot listen on " + host + " port " + port + "; choose others with --host and --port";
    }
}
