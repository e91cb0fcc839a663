// An echo client: it sends lines to an echo server and shows what comes back.
//
//     echo-client [--script FILE] [HOST [PORT]]
//
// On a terminal it asks for lines; with --script it plays the lines of a file, each after the answer to the one before;
// else it sends whatever its standard input brings. The rules (P1, P2, ...) are in docs/protocol.md, the arguments and
// sentences in images/CONTRACT.md; clients in other languages follow the same two. Made for Mono (Debian has no .NET)
// and its compiler mcs.

using System;
using System.Collections.Generic;
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

// ---- Connecting ----

static class Connecting
{
    // Try every address that the name has, one after the other, until a server answers.
    public static async Task<Socket> Connect(string host, int port, int timeoutS)
    {
        IPAddress[] found = { };
        try {
            if (host.StartsWith("[", StringComparison.Ordinal)) // to Mono, [::1] is an address like ::1
                throw new ArgumentException();
            IPAddress number;
            // Asks /etc/hosts, then the DNS. A name may have several addresses: localhost has ::1 and 127.0.0.1.
            found = IPAddress.TryParse(host, out number) ? new[] { number } : Dns.GetHostAddresses(host);
        } catch (Exception error) when (error is SocketException || error is ArgumentException) {
            Program.Fail(1, $"there is no host named \"{host}\"; check the name");
        }
        var errors = new HashSet<SocketError>();
        foreach (IPAddress address in found) {
            try {
                return await ConnectTo(address, port, 1000 * timeoutS);
            } catch (SocketException error) {
                errors.Add(error.SocketErrorCode);
            }
        }
        string tried = string.Join(" and ", found.Select(TextOf).Distinct());
        if (errors.Contains(SocketError.ConnectionRefused)) // the SYN was answered with a RST
            Program.Fail(1, $"{host} port {port} refused the connection (tried {tried}); " +
                            "start the server, or check the port");
        if (errors.Contains(SocketError.TimedOut)) // the SYN was not answered at all
            Program.Fail(1, $"no answer from {host} port {port} within {timeoutS} s (tried {tried}); " +
                            "check address and firewall");
        Program.Fail(1, $"there is no way to {host} port {port} (tried {tried}); check address and network");
        return null;
    }

    // An address as people write it, without the number of a link, as in fe80::1%2.
    public static string TextOf(IPAddress address)
    {
        return new IPAddress(address.GetAddressBytes()).ToString();
    }

    static async Task<Socket> ConnectTo(IPAddress address, int port, int timeoutMs)
    {
        var connection = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try {
            // Sends a SYN; done when the SYN-ACK has come and our ACK is on its way.
            Task connecting = connection.ConnectAsync(address, port);
            if (!await InTime(connecting, timeoutMs))
                throw new SocketException((int)SocketError.TimedOut);
            await connecting;
            return connection;
        } catch (SocketException) {
            connection.Close();
            throw;
        }
    }

    // Wait for a task, but not longer than this. Returns whether it has ended.
    public static async Task<bool> InTime(Task task, int timeoutMs)
    {
        using (var over = new CancellationTokenSource()) {
            bool inTime = await Task.WhenAny(task, Task.Delay(timeoutMs, over.Token)) == task;
            over.Cancel(); // else the timer would go on, for nothing
            return inTime;
        }
    }
}

// ---- The stream from the server ----

// What the server sends: a stream of octets, in which we look for lines.
sealed class Incoming
{
    const string GoodBye = "Good bye";
    const int PieceOctets = 65536; // a long line is handed over in pieces: so we see whether the server takes them
    const int ErrorMs = 100;       // the end of a connection is told to Send() and to Receive(), in this time

    readonly Socket connection;
    readonly int timeoutMs;
    readonly byte[] piece = new byte[65536];
    Task<int> arrival;   // ends when something has come
    Task sending = Task.FromResult(true); // ends when the kernel has taken what we send
    byte[] octets = { }; // arrived, but not shown yet
    string tail = "";    // the last few octets that arrived
    volatile bool reset; // a RST has come, but it was told to Send()

    public bool Ended { get; private set; }
    public bool SaidGoodBye { get; private set; }

    public Incoming(Socket connection, int timeoutS)
    {
        this.connection = connection;
        timeoutMs = 1000 * timeoutS;
    }

    // Ends when something has come: octets, the server's FIN (no octet) or its RST (an exception).
    public Task<int> Arrival()
    {
        return arrival = arrival ?? connection.ReceiveAsync(new ArraySegment<byte>(piece), SocketFlags.None);
    }

    // Wait until something has come from the server, or a task of ours has ended. Throws TimeoutException when nothing
    // happens for too long; after "Good bye" that is the end.
    public async Task SomethingHappens(Task ours = null, bool limited = true)
    {
        Task news = Task.WhenAny(Arrival(), ours ?? Arrival());
        if (!limited && !SaidGoodBye) {
            await news;
        } else if (!await Connecting.InTime(news, timeoutMs)) {
            if (!SaidGoodBye)
                throw new TimeoutException();
            Ended = true;
        }
    }

    public bool HasCome
    {
        get { return arrival != null && arrival.IsCompleted; }
    }

    // Take what has come; nothing when the server has ended its side.
    public async Task<byte[]> Receive()
    {
        int count = 0;
        try {
            count = await Arrival();
            if (count == 0)
                await Task.WhenAny(sending, Task.Delay(ErrorMs));
            if (count == 0 && reset)
                throw new SocketException((int)SocketError.ConnectionReset);
        } catch (SocketException) when (SaidGoodBye) {
            // P31: after its "Good bye" all is said, however the connection ends
        }
        arrival = null;
        Ended = count == 0;
        // P31: no message is echoed as "Good bye": echoes have no small letters.
        int last = Math.Min(count, GoodBye.Length + 2);
        tail += Encoding.ASCII.GetString(piece, count - last, last);
        tail = tail.Substring(Math.Max(0, tail.Length - GoodBye.Length - 2));
        SaidGoodBye = SaidGoodBye || tail.TrimEnd('\r', '\n').EndsWith(GoodBye, StringComparison.Ordinal);
        return Bytes.Part(piece, 0, count);
    }

    // The next line with its line end; what is there without one, if no more comes.
    public async Task<byte[]> Line()
    {
        int searched = 0, lineFeed;
        while ((lineFeed = Array.IndexOf(octets, Bytes.LineFeed, searched)) < 0 && !Ended) {
            searched = octets.Length;
            try {
                await SomethingHappens();
                if (HasCome)
                    octets = Bytes.Join(octets, await Receive());
            } catch (TimeoutException) when (octets.Length > 0) {
                break; // a server that sends no line ends: its text shall be seen all the same
            }
        }
        int end = lineFeed < 0 ? octets.Length : lineFeed + 1;
        byte[] line = Bytes.Part(octets, 0, end);
        octets = Bytes.Part(octets, end, octets.Length - end);
        return line;
    }

    // Wait for a task. Returns false if the server ends the connection before; Receive() will tell how.
    public async Task<bool> StaysOpenUntil(Task task)
    {
        while (await Task.WhenAny(task, Arrival()) == arrival) {
            if (arrival.IsFaulted || arrival.Result == 0)
                return false;
            octets = Bytes.Join(octets, await Receive());
        }
        return true;
    }

    // Hand octets to the kernel, which makes segments of them. Ends when it has taken them all.
    public Task Send(byte[] octets, int begin, int length)
    {
        return sending = HandOver(new ArraySegment<byte>(octets, begin, length));
    }

    async Task HandOver(ArraySegment<byte> octets)
    {
        try {
            await connection.SendAsync(octets, SocketFlags.None);
        } catch (SocketException error) { // the server has ended the connection: Receive() notices too
            // P33: a broken pipe comes after its FIN. A RST without one is told only once: to Send() or to Receive().
            reset = reset || error.SocketErrorCode != SocketError.Shutdown;
        }
    }

    // Send a line, and take what comes meanwhile (P30): else each side could wait for the other.
    public async Task SendLine(byte[] line)
    {
        for (int sent = 0; sent < line.Length && !Ended && !SaidGoodBye; sent += PieceOctets) {
            Task taken = Send(line, sent, Math.Min(PieceOctets, line.Length - sent));
            while (!taken.IsCompleted && !Ended) {
                await SomethingHappens(taken);
                if (HasCome)
                    octets = Bytes.Join(octets, await Receive());
            }
        }
    }

    // Our FIN: no more lines. The server may still be sending.
    public void EndOurSide()
    {
        try {
            connection.Shutdown(SocketShutdown.Send);
        } catch (SocketException) {
            // it has ended everything already
        }
    }
}

static class Bytes
{
    public const byte LineFeed = (byte)'\n';

    public static byte[] Join(byte[] first, byte[] second)
    {
        byte[] both = Part(first, 0, first.Length + second.Length);
        second.CopyTo(both, first.Length);
        return both;
    }

    // A copy of some octets; zeros where there are none.
    public static byte[] Part(byte[] octets, int begin, int length)
    {
        var part = new byte[length];
        Buffer.BlockCopy(octets, begin, part, 0, Math.Min(length, octets.Length - begin));
        return part;
    }
}

// ---- The three ways to talk ----

// The server closed the connection while we were asking for a line.
sealed class ServerEndedException : Exception
{
}

static class Talking
{
    // Send one line, wait for its answer, show it; and so on. nextLine asks a person, or reads a script.
    public static async Task Converse(Incoming incoming, Func<Task<byte[]>> nextLine)
    {
        try {
            while (!incoming.SaidGoodBye && !incoming.Ended) {
                byte[] line = await nextLine();
                if (line == null) {
                    incoming.EndOurSide();
                    break;
                }
                await incoming.SendLine(line);
                Screen.ShowLine(await incoming.Line());
            }
        } catch (ServerEndedException) {
            Screen.Show("\n"); // leaves the line with the prompt
        }
        while (!incoming.Ended)
            Screen.ShowLine(await incoming.Line());
        Screen.Note($"the server {(incoming.SaidGoodBye ? "said Good bye and " : "")}closed the connection");
    }

    // Send all of our input; meanwhile show what comes back. Both at once: else each side could wait for the other.
    public static async Task PassThrough(Incoming incoming)
    {
        var octets = new byte[65536];
        Task<int> typing = Task.Run(() => Screen.Read(octets)); // null when our input has ended, or when something of it
        Task sending = null;                                    // is being sent
        while (!incoming.Ended) {
            // We wait for the server only while it takes nothing, and when our input has ended.
            await incoming.SomethingHappens(sending ?? typing, typing == null);
            if (incoming.HasCome)
                Screen.Show(await incoming.Receive());
            if (sending != null && sending.IsCompleted) {
                sending = null;
                typing = Task.Run(() => Screen.Read(octets));
            } else if (typing != null && typing.IsCompleted) {
                int count = typing.Result;
                typing = null;
                if (count > 0)
                    sending = incoming.Send(octets, 0, count);
                else
                    incoming.EndOurSide();
            }
        }
    }

    public static async Task Talk(Socket connection, string host, Script script, int timeoutS)
    {
        var incoming = new Incoming(connection, timeoutS);
        if (script == null && !Syscall.isatty(0)) {
            await PassThrough(incoming);
            return;
        }
        var server = (IPEndPoint)connection.RemoteEndPoint;
        Screen.Note($"connected to {host} ({Connecting.TextOf(server.Address)}) port {server.Port}");
        if (script != null) {
            await Converse(incoming, script.Play);
        } else {
            Screen.Note("type a line and press Enter; quit or Ctrl-D ends");
            await Converse(incoming, new Person(incoming).Ask);
        }
    }
}

// Lines from a person, with a prompt, until Ctrl-D. The terminal does the editing: it gives us whole lines.
sealed class Person
{
    readonly Incoming incoming;
    readonly byte[] keys = new byte[4096];
    byte[] typed = { };
    bool ended;

    public Person(Incoming incoming)
    {
        this.incoming = incoming;
    }

    public async Task<byte[]> Ask()
    {
        Screen.Show("> ");
        int lineFeed;
        while ((lineFeed = Array.IndexOf(typed, Bytes.LineFeed)) < 0 && !ended) {
            Task<int> typing = Task.Run(() => Screen.Read(keys));
            if (!await incoming.StaysOpenUntil(typing))
                throw new ServerEndedException();
            ended = typing.Result == 0; // Ctrl-D
            typed = Bytes.Join(typed, Bytes.Part(keys, 0, typing.Result));
        }
        if (typed.Length == 0) {
            Screen.Show("\n");
            return null;
        }
        if (lineFeed < 0)
            typed = Bytes.Join(typed, new[] { Bytes.LineFeed });
        int end = lineFeed < 0 ? typed.Length : lineFeed + 1;
        byte[] line = Bytes.Part(typed, 0, end);
        typed = Bytes.Part(typed, end, typed.Length - end);
        return line;
    }
}

// The lines of a script, shown as if a person typed them. Lines that begin with # are not sent.
sealed class Script
{
    readonly IEnumerator<byte[]> lines;

    public Script(string path)
    {
        var octets = new MemoryStream();
        try {
            using (FileStream file = File.OpenRead(path))
                file.CopyTo(octets);
        } catch (Exception) { // Mono has a dozen kinds, and for each the advice is the same
            Program.Fail(2, $"cannot read the script \"{path}\"; name a text file that this user may read");
        }
        lines = Lines(octets.ToArray()).GetEnumerator();
    }

    // The lines without their line ends, be these LF or CR LF, and without a byte order mark.
    static IEnumerable<byte[]> Lines(byte[] octets)
    {
        byte[] byteOrderMark = Encoding.UTF8.GetPreamble();
        int begin = octets.Take(3).SequenceEqual(byteOrderMark) ? byteOrderMark.Length : 0, lineFeed;
        for (; begin < octets.Length; begin = lineFeed + 1) {
            lineFeed = Array.IndexOf(octets, Bytes.LineFeed, begin);
            if (lineFeed < 0)
                lineFeed = octets.Length;
            int end = lineFeed > begin && octets[lineFeed - 1] == '\r' ? lineFeed - 1 : lineFeed;
            yield return Bytes.Part(octets, begin, end - begin);
        }
    }

    public Task<byte[]> Play()
    {
        while (lines.MoveNext()) {
            if (lines.Current.FirstOrDefault() == '#')
                continue;
            byte[] line = Bytes.Join(lines.Current, new[] { Bytes.LineFeed });
            Screen.Show("> ");
            Screen.Show(line);
            return Task.FromResult(line);
        }
        return Task.FromResult<byte[]>(null);
    }
}

// ---- Screen, arguments, errors: as images/CONTRACT.md words them ----

static class Screen
{
    // The system's own calls. Console would take octets for text, and change what it doesn't understand.
    [DllImport("libc", SetLastError = true)]
    static extern IntPtr read(int descriptor, byte[] octets, UIntPtr length);

    [DllImport("libc", SetLastError = true)]
    static extern IntPtr write(int descriptor, byte[] octets, UIntPtr length);

    // Started without any input, as by "<&-", Mono gave the number 0 to a file of its own: this program.
    static readonly bool noInput = UnixPath.TryReadLink("/proc/self/fd/0") == UnixPath.TryReadLink("/proc/self/exe");

    // How many octets a person or a pipe has given us; 0 at the end.
    public static int Read(byte[] octets)
    {
        return noInput ? 0 : Math.Max(0, (int)read(0, octets, (UIntPtr)octets.Length));
    }

    public static void Show(byte[] octets)
    {
        while (octets.Length > 0) {
            int count = (int)write(1, octets, (UIntPtr)octets.Length);
            if (count < 0 && Stdlib.GetLastError() == Errno.EPIPE) // whoever read our output has gone ("| head")
                Stdlib._Exit(1);
            if (count < 0)
                Program.Fail(1, "cannot write to standard output; is the disk full?");
            octets = Bytes.Part(octets, count, octets.Length - count);
        }
    }

    public static void Show(string text)
    {
        Show(Encoding.ASCII.GetBytes(text));
    }

    // A line for a person: on a line of its own, though it may have come without an end.
    public static void ShowLine(byte[] line)
    {
        Show(line);
        if (line.Length > 0 && line[line.Length - 1] != Bytes.LineFeed)
            Show("\n");
    }

    // For the person, not part of the conversation: on standard error.
    public static void Note(string sentence)
    {
        try {
            Console.Error.WriteLine(sentence);
        } catch (IOException) {
            // nobody is there to read it
        }
    }
}

static class Program
{
    const string Usage = "usage: echo-client [--script FILE] [HOST [PORT]]";
    const int LookMs = 250; // how often we look for a signal that WaitAny has missed

    public static void Fail(int status, string sentence)
    {
        Screen.Note("echo-client: " + sentence);
        Stdlib._Exit(status);
    }

    // Ctrl-C or SIGTERM. The kernel closes the socket of a program that has ended, which sends our FIN.
    static void EndAtOnce()
    {
        // A handler for each signal; without one process 1 of a container would ignore it.
        UnixSignal[] signals = { new UnixSignal(Signum.SIGTERM), new UnixSignal(Signum.SIGINT) };
        new Thread(() => {
            // WaitAny wakes us at once. But it misses a signal that came before the call: that one the loop finds.
            while (!signals.Any(signal => signal.IsSet))
                UnixSignal.WaitAny(signals, LookMs);
            if (signals[1].IsSet)
                Screen.Note("");
            Stdlib._Exit(signals[1].IsSet ? 130 : 143);
        }) { IsBackground = true }.Start();
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
        EndAtOnce();
        string path = null;
        var places = new List<string>();
        for (int i = 0; i < words.Length; i++) {
            if (words[i] == "-h" || words[i] == "--help") {
                Console.WriteLine(Usage);
                return 0;
            } else if (words[i] == "--script") {
                if (i + 1 == words.Length)
                    Fail(2, $"{words[i]} needs a value; {Usage}");
                path = words[++i];
            } else if (words[i].StartsWith("-", StringComparison.Ordinal)) {
                Fail(2, $"\"{words[i]}\" is not an option; {Usage}");
            } else {
                places.Add(words[i]);
            }
        }
        if (places.Count > 2)
            Fail(2, $"\"{places[2]}\" is one argument too many; {Usage}");
        string host = places.ElementAtOrDefault(0), portText = places.ElementAtOrDefault(1);
        host = string.IsNullOrEmpty(host) ? Variable("ECHO_HOST", "localhost") : host;
        portText = string.IsNullOrEmpty(portText) ? Variable("ECHO_PORT", "8080") : portText;
        int port = Number("the port", portText, 1, 65535);
        int timeoutS = Number("ECHO_TIMEOUT_S", Variable("ECHO_TIMEOUT_S", "10"), 1, 3600);
        Script script = path == null ? null : new Script(path);
        Socket connection = Connecting.Connect(host, port, timeoutS).GetAwaiter().GetResult();
        try {
            Talking.Talk(connection, host, script, timeoutS).GetAwaiter().GetResult();
        } catch (TimeoutException) {
            Fail(1, $"the server has not answered for {timeoutS} s; look at the server's log");
        } catch (SocketException) { // it sent a RST: what was under way is lost
            Fail(1, "the server reset the connection, text may be lost; look at the server's log");
        } catch (OutOfMemoryException) {
            Fail(1, "no memory is left; send shorter lines");
        }
        connection.Close();
        Stdlib._Exit(0); // without waiting for a thread that still waits for input
        return 0;
    }
}
