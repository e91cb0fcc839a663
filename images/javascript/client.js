#!/usr/bin/env node
/* An echo client: it sends lines to an echo server and shows what comes back.
 *
 *     echo-client [--script FILE] [HOST [PORT]]
 *
 * On a terminal it asks for lines; with --script it plays the lines of a file, each after the answer to the one before;
 * else it sends whatever its standard input brings. The rules (P1, P2, ...) are in docs/protocol.md, the arguments and
 * sentences in images/CONTRACT.md; clients in other languages follow the same two.
 */
"use strict";

const dns = require("node:dns/promises");
const { once } = require("node:events");
const fs = require("node:fs");
const net = require("node:net");
const readline = require("node:readline");

const USAGE = "usage: echo-client [--script FILE] [HOST [PORT]]";
const GOOD_BYE = "Good bye";
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);
const PIECE_OCTETS = 65536; // a long line is handed over in pieces: so we see whether the server takes them

// ---- Connecting ----

/** Try every address that the name has, one after the other, until a server answers. */
async function connect(host, port, timeoutS) {
  let found;
  try {
    // Asks /etc/hosts, then the DNS. A name may have several addresses: localhost has ::1 and 127.0.0.1.
    found = await dns.lookup(host, { all: true, verbatim: true });
  } catch {
    fail(1, `there is no host named "${host}"; check the name`);
  }
  const tried = new Set();
  const errors = new Set();
  for (const { address } of found) {
    try {
      return [await connectTo(address, port, timeoutS), address];
    } catch (error) {
      tried.add(textOf(address));
      errors.add(error.code);
    }
  }
  const names = [...tried].join(" and ");
  const place = `${host} port ${port}`;
  if (errors.has("ECONNREFUSED")) {
    // the SYN was answered with a RST
    fail(1, `${place} refused the connection (tried ${names}); start the server, or check the port`);
  }
  if (errors.has("ETIMEDOUT")) {
    // the SYN was not answered at all
    fail(1, `no answer from ${place} within ${timeoutS} s (tried ${names}); check address and firewall`);
  }
  return fail(1, `there is no way to ${place} (tried ${names}); check address and network`);
}

/** Sends a SYN; done when the SYN-ACK has come and our ACK is on its way. */
function connectTo(address, port, timeoutS) {
  return new Promise((done, failed) => {
    // allowHalfOpen: after the server's FIN our side stays open, until we end it.
    const socket = net.connect({ host: address, port, allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      failed(Object.assign(new Error(), { code: "ETIMEDOUT" }));
    }, timeoutS * 1000);
    socket.once("error", (error) => {
      clearTimeout(timer);
      failed(error);
    });
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      done(socket);
    });
  });
}

/** An address as people write it, without the name of a link, as in fe80::1%eth0. */
function textOf(address) {
  return address.replace(/%.*/, "");
}

// ---- The stream from the server ----

class TimeoutError extends Error {}

/** What the server sends: a stream of octets, in which we look for lines. */
class Incoming {
  constructor(socket, timeoutS) {
    this.socket = socket;
    this.timeoutMs = timeoutS * 1000;
    this.octets = NOTHING; // arrived, but not shown yet
    this.tail = ""; // the last few octets that arrived
    this.ended = false;
    this.saidGoodBye = false;
    this.error = null;
    this.wake = () => {};
    this.finished = new Promise((tell) => (this.tellFinished = tell)); // the server's FIN, or its RST
    socket.on("readable", () => this.wake());
    socket.on("drain", () => this.wake()); // the server, or the kernel for it, takes octets again
    socket.on("end", () => this.endReceived());
    socket.on("error", (error) => this.finish(error));
    socket.on("close", () => this.finish());
  }

  /** The server's FIN. But Node takes a RST right behind octets for the same. Then there is no peer any more, and
   * whoever writes (nothing of it goes over the wire) is told by an error what there was. */
  endReceived() {
    if (this.socket.remoteAddress !== undefined || this.socket.writableFinished) this.finish();
    else if (!this.socket.writableEnded) this.socket.write("\n");
  }

  finish(error) {
    if (error && error.code !== "EPIPE") this.error ||= error; // P33: a broken pipe comes after the server's FIN
    this.streamEnded = true;
    this.tellFinished();
    this.wake();
  }

  /** Take what has arrived: null if nothing has, no octets if the server has ended its side. */
  take() {
    const octets = this.socket.read();
    if (octets === null && !this.streamEnded) return null;
    // P31: after its "Good bye" all is said, however the connection ends.
    if (octets === null && this.error && !this.saidGoodBye) throw this.error;
    this.ended = octets === null;
    // P31: no message is echoed as "Good bye": echoes have no small letters.
    this.tail = (this.tail + (octets ?? NOTHING).toString("latin1")).slice(-GOOD_BYE.length - 2);
    this.saidGoodBye ||= this.tail.replace(/[\r\n]+$/, "").endsWith(GOOD_BYE);
    return octets ?? NOTHING;
  }

  /** Waits until octets, a FIN or a RST have come, or the server takes more of ours. Throws TimeoutError when nothing
   * happens for too long; after "Good bye" that is the end. */
  async somethingHappens(limited = true) {
    const inTime = await new Promise((done) => {
      const timer = limited || this.saidGoodBye ? setTimeout(() => done(false), this.timeoutMs) : null;
      this.wake = () => {
        clearTimeout(timer);
        done(true);
      };
    });
    if (!inTime && !this.saidGoodBye) throw new TimeoutError();
    if (!inTime) this.ended = true;
  }

  /** The next line with its line end; what is there without one, if no more comes. */
  async line() {
    let end = -1;
    for (let searched = 0; (end = this.octets.indexOf(LF, searched)) < 0 && !this.ended; ) {
      searched = this.octets.length;
      try {
        const octets = this.take();
        if (octets) this.octets = Buffer.concat([this.octets, octets]);
        else await this.somethingHappens();
      } catch (error) {
        if (!(error instanceof TimeoutError) || !this.octets.length) throw error;
        break; // a server that sends no line ends: its text shall be seen all the same
      }
    }
    end = end + 1 || this.octets.length;
    const line = this.octets.subarray(0, end);
    this.octets = this.octets.subarray(end);
    return line;
  }

  /** Send a line, and take what comes meanwhile (P30): else each side could wait for the other. */
  async sendLine(line) {
    for (let sent = 0; sent < line.length && !this.ended && !this.saidGoodBye; ) {
      const octets = this.take();
      if (octets) this.octets = Buffer.concat([this.octets, octets]);
      else if (this.socket.writableNeedDrain) await this.somethingHappens();
      else this.socket.write(line.subarray(sent, (sent += PIECE_OCTETS))); // the kernel makes segments of it
    }
  }
}

// ---- The three ways to talk ----

class ServerEndedError extends Error {}

/** Send one line, wait for its answer, show it; and so on. lines asks a person, or reads a script. */
async function converse(socket, incoming, lines) {
  try {
    for await (const line of lines) {
      await incoming.sendLine(Buffer.concat([line, Buffer.from("\n")]));
      showLine(await incoming.line());
      if (incoming.saidGoodBye || incoming.ended) break;
    }
    if (!incoming.saidGoodBye && !incoming.ended) socket.end(); // our FIN: no more lines. Answers may still come
  } catch (error) {
    if (!(error instanceof ServerEndedError)) throw error;
    show("\n"); // leaves the line with the prompt
  }
  while (!incoming.ended) showLine(await incoming.line());
  note(`the server ${incoming.saidGoodBye ? "said Good bye and " : ""}closed the connection`);
}

/** Lines from a person, with a prompt and editing (arrow keys, history), until Ctrl-D. */
async function* ask(incoming) {
  const { stdin: input, stdout: output, env } = process;
  const editing = env.TERM !== "dumb"; // on a terminal that can move no cursor the kernel edits the line
  const terminal = readline.createInterface({ input, output, prompt: "> ", terminal: editing });
  terminal.on("SIGINT", interrupted); // Ctrl-C
  const typed = []; // lines that nobody has asked for yet
  let tell = () => {};
  let left = false;
  terminal.on("line", (text) => typed.push(text) && tell());
  terminal.on("close", () => {
    left = true; // Ctrl-D
    tell();
  });
  try {
    for (;;) {
      if (!typed.length && !left) {
        terminal.prompt();
        // Tell the person at once when the server closes, though the prompt is waiting for a line.
        await Promise.race([new Promise((done) => (tell = done)), incoming.finished]);
      }
      if (!typed.length && left) return show("\n");
      if (!typed.length) throw new ServerEndedError();
      yield Buffer.from(typed.shift());
    }
  } finally {
    terminal.close();
  }
}

/** The lines of a script, shown as if a person typed them. Lines that begin with # are not sent. */
function* play(script) {
  for (const line of script) {
    if (line[0] === 0x23) continue;
    show(Buffer.concat([Buffer.from("> "), line, Buffer.from("\n")]));
    yield line;
  }
}

/** Send all of our input; meanwhile show what comes back. Both at once: else each side could wait for the other. */
async function passThrough(socket, incoming) {
  let inputEnded = false;
  const sendInput = async () => {
    try {
      for await (const octets of process.stdin) {
        if (socket.write(octets)) continue;
        incoming.wake();
        await once(socket, "drain"); // the server reads slowly, its window is closed: wait
      }
    } catch {
      // nothing more can be read, or the server has ended the connection
    }
    socket.end(); // our FIN; what the server still sends, we go on receiving
    inputEnded = true;
    incoming.wake();
  };
  sendInput();
  while (!incoming.ended) {
    const octets = incoming.take();
    if (octets) show(octets);
    // We wait for the server only while it takes nothing, and when our input has ended.
    else await incoming.somethingHappens(inputEnded || socket.writableNeedDrain);
  }
}

async function talk([socket, address], place, script, timeoutS) {
  const incoming = new Incoming(socket, timeoutS);
  const interactive = script === null && process.stdin.isTTY;
  if (interactive || script) note(`connected to ${place[0]} (${textOf(address)}) port ${place[1]}`);
  if (interactive) note("type a line and press Enter; quit or Ctrl-D ends");
  if (interactive) await converse(socket, incoming, ask(incoming));
  else if (script) await converse(socket, incoming, play(script));
  else await passThrough(socket, incoming);
  socket.destroy();
}

// ---- Screen, arguments, errors: as images/CONTRACT.md words them ----

function show(octets) {
  let left = Buffer.from(octets);
  while (left.length) {
    try {
      left = left.subarray(fs.writeSync(1, left));
    } catch (error) {
      if (error.code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // it reads slowly
      else if (error.code === "EPIPE") process.exit(1); // whoever read our output has gone ("| head")
      else fail(1, "cannot write to standard output; is the disk full?");
    }
  }
}

/** A line for a person: on a line of its own, though it may have come without an end. */
function showLine(line) {
  show(line);
  if (line.length && line.at(-1) !== LF) show("\n");
}

/** For the person, not part of the conversation: on standard error. */
function note(sentence) {
  try {
    fs.writeSync(2, `${sentence}\n`);
  } catch {
    // nobody is there to read it
  }
}

function fail(status, sentence) {
  note(`echo-client: ${sentence}`);
  process.exit(status);
}

/** Ctrl-C; leaving closes the socket, which sends our FIN. */
function interrupted() {
  note("");
  process.exit(130);
}

/** [script or null, [HOST [PORT]]] of the command line. */
function readArguments(words) {
  let script = null;
  const places = [];
  while (words.length) {
    const word = words.shift();
    if (word === "-h" || word === "--help") {
      console.log(USAGE);
      process.exit(0);
    } else if (word === "--script") {
      if (!words.length) fail(2, `${word} needs a value; ${USAGE}`);
      script = words.shift();
    } else if (word.startsWith("-")) {
      fail(2, `"${word}" is not an option; ${USAGE}`);
    } else {
      places.push(word);
    }
  }
  if (places.length > 2) fail(2, `"${places[2]}" is one argument too many; ${USAGE}`);
  return [script, places];
}

/** The lines of a script without their line ends, be these LF or CR LF, and without a byte order mark. */
function readScript(path) {
  let octets;
  try {
    octets = fs.readFileSync(path).toString("latin1").replace(/^\xef\xbb\xbf/, "");
  } catch {
    fail(2, `cannot read the script "${path}"; name a text file that this user may read`);
  }
  const lines = octets ? octets.replace(/\n$/, "").split("\n") : [];
  return lines.map((line) => Buffer.from(line.replace(/\r$/, ""), "latin1"));
}

function number(name, text, least, most) {
  const good = /^[0-9]{1,11}$/.test(text) && Number(text) >= least && Number(text) <= most;
  if (!good) fail(2, `${name} is "${text}"; it must be a number from ${least} to ${most}`);
  return Number(text);
}

async function main() {
  process.on("SIGTERM", () => process.exit(143)); // by default process 1 of a container would ignore it
  process.on("SIGINT", interrupted);
  const { env } = process;
  const [path, places] = readArguments(process.argv.slice(2));
  const host = places[0] || env.ECHO_HOST || "localhost";
  const port = number("the port", places[1] || env.ECHO_PORT || "8080", 1, 65535);
  const timeoutS = number("ECHO_TIMEOUT_S", env.ECHO_TIMEOUT_S || "10", 1, 3600);
  const script = path === null ? null : readScript(path);
  const connection = await connect(host, port, timeoutS);
  try {
    await talk(connection, [host, port], script, timeoutS);
  } catch (error) {
    if (error instanceof TimeoutError) {
      fail(1, `the server has not answered for ${timeoutS} s; look at the server's log`);
    }
    if (error instanceof RangeError) fail(1, "no memory is left; send shorter lines"); // no Buffer can be that long
    // else it sent a RST: what was under way is lost
    fail(1, "the server reset the connection, text may be lost; look at the server's log");
  }
  process.exit(0);
}

main();
