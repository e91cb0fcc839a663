// An echo server: it answers every line in capital letters, and "quit" with "Good bye".
//
//     echo-server [--host ADDR] [--port N]
//
// The rules (P1, P2, ...) are in docs/protocol.md, the arguments and log lines in images/CONTRACT.md; servers in other
// languages follow the same two. Every Connection is an async method, read from top to bottom. Where it would have to
// wait it says "await": then its thread serves others, and when there is news some thread goes on with it. So a handful
// of threads serves everybody. Made for Mono (Debian has no .NET) and its compiler mcs.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Mono.Unix;
using Mono.Unix.Native;

// ---- Messages: octets in, octets out; nothing here knows of sockets ----

static class Messages
{
    // The library of Unicode's tables that the C and C++ servers use as well: Mono's own tables are old and simple.
    const string Unistring = "libunistring.so.5";

    [DllImport(Unistring)]
    static extern IntPtr u8_check(byte[] octets, UIntPtr length);

    [DllImport(Unistring)]
    static extern IntPtr u8_toupper(byte[] octets, UIntPtr length, string language, IntPtr normalisation, IntPtr buffer,
                                    out UIntPtr resultLength);

    [DllImport("libc")]
    static extern void free(IntPtr memory);

    // The answer to a message (P9, P11): text in capital letters; of what is not UTF-8, only a to z change.
    public static byte[] CapitalLetters(byte[] message)
    {
        if (message.Length == 0)
            return message;
        var length = (UIntPtr)message.Length;
        if (u8_check(message, length) != IntPtr.Zero) // where it found an octet that is not UTF-8
            return Array.ConvertAll(message, octet => octet >= 'a' && octet <= 'z' ? (byte)(octet - 'a' + 'A') : octet);
        UIntPtr count;
        IntPtr capitals = u8_toupper(message, length, null, IntPtr.Zero, IntPtr.Zero, out count);
        if (capitals == IntPtr.Zero)
            throw new OutOfMemoryException();
        var answer = new byte[(int)count];
        Marshal.Copy(capitals, answer, 0, answer.Length);
        free(capitals);
        return answer;
    }

    // A line without its LF, as message and line end: CR LF is answered with CR LF (P3).
    public static byte[] SplitLineEnd(byte[] line, out string lineEnd)
    {
        bool carriageReturn = line.Length > 0 && line[line.Length - 1] == '\r';
        lineEnd = carriageReturn ? "\r\n" : "\n";
        if (carriageReturn)
            Array.Resize(ref line, line.Length - 1);
        return line;
    }
}

// ---- Connections: what happens on the wire, and what we do about it ----

// One client. TCP brings a stream of octets, not messages: a line comes in pieces, or many lines come at once.
sealed class Connection
{
    const string GoodBye = "Good bye";
    const int DiscardMs = 2000;   // P16: how long we read on after our FIN
    const int ReadOctets = 65536; // the most that one read takes

    // What has just been read. One for each thread, not for each connection: an idle connection costs next to nothing.
    static readonly ThreadLocal<byte[]> octets = new ThreadLocal<byte[]>(() => new byte[ReadOctets]);

    readonly Server server;
    readonly Socket socket;
    readonly string peer;
    readonly TaskCompletionSource<bool> stopping = new TaskCompletionSource<bool>();
    readonly Stopwatch sinceArrival = new Stopwatch();
    MemoryStream line = new MemoryStream();    // the octets of the line that has no end yet
    MemoryStream answers = new MemoryStream(); // what we will send when all that has arrived is looked at
    bool closing;                              // nothing more will be answered
    bool peerEnded;                            // the peer's FIN has come
    Task arrival;                              // ends when something is there to be read
    Task silence;                              // ends when it is time to look whether the peer is silent

    // SYN, SYN-ACK and ACK are exchanged: the kernel did that on its own, before we heard of the client.
    public Connection(Server server, Socket socket)
    {
        this.server = server;
        this.socket = socket;
        peer = Log.NameOf(() => socket.RemoteEndPoint);
    }

    // The life of a connection.
    public async Task Serve()
    {
        Log.Line(peer + " connected");
        string end = "closed";
        try {
            // An answer leaves at once. Nagle's algorithm would keep a short one until the one before is acknowledged.
            socket.NoDelay = true;
            socket.Blocking = false; // what would have to wait fails with WouldBlock instead
            arrival = Arrival();
            while (!closing) {
                await SomethingHappens();
                bool stop = stopping.Task.IsCompleted;
                if ((arrival.IsCompleted || socket.Available > 0) && !server.StopReading) {
                    Receive();
                } else if (stop || sinceArrival.ElapsedMilliseconds >= server.FlushMs) {
                    AnswerUnfinished();
                    closing = closing || stop;
                }
                await SendAnswers();
            }
            await Close();
        } catch (SocketException error) { // the peer sent a RST, or can't be reached any more
            if (error.SocketErrorCode == SocketError.ConnectionReset || error.SocketErrorCode == SocketError.Shutdown)
                end = "reset";
        } catch (Exception) { // no memory, in whatever way it shows: this connection ends, all others go on (P1)
            Log.Error("no memory is left; give it more, or choose a smaller ECHO_MAX_LINE");
        }
        Log.Line($"{peer} {end}");
        socket.Close();
    }

    // The server stops: what waits shall wait no longer.
    public void Stop()
    {
        stopping.TrySetResult(true);
    }

    // Wait for the peer or for the server's stop; and if a line is unfinished, not longer than for the peer's silence.
    Task SomethingHappens()
    {
        if (line.Length == 0)
            return Task.WhenAny(arrival, stopping.Task);
        // A timer set anew for each segment would cost more than the segment. So one runs, and we look when it ends.
        if (silence == null || silence.IsCompleted)
            silence = Task.Delay((int)Math.Max(1, server.FlushMs - sinceArrival.ElapsedMilliseconds));
        return Task.WhenAny(arrival, stopping.Task, silence);
    }

    // A read of no octet ends when there is something to read, be it the peer's FIN. Nobody needs a buffer to wait.
    Task Arrival()
    {
        return socket.ReceiveAsync(new ArraySegment<byte>(octets.Value, 0, 0), SocketFlags.None);
    }

    // Take what is there.
    void Receive()
    {
        if (arrival.IsCompleted) {
            try {
                arrival.GetAwaiter().GetResult(); // throws if a RST has come: that is told only once, here or below
            } catch (SocketException early) when (early.SocketErrorCode == SocketError.WouldBlock) {
                // what had arrived we have taken before, while this was still on its way to tell us
            }
            arrival = null;
        }
        SocketError error;
        int count = socket.Receive(octets.Value, 0, ReadOctets, SocketFlags.None, out error); // 0 is the peer's FIN
        if (error == SocketError.Success && count == 0)
            EofReceived();
        else if (error == SocketError.Success)
            DataReceived(octets.Value, count);
        else if (error != SocketError.WouldBlock)
            throw new SocketException((int)error);
        if (arrival == null && !peerEnded)
            arrival = Arrival();
    }

    // Segments have arrived: the kernel has acknowledged them and put their octets in order.
    void DataReceived(byte[] received, int count)
    {
        if (closing)
            return; // P16: read and thrown away, for Close() with unread octets would send a RST, not a FIN
        sinceArrival.Restart();
        if (server.LogMessages)
            Log.Line($"{peer} received {count} octets");
        int next = 0, lineFeed;
        while (!closing && (lineFeed = Array.IndexOf(received, (byte)'\n', next, count - next)) >= 0) {
            line.Write(received, next, lineFeed - next); // only what is new was searched: a long line stays cheap
            next = lineFeed + 1;
            string lineEnd;
            byte[] message = Messages.SplitLineEnd(TakeLine(), out lineEnd);
            Answer(message, lineEnd);
        }
        if (closing)
            return;
        line.Write(received, next, count - next);
        // P22: the limit is for the message alone. A CR at the end may be the first half of a line end.
        bool carriageReturn = next < count && received[count - 1] == '\r';
        if (line.Length - (carriageReturn ? 1 : 0) > server.MaxLine)
            RefuseLongLine();
    }

    byte[] TakeLine()
    {
        byte[] taken = line.ToArray();
        line = new MemoryStream();
        return taken;
    }

    void Answer(byte[] message, string lineEnd)
    {
        if (message.Length > server.MaxLine) {
            RefuseLongLine();
        } else if (message.Length == 4 && Encoding.ASCII.GetString(message).ToUpperInvariant() == "QUIT") {
            Log.Line(peer + " said quit");
            Append(Encoding.ASCII.GetBytes(GoodBye + lineEnd));
            closing = true;
        } else {
            Append(Messages.CapitalLetters(message));
            Append(Encoding.ASCII.GetBytes(lineEnd));
        }
    }

    void RefuseLongLine()
    {
        Log.Line($"{peer} sent a line longer than {server.MaxLine} bytes");
        Append(Encoding.ASCII.GetBytes($"ERROR line longer than {server.MaxLine} bytes\n"));
        closing = true;
    }

    void Append(byte[] answer)
    {
        answers.Write(answer, 0, answer.Length);
    }

    // Hand all answers to the kernel at once: they share segments, as the lines may have done.
    async Task SendAnswers()
    {
        int length = (int)answers.Length, sent = 0;
        if (length > 0) {
            byte[] waiting = answers.GetBuffer();
            answers = new MemoryStream();
            var pieces = new[] { new ArraySegment<byte>(waiting, 0, length) };
            SocketError error;
            // The kernel copies what it has room for, and makes segments of it. (A list of one piece, because of a piece
            // alone Mono would not let go until all of it is sent, and ask the kernel over and over.)
            sent = socket.Send(pieces, SocketFlags.None, out error);
            if (error != SocketError.Success && error != SocketError.WouldBlock)
                throw new SocketException((int)error);
            // No room: the peer reads slowly (P24), and its window is closed. While we wait for it we don't read, so
            // our window closes too, and the peer can send no more: back-pressure.
            while (sent < length)
                sent += await socket.SendAsync(new ArraySegment<byte>(waiting, sent, length - sent), SocketFlags.None);
            if (server.LogMessages)
                Log.Line($"{peer} sent {length} octets");
            sinceArrival.Restart(); // while we didn't read, nothing could arrive
        }
    }

    // ---- A line without an end: 200 ms of silence (P19), or the peer's FIN (P18) ----

    // Answer the line that has no end, without one. What comes later starts a new message (P20).
    void AnswerUnfinished()
    {
        if (line.Length > 0)
            Answer(TakeLine(), "");
    }

    // The peer's FIN: it will send no more. It can still receive, so its last line is answered first.
    void EofReceived()
    {
        peerEnded = true;
        if (!closing)
            AnswerUnfinished();
        closing = true;
    }

    // ---- The end ----

    // End our side with a FIN, and read on until the peer's: "close" in P16. No octet is lost, no RST is sent.
    async Task Close()
    {
        line = null;
        socket.Shutdown(SocketShutdown.Send); // a FIN, behind the last octet of the answers
        Task limit = Task.Delay(DiscardMs);
        while (!peerEnded) {
            await Task.WhenAny(arrival, limit);
            if (limit.IsCompleted)
                return;
            Receive();
        }
    }
}

// ---- The server: the socket that listens, and the signals that stop it ----

sealed class Server
{
    const int StopMs = 500;        // P26: how long we wait for the peers' FINs when the whole server stops
    const int StopReadingMs = 250; // P26: how long, at most, we take in what had arrived before the stop
    const int RestMs = 1000;       // how long nobody is accepted when no file descriptor is left
    const int LookMs = 250;        // how often we look for a signal that WaitAny has missed
    public const int MostMaxLine = 1 << 26; // an answer may be three times as long, and is there more than once while made
    const int Backlog = 4096;      // so many clients may wait, shaken hands with by the kernel, until we accept them

    public int MaxLine, FlushMs;
    public bool LogMessages;
    readonly HashSet<Connection> connections = new HashSet<Connection>();
    readonly Stopwatch sinceStop = new Stopwatch();

    public bool StopReading
    {
        get { return sinceStop.ElapsedMilliseconds > StopReadingMs; }
    }

    public void Run(Socket listener)
    {
        // A handler for each signal; without one process 1 of a container would ignore it.
        UnixSignal[] signals = { new UnixSignal(Signum.SIGTERM), new UnixSignal(Signum.SIGINT) };
        Log.Line("listening on " + Log.NameOf(() => listener.LocalEndPoint));
        AcceptConnections(listener);
        // WaitAny wakes us at once. But it misses a signal that came before the call: that one the loop finds.
        while (!signals.Any(signal => signal.IsSet))
            UnixSignal.WaitAny(signals, LookMs);
        Log.Line("stopping");
        listener.Close(); // from now on a SYN is answered with a RST: refused
        Stop();
    }

    // Take each connection that the kernel has ready for us.
    async void AcceptConnections(Socket listener)
    {
        while (true) {
            try {
                Serve(await listener.AcceptAsync());
            } catch (ObjectDisposedException) {
                return; // we stop
            } catch (SocketException error) { // nearly always a client that has gone again
                if (error.SocketErrorCode != SocketError.TooManyOpenSockets)
                    continue;
                Log.Error("no file descriptor is left for one more connection; raise the limit (ulimit -n)");
                await Task.Delay(RestMs); // the clients wait in the backlog meanwhile
            }
        }
    }

    async void Serve(Socket socket)
    {
        var connection = new Connection(this, socket);
        lock (connections)
            connections.Add(connection);
        await connection.Serve();
        lock (connections)
            connections.Remove(connection);
    }

    // P26: let everybody answer what has arrived, send every peer a FIN, and wait for theirs, but not for long.
    void Stop()
    {
        sinceStop.Start();
        Connection[] all;
        lock (connections)
            all = connections.ToArray();
        foreach (Connection connection in all)
            connection.Stop();
        bool some = true;
        while (some && sinceStop.ElapsedMilliseconds < StopMs) {
            Thread.Sleep(5);
            lock (connections)
                some = connections.Count > 0;
        }
    }

    // A listening socket. "::" stands for every address of this machine, of IPv6 and of IPv4 (P27).
    public static Socket Listen(string host, int port)
    {
        bool both = host == "::";
        if (both && !Socket.OSSupportsIPv6) {
            host = "0.0.0.0";
            both = false;
        }
        IPAddress address = null;
        try {
            if (host.StartsWith("[", StringComparison.Ordinal)) // to Mono, [::1] is an address like ::1
                throw new ArgumentException();
            if (!IPAddress.TryParse(host, out address))
                address = Dns.GetHostAddresses(host)[0];
        } catch (Exception) {
            Program.Fail(1, $"there is no host named \"{host}\"; check --host");
        }
        try {
            // (Mono sets SO_REUSEADDR: connections in TIME_WAIT, of a server that has just ended, are no matter.)
            var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
                listener.DualMode = both;
            // Bind() takes the port. Listen() makes the kernel answer a SYN with a SYN-ACK, not with a RST as before.
            listener.Bind(new IPEndPoint(address, port));
            listener.Listen(Backlog);
            return listener;
        } catch (SocketException error) {
            string sentence = $"cannot listen on {host} port {port}; choose others with --host and --port";
            if (error.SocketErrorCode == SocketError.AddressAlreadyInUse)
                sentence = $"port {port} is in use by another program; stop it, or choose another with --port";
            else if (error.SocketErrorCode == SocketError.AccessDenied)
                sentence = $"port {port} is not for this user; choose one from 1024 up with --port";
            else if (error.SocketErrorCode == SocketError.AddressNotAvailable)
                sentence = $"{host} is not an address of this machine; choose another with --host";
            Program.Fail(1, sentence);
            return null;
        }
    }
}

// ---- Arguments, log lines, errors: as images/CONTRACT.md words them ----

static class Log
{
    static readonly Stream output = Console.OpenStandardOutput(), errors = Console.OpenStandardError();

    // An address as people write it: 192.0.2.20:40312 or [2001:db8::20]:40312.
    public static string NameOf(Func<EndPoint> ask)
    {
        IPEndPoint place;
        try {
            place = (IPEndPoint)ask();
        } catch (SocketException) {
            return "somebody"; // gone again before we could ask for its address
        }
        IPAddress address = place.Address;
        if (address.IsIPv4MappedToIPv6) // ::ffff:192.0.2.20 is an IPv4 peer
            address = address.MapToIPv4();
        if (address.AddressFamily == AddressFamily.InterNetwork)
            return $"{address}:{place.Port}";
        return $"[{new IPAddress(address.GetAddressBytes())}]:{place.Port}"; // without the number of a link
    }

    public static void Line(string text)
    {
        Print(output, text);
    }

    public static void Error(string sentence)
    {
        Print(errors, "echo-server: " + sentence);
    }

    // One line, whole: two threads may log in the same moment.
    static void Print(Stream stream, string text)
    {
        byte[] octets = Encoding.UTF8.GetBytes(text + "\n");
        try {
            lock (stream)
                stream.Write(octets, 0, octets.Length);
        } catch (IOException) {
            // whoever read the log may be gone; that is no reason to stop
        }
    }
}

static class Program
{
    const string Usage = "usage: echo-server [--host ADDR] [--port N]";
    const int DescriptorLimit = 7; // RLIMIT_NOFILE

    [StructLayout(LayoutKind.Sequential)]
    struct Limit
    {
        public ulong Soft, Hard;
    }

    [DllImport("libc")]
    static extern int getrlimit(int resource, out Limit limit);

    [DllImport("libc")]
    static extern int setrlimit(int resource, ref Limit limit);

    public static void Fail(int status, string sentence)
    {
        Log.Error(sentence);
        Stdlib._Exit(status);
    }

    // The value of a variable; what is set but empty counts as not set.
    static string Variable(string name, string otherwise)
    {
        string value = Environment.GetEnvironmentVariable(name);
        return string.IsNullOrEmpty(value) ? otherwise : value;
    }

    static int Number(string name, string text, int least, int most)
    {
        long value = -1;
        if (text.Length < 12 && text.All(letter => letter >= '0' && letter <= '9'))
            value = long.Parse(text);
        if (value < least || value > most)
            Fail(2, $"{name} is \"{text}\"; it must be a number from {least} to {most}");
        return (int)value;
    }

    static int Main(string[] words)
    {
        string host = Variable("ECHO_HOST", "::"), port = Variable("ECHO_PORT", "8080");
        for (int i = 0; i < words.Length; i++) {
            string word = words[i];
            if (word == "-h" || word == "--help") {
                Console.WriteLine(Usage);
                return 0;
            }
            if (word != "--host" && word != "--port")
                Fail(2, $"\"{word}\" is not an option; {Usage}");
            if (i + 1 == words.Length)
                Fail(2, $"{word} needs a value; {Usage}");
            string value = words[++i];
            if (value != "" && word == "--host")
                host = value;
            else if (value != "")
                port = value;
        }
        int portNumber = Number("the port", port, 0, 65535);
        var server = new Server();
        server.MaxLine = Number("ECHO_MAX_LINE", Variable("ECHO_MAX_LINE", "1048576"), 1, Server.MostMaxLine);
        server.FlushMs = Number("ECHO_FLUSH_MS", Variable("ECHO_FLUSH_MS", "200"), 1, 60000);
        string log = Variable("ECHO_LOG", "connections");
        if (log != "connections" && log != "messages")
            Fail(2, $"ECHO_LOG is \"{log}\"; it must be connections or messages");
        server.LogMessages = log == "messages";

        // The first call opens the library; later, with many connections, there might be no file descriptor left for that.
        Messages.CapitalLetters(Encoding.ASCII.GetBytes("hello"));
        // Every connection is a file descriptor. Take as many as we may have.
        Limit limit;
        getrlimit(DescriptorLimit, out limit);
        if (limit.Hard != ulong.MaxValue)
            limit.Soft = limit.Hard;
        setrlimit(DescriptorLimit, ref limit);
        server.Run(Server.Listen(host, portNumber));
        Stdlib._Exit(0); // without waiting for those whose peers don't read
        return 0;
    }
}
