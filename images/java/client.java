/* An echo client: it sends lines to an echo server and shows what comes back.
 *
 *     echo-client [--script FILE] [HOST [PORT]]
 *
 * On a terminal it asks for lines; with --script it plays the lines of a file, each after the answer to the one before;
 * else it sends whatever its standard input brings. The rules (P1, P2, ...) are in docs/protocol.md, the arguments and
 * sentences in images/CONTRACT.md; clients in other languages follow the same two.
 */

import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import sun.misc.Signal;

// ---- Connecting ----

final class Connecting {
    /** Try every address that the name has, one after the other, until a server answers. */
    static SocketChannel connect(String host, int port, int timeoutS) throws IOException {
        InetAddress[] found;
        try {
            if (host.startsWith("[")) throw new UnknownHostException(); // to Java, [::1] is an address like ::1
            // Asks /etc/hosts, then the DNS. A name may have several addresses: localhost has ::1 and 127.0.0.1.
            found = InetAddress.getAllByName(host);
        } catch (UnknownHostException error) {
            return Screen.fail(1, "there is no host named \"" + host + "\"; check the name");
        }
        var tried = new LinkedHashSet<String>();
        boolean refused = false, silent = false;
        for (var address : found) {
            var connection = SocketChannel.open();
            try {
                // Sends a SYN; returns when the SYN-ACK has come and our ACK is on its way.
                connection.socket().connect(new InetSocketAddress(address, port), timeoutS * 1000);
                connection.configureBlocking(false); // what would have to wait does nothing: a Selector does the waiting
                return connection;
            } catch (IOException error) {
                var words = String.valueOf(error.getMessage());
                tried.add(Screen.shortened(address));
                refused |= error instanceof ConnectException && words.contains("refused");
                silent |= error instanceof SocketTimeoutException || words.contains("timed out");
                connection.close();
            }
        }
        var place = host + " port " + port;
        var names = "(tried " + String.join(" and ", tried) + ")";
        if (refused) // the SYN was answered with a RST
            return Screen.fail(1, place + " refused the connection " + names + "; start the server, or check the port");
        if (silent) // the SYN was not answered at all
            return Screen.fail(1, "no answer from " + place + " within " + timeoutS + " s " + names
                + "; check address and firewall");
        return Screen.fail(1, "there is no way to " + place + " " + names + "; check address and network");
    }
}

// ---- The stream from the server ----

/** What the server sends: a stream of octets, in which we look for lines. */
final class Incoming {
    private static final String GOOD_BYE = "Good bye";

    /** Nothing has come in time. */
    static final class Silence extends IOException {
        private static final long serialVersionUID = 1;
    }

    boolean ended, saidGoodBye;
    final SocketChannel connection;
    private final Selector selector = Selector.open();
    private final SelectionKey news;
    private final int timeoutMs;
    private final ByteBuffer piece = ByteBuffer.allocateDirect(65536);
    private byte[] octets = {}; // arrived, but not shown yet
    private String tail = ""; // the last few octets that arrived
    private boolean reset; // a RST has come, but it was told to send()

    Incoming(SocketChannel connection, int timeoutS) throws IOException {
        this.connection = connection;
        timeoutMs = timeoutS * 1000;
        news = connection.register(selector, SelectionKey.OP_READ);
    }

    /** End a wait: there is something else to do. From another thread. */
    void wake() {
        selector.wakeup();
    }

    /** Wait until something has come, or (room) the server takes octets, or somebody wakes us; returns whether something
     * has come. Throws Silence when nothing happens for too long; after "Good bye" that is the end. */
    boolean somethingCame(boolean room, boolean limited) throws IOException {
        news.interestOps(SelectionKey.OP_READ | (room ? SelectionKey.OP_WRITE : 0));
        selector.selectedKeys().clear();
        limited |= saidGoodBye;
        long endMs = System.nanoTime() / 1_000_000 + timeoutMs;
        if (selector.select(limited ? timeoutMs : 0) > 0) return news.isReadable();
        if (limited && System.nanoTime() / 1_000_000 >= endMs) {
            if (!saidGoodBye) throw new Silence();
            ended = true;
        }
        return false;
    }

    /** Take what has arrived; nothing when the server has ended its side. */
    byte[] receive() throws IOException {
        int count = -1;
        try {
            count = connection.read(piece.clear()); // takes what is there; -1 is the server's FIN
            if (count < 0 && reset) throw new IOException("reset");
        } catch (IOException error) {
            if (!saidGoodBye) throw error; // P31: after its "Good bye" all is said, however the connection ends
        }
        ended = count < 0;
        var found = new byte[Math.max(count, 0)];
        piece.flip().get(found);
        // P31: no message is echoed as "Good bye": echoes have no small letters.
        tail += new String(found, StandardCharsets.ISO_8859_1);
        tail = tail.substring(Math.max(0, tail.length() - GOOD_BYE.length() - 2));
        saidGoodBye |= tail.replaceAll("[\r\n]+$", "").endsWith(GOOD_BYE);
        return found;
    }

    /** Take what has arrived, but show it later. */
    void keep() throws IOException {
        var more = receive();
        int length = octets.length;
        octets = Arrays.copyOf(octets, length + more.length);
        System.arraycopy(more, 0, octets, length, more.length);
    }

    /** The next line with its line end; what is there without one, if no more comes. */
    byte[] line() throws IOException {
        int end = -1;
        for (int searched = 0; (end = indexOfLf(searched)) < 0 && !ended; ) {
            searched = octets.length;
            try {
                if (somethingCame(false, true)) keep();
            } catch (Silence silence) {
                if (octets.length == 0) throw silence;
                break; // a server that sends no line ends: its text shall be seen all the same
            }
        }
        end = end < 0 ? octets.length : end + 1;
        var line = Arrays.copyOf(octets, end);
        octets = Arrays.copyOfRange(octets, end, octets.length);
        return line;
    }

    private int indexOfLf(int from) {
        for (int i = from; i < octets.length; i++) if (octets[i] == '\n') return i;
        return -1;
    }

    /** Hand octets to the kernel, which makes segments of them. It takes those that it has room for. */
    void send(ByteBuffer waiting) {
        try {
            connection.write(waiting);
        } catch (IOException error) { // the server has ended the connection: receive() notices too
            // P33: a broken pipe comes after its FIN. A RST without one is told only once: to send() or to receive().
            reset |= !String.valueOf(error.getMessage()).contains("Broken pipe");
            waiting.position(waiting.limit());
        }
    }

    /** Send a line, and take what comes meanwhile (P30): else each side could wait for the other. */
    void sendLine(byte[] line) throws IOException {
        var waiting = ByteBuffer.wrap(line);
        while (waiting.hasRemaining() && !ended && !saidGoodBye) {
            if (somethingCame(true, true)) keep();
            else send(waiting);
        }
    }

    /** Our FIN: no more lines. The server may still be sending, and we go on receiving. */
    void endOurSide() {
        try {
            connection.shutdownOutput();
        } catch (IOException ended) {
            // it has ended everything already
        }
    }
}

// ---- The three ways to talk ----

final class Talk {
    /** The server closed the connection while we were asking for a line. */
    private static final class ServerEnded extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    private final Incoming incoming;

    Talk(Incoming incoming) {
        this.incoming = incoming;
    }

    void talk(String host, List<byte[]> script, boolean terminal) throws IOException {
        boolean interactive = script == null && terminal;
        var server = incoming.connection.socket();
        if (interactive || script != null)
            Screen.note("connected to " + host + " (" + Screen.shortened(server.getInetAddress()) + ") port "
                + server.getPort());
        if (interactive) Screen.note("type a line and press Enter; quit or Ctrl-D ends");
        if (interactive) converse(ask());
        else if (script != null) converse(play(script));
        else passThrough();
        server.close();
    }

    /** Send one line, wait for its answer, show it; and so on. lines asks a person, or reads a script. */
    private void converse(Iterator<byte[]> lines) throws IOException {
        try {
            boolean over = false;
            while (!over && lines.hasNext()) {
                var line = lines.next();
                var message = Arrays.copyOf(line, line.length + 1);
                message[line.length] = '\n';
                incoming.sendLine(message);
                Screen.showLine(incoming.line());
                over = incoming.saidGoodBye || incoming.ended;
            }
            if (!over) incoming.endOurSide();
        } catch (ServerEnded ended) {
            Screen.show(new byte[] {'\n'}); // leaves the line with the prompt
        }
        while (!incoming.ended) Screen.showLine(incoming.line());
        Screen.note("the server " + (incoming.saidGoodBye ? "said Good bye and " : "") + "closed the connection");
    }

    /** Lines from a person, with a prompt, until Ctrl-D. The terminal itself does the editing: Java offers no more. */
    private Iterator<byte[]> ask() {
        return new Iterator<>() {
            private byte[] next;

            @Override
            public boolean hasNext() {
                Screen.show("> ".getBytes(StandardCharsets.US_ASCII));
                var typed = new CompletableFuture<byte[]>();
                // A thread of its own: nothing else can end a wait for the keyboard when the server closes.
                Thread.ofPlatform().daemon().start(() -> {
                    typed.complete(readLine(System.in));
                    incoming.wake();
                });
                try {
                    while (!typed.isDone() && !incoming.ended) if (incoming.somethingCame(false, false)) incoming.keep();
                } catch (IOException reset) {
                    throw new ServerEnded();
                }
                if (!typed.isDone()) throw new ServerEnded();
                next = typed.join();
                if (next == null) Screen.show(new byte[] {'\n'}); // Ctrl-D
                return next != null;
            }

            @Override
            public byte[] next() {
                return next;
            }
        };
    }

    /** A line of the keyboard without its LF; null at Ctrl-D. */
    private static byte[] readLine(InputStream input) {
        var line = new ByteArrayOutputStream();
        try {
            int octet = input.read();
            if (octet < 0) return null;
            for (; octet >= 0 && octet != '\n'; octet = input.read()) line.write(octet);
        } catch (IOException gone) {
            return null;
        }
        return line.toByteArray();
    }

    /** The lines of a script, shown as if a person typed them. Lines that begin with # are not sent. */
    private static Iterator<byte[]> play(List<byte[]> script) {
        return script.stream()
            .filter(line -> line.length == 0 || line[0] != '#')
            .peek(line -> {
                Screen.show("> ".getBytes(StandardCharsets.US_ASCII));
                Screen.show(line);
                Screen.show(new byte[] {'\n'});
            })
            .iterator();
    }

    /** Send all of our input; meanwhile show what comes back. Both at once: else each side could wait for the other. */
    private void passThrough() throws IOException {
        var input = new ArrayBlockingQueue<ByteBuffer>(1);
        // A thread of its own: no Selector can wait for a pipe.
        Thread.ofPlatform().daemon().start(() -> readInput(input));
        var waiting = ByteBuffer.allocate(0); // of our input, to be sent
        boolean inputEnded = false;
        while (!incoming.ended) {
            // We wait for the server only while it takes nothing, and when our input has ended.
            boolean room = waiting.hasRemaining();
            if (incoming.somethingCame(room, room || inputEnded)) Screen.show(incoming.receive());
            var more = room ? null : input.poll();
            if (more != null) {
                waiting = more;
                inputEnded = !more.hasRemaining();
                if (inputEnded) incoming.endOurSide();
            }
            if (waiting.hasRemaining()) incoming.send(waiting);
        }
    }

    /** Brings our input, piece by piece; at its end no octet. */
    private void readInput(BlockingQueue<ByteBuffer> input) {
        try {
            for (int count = 0; count >= 0; ) {
                var octets = new byte[65536];
                try {
                    count = System.in.read(octets);
                } catch (IOException gone) {
                    count = -1;
                }
                input.put(ByteBuffer.wrap(octets, 0, Math.max(count, 0)));
                incoming.wake();
            }
        } catch (InterruptedException never) {
            Thread.currentThread().interrupt();
        }
    }
}

// ---- Screen, arguments, errors: as images/CONTRACT.md words them ----

final class Screen {
    private static final OutputStream OUT = new FileOutputStream(FileDescriptor.out);
    private static final OutputStream ERR = new FileOutputStream(FileDescriptor.err);

    static void show(byte[] octets) {
        try {
            OUT.write(octets);
        } catch (IOException error) {
            // Whoever read our output has gone ("| head"): nothing to complain of.
            if (String.valueOf(error.getMessage()).contains("Broken pipe")) Runtime.getRuntime().halt(1);
            fail(1, "cannot write to standard output; is the disk full?");
        }
    }

    /** A line for a person: on a line of its own, though it may have come without an end. */
    static void showLine(byte[] line) {
        show(line);
        if (line.length > 0 && line[line.length - 1] != '\n') show(new byte[] {'\n'});
    }

    /** For the person, not part of the conversation: on standard error. */
    static void note(String sentence) {
        try {
            ERR.write((sentence + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException ignored) {
            // nobody is there to read it
        }
    }

    static <T> T fail(int status, String sentence) {
        note("echo-client: " + sentence);
        Runtime.getRuntime().halt(status);
        throw new IllegalStateException();
    }

    /** An address as people write it: an IPv6 address with its longest row of zeros left out (RFC 5952 §4). */
    static String shortened(InetAddress address) {
        var text = address.getHostAddress().replaceAll("%.*", "");
        var zeros = java.util.regex.Pattern.compile("(?<![^:])0(:0)+(?![^:])").matcher(text).results();
        var longest = zeros.reduce((a, b) -> b.group().length() > a.group().length() ? b : a);
        if (longest.isEmpty() || !text.contains(":")) return text;
        var head = text.substring(0, longest.get().start()).replaceAll(":$", "");
        var tail = text.substring(longest.get().end()).replaceAll("^:", "");
        return head + "::" + tail;
    }
}

final class Program {
    private static final String USAGE = "usage: echo-client [--script FILE] [HOST [PORT]]";

    /** The lines of a script without their line ends, be these LF or CR LF, and without a byte order mark. */
    private static List<byte[]> readScript(String path) {
        var lines = new ArrayList<byte[]>();
        try {
            var text = Files.readString(Path.of(path), StandardCharsets.ISO_8859_1);
            if (text.startsWith("\u00ef\u00bb\u00bf")) text = text.substring(3);
            if (text.isEmpty()) return lines;
            for (var line : text.replaceAll("\n\\z", "").split("\n", -1))
                lines.add(line.replaceAll("\r\\z", "").getBytes(StandardCharsets.ISO_8859_1));
        } catch (IOException | RuntimeException error) {
            Screen.fail(2, "cannot read the script \"" + path + "\"; name a text file that this user may read");
        }
        return lines;
    }

    /** The first of these that is there and not empty. */
    private static String first(String... texts) {
        for (var text : texts) if (text != null && !text.isEmpty()) return text;
        return "";
    }

    private static int number(String name, String text, long least, long most) {
        boolean good = text.matches("[0-9]{1,11}") && Long.parseLong(text) >= least && Long.parseLong(text) <= most;
        if (!good) Screen.fail(2, name + " is \"" + text + "\"; it must be a number from " + least + " to " + most);
        return Integer.parseInt(text);
    }

    /** Ctrl-C and SIGTERM end the client; ending closes the socket, which sends our FIN. */
    private static void heedSignals() {
        Signal.handle(new Signal("TERM"), signal -> Runtime.getRuntime().halt(143));
        Signal.handle(new Signal("INT"), signal -> {
            Screen.note("");
            Runtime.getRuntime().halt(130);
        });
    }

    public static void main(String[] arguments) {
        System.setProperty("java.net.preferIPv6Addresses", "system"); // addresses in the order that the system gives
        heedSignals();
        Deque<String> words = new ArrayDeque<>(List.of(arguments));
        String script = null;
        var places = new ArrayList<String>();
        while (!words.isEmpty()) {
            var word = words.pop();
            if (word.equals("-h") || word.equals("--help")) {
                Screen.show((USAGE + "\n").getBytes(StandardCharsets.US_ASCII));
                Runtime.getRuntime().halt(0);
            } else if (word.equals("--script")) {
                if (words.isEmpty()) Screen.fail(2, word + " needs a value; " + USAGE);
                script = words.pop();
            } else if (word.startsWith("-")) {
                Screen.fail(2, "\"" + word + "\" is not an option; " + USAGE);
            } else {
                places.add(word);
            }
        }
        if (places.size() > 2) Screen.fail(2, "\"" + places.get(2) + "\" is one argument too many; " + USAGE);
        var environment = System.getenv();
        var host = first(places.isEmpty() ? "" : places.get(0), environment.get("ECHO_HOST"), "localhost");
        int port = number("the port", first(places.size() < 2 ? "" : places.get(1), environment.get("ECHO_PORT"), "8080"),
            1, 65535);
        int timeoutS = number("ECHO_TIMEOUT_S", first(environment.get("ECHO_TIMEOUT_S"), "10"), 1, 3600);
        var lines = script == null ? null : readScript(script);
        boolean terminal = isTerminal();
        try {
            new Talk(new Incoming(Connecting.connect(host, port, timeoutS), timeoutS)).talk(host, lines, terminal);
        } catch (Incoming.Silence silence) {
            Screen.fail(1, "the server has not answered for " + timeoutS + " s; look at the server's log");
        } catch (IOException reset) { // it sent a RST: what was under way is lost
            Screen.fail(1, "the server reset the connection, text may be lost; look at the server's log");
        } catch (OutOfMemoryError full) {
            Screen.fail(1, "no memory is left; send shorter lines");
        }
        Runtime.getRuntime().halt(0);
    }

    /** Whether standard input is a terminal: the system gives those names like /dev/pts/0 or /dev/tty1. */
    private static boolean isTerminal() {
        try {
            var name = Path.of("/proc/self/fd/0").toRealPath().toString();
            return name.startsWith("/dev/pts/") || name.startsWith("/dev/tty") || name.equals("/dev/console");
        } catch (IOException pipe) {
            return false;
        }
    }
}
