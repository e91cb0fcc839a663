// An echo client: it sends lines to an echo server and shows what comes back.
//
//     echo-client [--script FILE] [HOST [PORT]]
//
// On a terminal it asks for lines; with --script it plays the lines of a file, each after the answer to the one before;
// else it sends whatever its standard input brings. The rules (P1, P2, ...) are in docs/protocol.md, the arguments and
// sentences in images/CONTRACT.md; clients in other languages follow the same two. Made for Mono and its compiler mcs.

using System;
using System.Collections.Concurrent;
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
    public static Socket Connect(string host, int port, int timeoutS)
    {
        IPAddress[] found;
        try {
            // Asks /etc/hosts, then the DNS. A name may have several addresses: localhost has ::1 and 127.0.0.1.
            found = Dns.GetHostAddresses(host);
        } catch (Exception) {
            Screen.Fail(1, $"there is no host named \"{host}\"; check the name");
            return null;
        }
        var tried = new List<string>();
        bool refused = false, silent = false;
        foreach (IPAddress address in found) {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            SocketError error = ConnectTo(socket, new IPEndPoint(address, port), timeoutS);
            if (error == SocketError.Success)
                return socket;
            socket.Close();
            if (!tried.Contains(address.ToString()))
                tried.Add(address.ToString());
            refused |= error == SocketError.ConnectionRefused;
            silent |= error == SocketError.TimedOut;
        }
        string place = $"{host} port {port}", names = $"(tried {string.Join(" and ", tried)})";
        if (refused) // the SYN was answered with a RST
            Screen.Fail(1, $"{place} refused the connection {names}; start the server, or check the port");
        if (silent) // the SYN was not answered at all
            Screen.Fail(1, $"no answer from {place} within {timeoutS} s {names}; check address and firewall");
        Screen.Fail(1, $"there is no way to {place} {names}; check address and network");
        return null;
    }

    // Sends a SYN; returns when the SYN-ACK has come and our ACK is on its way.
    static SocketError ConnectTo(Socket socket, IPEndPoint place, int timeoutS)
    {
        try {
            IAsyncResult attempt = socket.BeginConnect(place, null, null);
            if (!attempt.AsyncWaitHandle.WaitOne(timeoutS * 1000))
                return SocketError.TimedOut;
            socket.EndConnect(attempt);
            return SocketError.Success;
        } catch (SocketException error) {
            return error.SocketErrorCode;
        }
    }
}

// ---- The stream from the server ----

// Nothing has come in time.
sealed class SilenceException : Exception
{
}

// What the server sends: a stream of octets, in which we look for lines.
sealed class Incoming
{
    const string GoodBye = "Good bye";
    const int LookMs = 20; // how often we look whether the wait is limited now

    public bool Ended, SaidGoodBye;
    public volatile bool Counting = true; // whether the wait for an answer is limited
    public readonly TaskCompletionSource<bool> Finished = new TaskCompletionSource<bool>(); // the server's FIN, or its RST
    readonly int timeoutMs;
    readonly BlockingCollection<byte[]> arrived = new BlockingCollection<byte[]>(16); // nothing is the FIN, null a RST
    byte[] octets = { }; // not shown yet
    string tail = "";    // the last few octets that arrived

    public Incoming(Socket socket, int timeoutS)
    {
        timeoutMs = timeoutS * 1000;
        var reader = new Thread(() => ReadOn(socket));
        reader.IsBackground = true;
        reader.Start();
    }

    // Takes what comes, at any time: so we notice the server's FIN also while a person thinks.
    void ReadOn(Socket socket)
    {
        var buffer = new byte[65536];
        try {
            int count = 1;
            while (count > 0) {
                count = socket.Receive(buffer); // waits for a segment; 0 is the server's FIN
                if (count == 0)
                    Finished.TrySetResult(true);
                arrived.Add(buffer.Take(count).ToArray());
            }
        } catch (Exception) { // a RST; or we have closed the socket ourselves
            Finished.TrySetResult(true);
            arrived.Add(null);
        }
    }

    // What has arrived next; nothing when the server has ended its side. Throws SilenceException when nothing comes.
    public byte[] Receive()
    {
        byte[] next;
        bool counted, some;
        do {
            counted = Counting;
            some = arrived.TryTake(out next, counted ? timeoutMs : LookMs);
        } while (!some && !counted);
        if (!SaidGoodBye) { // P31: after its "Good bye" all is said, however the connection ends
            if (!some)
                throw new SilenceException();
            if (next == null)
                throw new SocketException((int)SocketError.ConnectionReset);
        }
        next = next ?? new byte[0];
        Ended = next.Length == 0;
        // P31: no message is echoed as "Good bye": echoes have no small letters.
        tail += Screen.Octets.GetString(next);
        tail = tail.Substring(Math.Max(0, tail.Length - GoodBye.Length - 2));
        SaidGoodBye = SaidGoodBye || tail.TrimEnd('\r', '\n').EndsWith(GoodBye, StringComparison.Ordinal);
        return next;
    }

    // The next line with its line end; what is there without one, if no more comes.
    public byte[] Line()
    {
        int end, searched = 0;
        while ((end = Array.IndexOf(octets, (byte)'\n', searched)) < 0 && !Ended) {
            searched = octets.Length;
            try {
                octets = octets.Concat(Receive()).ToArray();
            } catch (SilenceException) {
                if (octets.Length == 0)
                    throw;
                break; // a server that sends no line ends: its text shall be seen all the same
            }
        }
        end = end < 0 ? octets.Length : end + 1;
        byte[] line = octets.Take(end).ToArray();
        octets = octets.Skip(end).ToArray();
        return line;
    }
}

// ---- The three ways to talk ----

// The server closed the connection while we were asking for a line.
sealed class ServerEndedException : Exception
{
}

sealed class Talk
{
    readonly Socket socket;
    readonly Incoming incoming;

    public Talk(Socket socket, int timeoutS)
    {
        this.socket = socket;
        incoming = new Incoming(socket, timeoutS);
    }

    public void Run(string host, List<byte[]> script)
    {
        bool interactive = script == null && Syscall.isatty(0);
        var place = (IPEndPoint)socket.RemoteEndPoint;
        if (interactive || script != null)
            Screen.Note($"connected to {host} ({place.Address}) port {place.Port}");
        if (interactive)
            Screen.Note("type a line and press Enter; quit or Ctrl-D ends");
        if (interactive)
            Converse(Ask());
        else if (script != null)
            Converse(Play(script));
        else
            PassThrough();
        socket.Close();
    }

    // Send one line, wait for its answer, show it; and so on. The lines come from a person, or from a script.
    void Converse(IEnumerable<byte[]> lines)
    {
        try {
            bool over = false;
            foreach (byte[] line in lines) {
                SendAll(line.Concat(new[] { (byte)'\n' }).ToArray()); // into the kernel's buffer; it makes segments of it
                Screen.ShowLine(incoming.Line());
                over = incoming.SaidGoodBye || incoming.Ended;
                if (over)
                    break;
            }
            if (!over)
                socket.Shutdown(SocketShutdown.Send); // our FIN: no more lines. The server may still be sending
        } catch (ServerEndedException) {
            Screen.Show("\n"); // leaves the line with the prompt
        }
        while (!incoming.Ended)
            Screen.ShowLine(incoming.Line());
        Screen.Note($"the server {(incoming.SaidGoodBye ? "said Good bye and " : "")}closed the connection");
    }

    void SendAll(byte[] octets)
    {
        SendAll(octets, octets.Length);
    }

    void SendAll(byte[] octets, int length)
    {
        for (int sent = 0; sent < length;)
            sent += socket.Send(octets, sent, length - sent, SocketFlags.None); // waits when the server reads slowly
    }

    // Lines from a person, with a prompt, until Ctrl-D. The terminal itself does the editing.
    IEnumerable<byte[]> Ask()
    {
        Stream keyboard = Console.OpenStandardInput();
        while (true) {
            Screen.Show("> ");
            var typed = new TaskCompletionSource<byte[]>();
            // A thread of its own: nothing else can end a wait for the keyboard when the server closes.
            var reader = new Thread(() => typed.TrySetResult(ReadLine(keyboard)));
            reader.IsBackground = true;
            reader.Start();
            Task.WaitAny(typed.Task, incoming.Finished.Task);
            if (!typed.Task.IsCompleted)
                throw new ServerEndedException();
            if (typed.Task.Result == null) { // Ctrl-D
                Screen.Show("\n");
                yield break;
            }
            yield return typed.Task.Result;
        }
    }

    // A line of the keyboard without its LF; null at Ctrl-D.
    static byte[] ReadLine(Stream keyboard)
    {
        var line = new List<byte>();
        int octet = keyboard.ReadByte();
        if (octet < 0)
            return null;
        for (; octet >= 0 && octet != '\n'; octet = keyboard.ReadByte())
            line.Add((byte)octet);
        return line.ToArray();
    }

    // The lines of a script, shown as if a person typed them. Lines that begin with # are not sent.
    static IEnumerable<byte[]> Play(List<byte[]> script)
    {
        foreach (byte[] line in script) {
            if (line.Length > 0 && line[0] == '#')
                continue;
            Screen.Show("> ");
            Screen.Show(line);
            Screen.Show("\n");
            yield return line;
        }
    }

    // Send all of our input; meanwhile show what comes back. Both at once: else each side could wait for the other.
    void PassThrough()
    {
        incoming.Counting = false;
        var sender = new Thread(SendInput);
        sender.IsBackground = true;
        sender.Start();
        while (!incoming.Ended)
            Screen.Show(incoming.Receive());
    }

    void SendInput()
    {
        try {
            Stream input = Console.OpenStandardInput();
            var buffer = new byte[65536];
            int count;
            while ((count = input.Read(buffer, 0, buffer.Length)) > 0)
                SendAll(buffer, count);
            socket.Shutdown(SocketShutdown.Send); // our FIN; what the server still sends, we go on receiving
        } catch (Exception) {
            // the server has ended the connection: Receive() notices too
        }
        incoming.Counting = true;
    }
}

// ---- Screen, arguments, errors: as images/CONTRACT.md words them ----

static class Screen
{
    public static readonly Encoding Octets = Encoding.GetEncoding("iso-8859-1"); // a letter for each octet
    const int BrokenPipe = 32; // EPIPE

    // The system's own write(): it tells why it fails, which Mono's streams do not.
    [DllImport("libc", SetLastError = true)]
    static extern IntPtr write(int descriptor, byte[] octets, UIntPtr count);

    public static void Show(string text)
    {
        Show(Octets.GetBytes(text));
    }

    public static void Show(byte[] octets)
    {
        while (octets.Length > 0) {
            int written = (int)write(1, octets, (UIntPtr)octets.Length);
            int error = written < 0 ? Marshal.GetLastWin32Error() : 0;
            if (error == BrokenPipe) // whoever read our output has gone ("| head"): nothing to complain of
                Stdlib._Exit(1);
            if (error != 0)
                Fail(1, "cannot write to standard output; is the disk full?");
            octets = octets.Skip(written).ToArray();
        }
    }

    // A line for a person: on a line of its own, though it may have come without an end.
    public static void ShowLine(byte[] line)
    {
        Show(line);
        if (line.Length > 0 && line[line.Length - 1] != '\n')
            Show("\n");
    }

    // For the person, not part of the conversation: on standard error.
    public static void Note(string sentence)
    {
        byte[] octets = Encoding.UTF8.GetBytes(sentence + "\n");
        write(2, octets, (UIntPtr)octets.Length);
    }

    public static void Fail(int status, string sentence)
    {
        Note("echo-client: " + sentence);
        Stdlib._Exit(status);
    }
}

static class Program
{
    const string Usage = "usage: echo-client [--script FILE] [HOST [PORT]]";
    const int LookMs = 100; // how often we look for a signal that WaitAny has missed

    // Ctrl-C and SIGTERM end the client; ending closes the socket, which sends our FIN. Without a handler process 1 of a
    // container would ignore them.
    static void HeedSignals()
    {
        UnixSignal interrupt = new UnixSignal(Signum.SIGINT), terminate = new UnixSignal(Signum.SIGTERM);
        var waiting = new Thread(() => {
            while (!interrupt.IsSet && !terminate.IsSet)
                UnixSignal.WaitAny(new[] { interrupt, terminate }, LookMs);
            if (interrupt.IsSet)
                Screen.Note("");
            Stdlib._Exit(interrupt.IsSet ? 130 : 143);
        });
        waiting.IsBackground = true;
        waiting.Start();
    }

    // The lines of a script without their line ends, be these LF or CR LF, and without a byte order mark.
    static List<byte[]> ReadScript(string path)
    {
        string text = "";
        try {
            text = Screen.Octets.GetString(File.ReadAllBytes(path));
        } catch (Exception) {
            Screen.Fail(2, $"cannot read the script \"{path}\"; name a text file that this user may read");
        }
        if (text.StartsWith("\u00ef\u00bb\u00bf", StringComparison.Ordinal))
            text = text.Substring(3);
        if (text == "")
            return new List<byte[]>();
        if (text[text.Length - 1] == '\n')
            text = text.Substring(0, text.Length - 1);
        return text.Split('\n').Select(line => Screen.Octets.GetBytes(
            line.EndsWith("\r", StringComparison.Ordinal) ? line.Substring(0, line.Length - 1) : line)).ToList();
    }

    // The first of these that is there and not empty.
    static string First(params string[] texts)
    {
        return texts.FirstOrDefault(text => !string.IsNullOrEmpty(text)) ?? "";
    }

    static string Variable(string name)
    {
        return Environment.GetEnvironmentVariable(name);
    }

    static int Number(string name, string text, int least, int most)
    {
        long value = -1;
        if (text.Length < 12 && text.All(letter => letter >= '0' && letter <= '9'))
            value = long.Parse(text);
        if (value < least || value > most)
            Screen.Fail(2, $"{name} is \"{text}\"; it must be a number from {least} to {most}");
        return (int)value;
    }

    static int Main(string[] words)
    {
        HeedSignals();
        string script = null;
        var places = new List<string>();
        for (int i = 0; i < words.Length; i++) {
            string word = words[i];
            if (word == "-h" || word == "--help") {
                Screen.Show(Usage + "\n");
                Stdlib._Exit(0);
            } else if (word == "--script") {
                if (i + 1 == words.Length)
                    Screen.Fail(2, $"{word} needs a value; {Usage}");
                script = words[++i];
            } else if (word.StartsWith("-", StringComparison.Ordinal)) {
                Screen.Fail(2, $"\"{word}\" is not an option; {Usage}");
            } else {
                places.Add(word);
            }
        }
        if (places.Count > 2)
            Screen.Fail(2, $"\"{places[2]}\" is one argument too many; {Usage}");
        string host = First(places.ElementAtOrDefault(0), Variable("ECHO_HOST"), "localhost");
        int port = Number("the port", First(places.ElementAtOrDefault(1), Variable("ECHO_PORT"), "8080"), 1, 65535);
        int timeoutS = Number("ECHO_TIMEOUT_S", First(Variable("ECHO_TIMEOUT_S"), "10"), 1, 3600);
        List<byte[]> lines = script == null ? null : ReadScript(script);
        try {
            new Talk(Connecting.Connect(host, port, timeoutS), timeoutS).Run(host, lines);
        } catch (SilenceException) {
            Screen.Fail(1, $"the server has not answered for {timeoutS} s; look at the server's log");
        } catch (SocketException) { // it sent a RST: what was under way is lost
            Screen.Fail(1, "the server reset the connection, text may be lost; look at the server's log");
        }
        Stdlib._Exit(0);
        return 0;
    }
}
