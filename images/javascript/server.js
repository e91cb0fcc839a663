#!/usr/bin/env node
/* An echo server: it answers every line in capital letters, and "quit" with "Good bye".
 *
 *     echo-server [--host ADDR] [--port N]
 *
 * The rules (P1, P2, ...) are in docs/protocol.md, the arguments and log lines in images/CONTRACT.md; servers in other
 * languages follow the same two. One thread serves everybody: Node asks the kernel which of all the sockets have
 * something to tell, and then calls a function of that Connection. So a function must never wait.
 */
"use strict";

const { isUtf8 } = require("node:buffer");
const fs = require("node:fs");
const net = require("node:net");

const LOG = process.env.ECHO_LOG || "connections";
const USAGE = "usage: echo-server [--host ADDR] [--port N]";
const GOOD_BYE = Buffer.from("Good bye");
const DISCARD_MS = 2000; // P16: how long we read on after our FIN
const STOP_MS = 500; // P26: the same when the whole server stops
const STOP_READING_MS = 250; // P26: how long, at most, we take in what had arrived before the stop
const REST_MS = 1000; // how long nobody is accepted when no file descriptor is left
const SPARE_DESCRIPTORS = 4; // for Node itself
const MOST_MAX_LINE = 2 ** 26; // an answer may be three times as long, and is there more than once while it is made
const BACKLOG = 4096; // so many clients may wait, shaken hands with by the kernel, until we accept them
const [CR, LF] = [0x0d, 0x0a];
const NOTHING = Buffer.alloc(0);
const NO_MEMORY = "no memory is left; give it more, or choose a smaller ECHO_MAX_LINE";

// ---- Messages: octets in, octets out; nothing here knows of sockets ----

/** The answer to a message (P9, P11): text in capital letters; of what is not UTF-8, only a to z change. */
function capitalLetters(message) {
  if (isUtf8(message)) return Buffer.from(message.toString("utf8").toUpperCase(), "utf8");
  return message.map((octet) => (octet >= 0x61 && octet <= 0x7a ? octet - 0x20 : octet));
}

/** A line without its LF, as message and line end: CR LF is answered with CR LF (P3). */
function splitLineEnd(line) {
  return line.at(-1) === CR ? [line.subarray(0, -1), Buffer.from("\r\n")] : [line, Buffer.from("\n")];
}

/** Whether a message is quit, in small or capital letters of ASCII: "quıt" is not (P14). */
function isQuit(message) {
  return message.length === 4 && /^quit$/i.test(message.toString("latin1"));
}

// ---- Connections: what happens on the wire, and what we do about it ----

/** One client. TCP brings a stream of octets, not messages: a line comes in pieces, or many lines come at once. */
class Connection {
  /** SYN, SYN-ACK and ACK are exchanged: the kernel did that on its own, before we heard of the client. */
  constructor(server, socket) {
    this.server = server;
    this.socket = socket;
    this.peer = nameOf(socket.remoteAddress, socket.remotePort);
    this.line = NOTHING; // room for the octets of the line that has no end yet,
    this.waiting = 0; // and how many they are
    this.answers = []; // what we will send when all that has arrived is looked at
    this.closing = false; // our FIN is sent, or on its way
    this.wasReset = false;
    server.connections.add(this);
    log(`${this.peer} connected`);
    socket.on("data", (octets) => this.guarded(() => this.dataReceived(octets)));
    socket.on("end", () => this.guarded(() => this.eofReceived()));
    socket.on("drain", () => this.resumeReading());
    socket.on("finish", () => this.limitDiscarding());
    socket.on("error", ({ code }) => {
      this.wasReset ||= code === "ECONNRESET" || code === "EPIPE";
      if (code === "ENOBUFS" || code === "ENOMEM") logError(NO_MEMORY); // Node had none to read into
    });
    socket.on("close", () => this.connectionLost());
  }

  /** Do what may need much memory. If there is none, this connection ends, and all others go on (P1). */
  guarded(step) {
    try {
      step();
    } catch {
      logError(NO_MEMORY);
      this.socket.destroy();
    }
  }

  /** Segments have arrived: the kernel has acknowledged them and put their octets in order. */
  dataReceived(octets) {
    if (this.closing) return; // P16: read and thrown away, for close() with unread octets would send a RST, not a FIN
    this.server.received += octets.length;
    logMessage(`${this.peer} received ${octets.length} octets`);
    let begin = 0; // only what is new is searched: a long line in many pieces stays cheap
    for (let end; (end = octets.indexOf(LF, begin)) >= 0; begin = end + 1) {
      this.answer(...splitLineEnd(this.takeLine(octets.subarray(begin, end))));
      if (this.closing) return;
    }
    if (begin < octets.length) {
      this.keep(octets.subarray(begin));
      // P22: the limit is for the message alone. A CR at the end may be the first half of a line end.
      if (this.waiting - (octets.at(-1) === CR ? 1 : 0) > this.server.maxLine) this.refuseLongLine();
    }
    this.sendAnswers();
    this.expectMore();
  }

  /** Copy octets of a line. Node's own piece may be much larger than what is used of it, and go on taking memory. */
  keep(octets) {
    if (this.waiting + octets.length > this.line.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (this.waiting + octets.length)); // twice: so it is seldom copied
      this.line.copy(larger, 0, 0, this.waiting);
      this.line = larger;
    }
    octets.copy(this.line, this.waiting);
    this.waiting += octets.length;
  }

  /** The line: what was kept of it, and its last octets. */
  takeLine(octets) {
    const line = this.waiting ? Buffer.concat([this.line.subarray(0, this.waiting), octets]) : octets;
    this.line = NOTHING;
    this.waiting = 0;
    return line;
  }

  answer(message, lineEnd) {
    if (message.length > this.server.maxLine) {
      this.refuseLongLine();
    } else if (isQuit(message)) {
      log(`${this.peer} said quit`);
      this.answers.push(GOOD_BYE, lineEnd);
      this.close();
    } else {
      this.answers.push(capitalLetters(message), lineEnd);
    }
  }

  refuseLongLine() {
    log(`${this.peer} sent a line longer than ${this.server.maxLine} bytes`);
    this.answers.push(Buffer.from(`ERROR line longer than ${this.server.maxLine} bytes\n`));
    this.close();
  }

  /** Hand all answers to the kernel at once: they share segments, as the lines may have done. */
  sendAnswers() {
    if (!this.answers.length) return;
    const octets = Buffer.concat(this.answers);
    this.answers = [];
    // P24: false means that the peer reads slowly and its window is closed: our answers pile up here. Then we stop
    // reading, so our window closes too, and the peer can send no more: back-pressure.
    if (!this.socket.write(octets) && !this.closing) this.socket.pause();
    logMessage(`${this.peer} sent ${octets.length} octets`);
  }

  resumeReading() {
    if (this.closing || !this.socket.isPaused()) return;
    this.socket.resume();
    this.expectMore();
  }

  // -- A line without an end: 200 ms of silence (P19), or the peer's FIN (P18) --

  /** A timer set anew for each segment would cost more than the segment. So one runs, and looks when it fires. */
  expectMore() {
    this.lastArrivalMs = performance.now();
    if (this.waiting && !this.silenceTimer && !this.closing) {
      this.silenceTimer = setTimeout(() => this.lookForSilence(), this.server.flushMs);
    }
  }

  lookForSilence() {
    this.silenceTimer = null;
    const leftMs = this.lastArrivalMs + this.server.flushMs - performance.now();
    if (this.closing || !this.waiting || this.socket.isPaused()) return;
    if (leftMs > 0) this.silenceTimer = setTimeout(() => this.lookForSilence(), Math.ceil(leftMs));
    else setImmediate(() => this.answerIfSilent());
  }

  /** Node looks at its timers before it looks at its sockets; now it has done both. */
  answerIfSilent() {
    if (performance.now() - this.lastArrivalMs < this.server.flushMs) return; // not silent: we were too busy to look
    this.guarded(() => this.answerUnfinished());
  }

  /** Answer the line that has no end, without one. What comes later starts a new message (P20). */
  answerUnfinished() {
    const line = this.takeLine(NOTHING);
    if (!line.length || this.closing) return;
    this.answer(line, NOTHING);
    this.sendAnswers();
  }

  /** The peer's FIN: it will send no more. It can still receive, so its last line is answered first. */
  eofReceived() {
    this.answerUnfinished();
    this.closing = true;
    this.socket.end(); // sends what is waiting, then our FIN; nothing can come after the peer's own FIN
  }

  // -- The end --

  /** End our side with a FIN, and read on until the peer's: "close" in P16. No octet is lost, no RST is sent. */
  close() {
    if (this.closing) return;
    this.sendAnswers();
    this.closing = true;
    this.socket.resume();
    this.socket.end(); // shutdown(SHUT_WR): a FIN, behind the last octet of the answers
  }

  /** All is handed over, the FIN too. The peer has so long to send its own. */
  limitDiscarding() {
    this.discardTimer ||= setTimeout(() => this.socket.destroy(), DISCARD_MS);
  }

  /** Both sides have ended (or the peer sent a RST): Node has closed the socket. */
  connectionLost() {
    this.closing = true;
    clearTimeout(this.silenceTimer);
    clearTimeout(this.discardTimer);
    this.server.connections.delete(this);
    log(`${this.peer} ${this.wasReset ? "reset" : "closed"}`);
  }
}

// ---- The server: the socket that listens, and the signals that stop it ----

class Server {
  constructor(maxLine, flushMs) {
    this.maxLine = maxLine;
    this.flushMs = flushMs;
    this.connections = new Set();
    this.received = 0; // octets, from everybody
    // allowHalfOpen: after the peer's FIN our side stays open, until we have answered.
    this.listener = net.createServer({ allowHalfOpen: true }, (socket) => this.accepted(socket));
  }

  accepted(socket) {
    new Connection(this, socket);
    if (this.connections.size >= this.room) this.rest();
  }

  /** No file descriptor is left. Then Node would accept the next clients all the same and close their connections without
   * a word. It can't leave them in the backlog, either: so for some time they are refused. */
  rest() {
    logError("no file descriptor is left for one more connection; raise the limit (ulimit -n)");
    this.listener.close();
    setTimeout(() => this.listenAgain(), REST_MS);
  }

  listenAgain() {
    if (this.stopping) return;
    if (this.connections.size < this.room) this.listener.listen({ ...this.place, backlog: BACKLOG });
    else setTimeout(() => this.listenAgain(), REST_MS);
  }

  /** "::" stands for every address of this machine, of IPv6 and of IPv4 (P27). */
  listen(host, port) {
    this.listener.once("error", (error) => {
      const noIp6 = host === "::" && ["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"].includes(error.code);
      if (noIp6) this.listen("0.0.0.0", port);
      else cannotListen(error, host, port);
    });
    // bind() takes the port. listen() makes the kernel answer a SYN with a SYN-ACK; before, it refuses with a RST.
    this.listener.listen({ host, port, backlog: BACKLOG }, () => {
      this.listener.removeAllListeners("error");
      this.listener.on("error", () => setTimeout(() => this.listenAgain(), REST_MS)); // somebody has our port meanwhile
      const { address, port: taken } = this.listener.address();
      this.place = { host: address, port: taken };
      this.room = descriptorsLeft();
      for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => this.stop());
      log(`listening on ${nameOf(address, taken)}`);
    });
  }

  /** P26: answer what has arrived, send every peer a FIN, and wait for theirs, but not for long. */
  async stop() {
    log("stopping");
    this.stopping = true;
    this.listener.close(); // from now on a SYN is answered with a RST: refused
    let endMs = performance.now() + STOP_READING_MS;
    for (let before = -1; this.received !== before && performance.now() < endMs; ) {
      before = this.received; // until nothing more was there to be read
      await sleep(20);
    }
    for (const connection of this.connections) {
      connection.answerUnfinished();
      connection.close();
    }
    endMs = performance.now() + STOP_MS;
    while (this.connections.size && performance.now() < endMs) await sleep(10);
    process.exit(0);
  }
}

/** How many connections we may have: each is a file descriptor, and Node has raised their limit when it started. */
function descriptorsLeft() {
  try {
    const [, most] = /^Max open files +(\d+)/m.exec(fs.readFileSync("/proc/self/limits", "latin1"));
    return Math.max(1, most - fs.readdirSync("/proc/self/fd").length - SPARE_DESCRIPTORS);
  } catch {
    return Infinity; // no limit, or no Linux
  }
}

function sleep(ms) {
  return new Promise((wake) => setTimeout(wake, ms));
}

// ---- Arguments, log lines, errors: as images/CONTRACT.md words them ----

/** An address as people write it: 192.0.2.20:40312 or [2001:db8::20]:40312. */
function nameOf(address, port) {
  if (!address) return "somebody"; // gone again before we could ask for its address
  // ::ffff:192.0.2.20 is an IPv4 peer; and fe80::1%eth0 is written without the name of the link
  const host = address.replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*/, "");
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function log(text) {
  try {
    fs.writeSync(1, `${text}\n`);
  } catch {
    // whoever read the log may be gone; that is no reason to stop
  }
}

function logMessage(text) {
  if (LOG === "messages") log(text);
}

function logError(sentence) {
  try {
    fs.writeSync(2, `echo-server: ${sentence}\n`);
  } catch {
    // as above
  }
}

function fail(status, sentence) {
  logError(sentence);
  process.exit(status);
}

function cannotListen(error, host, port) {
  const sentences = {
    EADDRINUSE: `port ${port} is in use by another program; stop it, or choose another with --port`,
    EACCES: `port ${port} is not for this user; choose one from 1024 up with --port`,
    EADDRNOTAVAIL: `${host} is not an address of this machine; choose another with --host`,
  };
  if (error.syscall === "getaddrinfo") fail(1, `there is no host named "${host}"; check --host`);
  fail(1, sentences[error.code] || `cannot listen on ${host} port ${port}; choose others with --host and --port`);
}

/** {"--host": ..., "--port": ...}, of the command line. */
function readOptions(words) {
  const options = {};
  while (words.length) {
    const word = words.shift();
    if (word === "-h" || word === "--help") {
      console.log(USAGE);
      process.exit(0);
    }
    if (word !== "--host" && word !== "--port") fail(2, `"${word}" is not an option; ${USAGE}`);
    if (!words.length) fail(2, `${word} needs a value; ${USAGE}`);
    options[word] = words.shift();
  }
  return options;
}

function number(name, text, least, most) {
  const good = /^[0-9]{1,11}$/.test(text) && Number(text) >= least && Number(text) <= most;
  if (!good) fail(2, `${name} is "${text}"; it must be a number from ${least} to ${most}`);
  return Number(text);
}

function main() {
  const { env } = process;
  const options = readOptions(process.argv.slice(2));
  const host = options["--host"] || env.ECHO_HOST || "::";
  const port = number("the port", options["--port"] || env.ECHO_PORT || "8080", 0, 65535);
  const maxLine = number("ECHO_MAX_LINE", env.ECHO_MAX_LINE || "1048576", 1, MOST_MAX_LINE);
  const flushMs = number("ECHO_FLUSH_MS", env.ECHO_FLUSH_MS || "200", 1, 60000);
  if (LOG !== "connections" && LOG !== "messages") fail(2, `ECHO_LOG is "${LOG}"; it must be connections or messages`);
  new Server(maxLine, flushMs).listen(host, port);
}

main();
