// Hears the server: by WebSocket, and while that fails by asking every 1.5 s.

const ASK_EVERY_MS = 1500;
const ASK_TIMEOUT_MS = 4000;
const SILENT_MS = 4000;
const RETRY_MS = [1000, 2000, 5000, 10000];
const POLICY_VIOLATION = 1008;

export class Wire {
  /** How the server is heard: "connecting", "WebSocket", "polling", "token" or "nothing". */
  how = "connecting";
  #known; #changed; #token = null; #socket = null; #opened = false; #heardMs = 0; #tries = 0;
  #asking = false; #nextMs = 0; #wanted = new Map();

  /** `changed()` is called when something was told, and twice a second. */
  constructor(known, changed) {
    this.#known = known;
    this.#changed = changed;
  }

  /** Begin; goes on by itself. */
  start() {
    this.#ask();
    setInterval(() => this.#look(), 500);
    setInterval(() => this.#opened || this.how === "token" || this.#ask(), ASK_EVERY_MS);
  }

  /** Show this token from now on. */
  show(token) {
    this.#token = token;
    this.#stand("connecting");
    this.#ask();
  }

  /** Hear of this besides, under a name of its own; `null`: no more. */
  want(name, subscription) {
    const before = this.#wanted.get(name);
    if (before) this.#say({ op: "unsubscribe", ...before });
    this.#wanted.delete(name);
    if (!subscription) return;
    this.#wanted.set(name, subscription);
    this.#say({ op: "subscribe", ...subscription });
    if (!this.#opened) this.#ask();
  }

  /** Have everything told as it stands. */
  again() {
    for (const wanted of this.#wanted.values()) this.#say({ op: "subscribe", ...wanted });
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`, ["bookfeed"]);
    this.#socket = socket;
    this.#heardMs = performance.now();
    socket.onopen = () => {
      if (this.#token) socket.send(JSON.stringify({ op: "auth", token: this.#token }));
      for (const wanted of this.#wanted.values()) {
        socket.send(JSON.stringify({ op: "subscribe", ...wanted }));
      }
    };
    socket.onmessage = (event) => {
      if (socket !== this.#socket) return;
      this.#heardMs = performance.now();
      this.#opened = true;
      this.#tries = 0;
      this.#stand("WebSocket");
      this.#known.take(JSON.parse(event.data));
      this.#changed();
    };
    socket.onclose = (event) => socket === this.#socket && this.#lost(event.code);
  }

  #lost(code) {
    this.#socket = null;
    this.#opened = false;
    if (code === POLICY_VIOLATION && this.#token) this.#refused();
    else this.#ask();
    const wait = RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)];
    this.#nextMs = performance.now() + wait;
  }

  /** A WebSocket that says nothing is as good as none: the server speaks once a second. */
  #look() {
    const now = performance.now();
    if (this.#socket && now - this.#heardMs > SILENT_MS) {
      const silent = this.#socket;
      this.#lost(0);
      silent.close();
    }
    // A page cannot see why a WebSocket was refused; of a question it can. So that comes first.
    const answered = this.how === "polling" || this.how === "nothing";
    if (!this.#socket && answered && now >= this.#nextMs) this.#connect();
    this.#changed();
  }

  #say(command) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  /** Ask for everything once. */
  async #ask() {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const told = [{ type: "snapshot", channel: "status", ...await this.#get("/status") }];
      for (const wanted of [...this.#wanted.values()]) told.push(...await this.#asked(wanted));
      // Meanwhile the WebSocket may have told what is newer.
      if (!this.#opened) {
        for (const message of told) this.#known.take(message);
        this.#stand("polling");
      }
    } catch (error) {
      if (error.status === 401) this.#refused();
      else if (!this.#opened) this.#stand("nothing");
    } finally {
      this.#asking = false;
      this.#look();
    }
  }

  #refused() {
    this.#token = null;
    this.#stand("token");
  }

  async #asked(wanted) {
    const snapshot = { type: "snapshot", channel: wanted.channel };
    if (wanted.channel === "books") return [{ ...snapshot, books: await this.#books() }];
    if (wanted.channel === "signals") {
      const told = await this.#get("/signals");
      this.#known.takeClosed(told.closed);
      return [{ ...snapshot, feed: told.feed, signals: told.open }];
    }
    if (wanted.channel === "trades") return [{ ...snapshot, ...await this.#get("/trades") }];
    if (wanted.channel === "alerts") return [{ ...snapshot, ...await this.#get("/alerts") }];
    if (wanted.channel === "arbitrage") return [{ ...snapshot, ...await this.#get("/arbitrage") }];
    if (wanted.channel !== "levels") return [];
    const [venue, symbol] = [wanted.venue, wanted.symbol].map(encodeURIComponent);
    const book = await this.#get(`/books/${venue}/${symbol}?depth=${wanted.depth}`)
      .catch(() => null);
    return [{ ...snapshot, book }];
  }

  async #books() {
    const found = [];
    for (;;) {
      const told = await this.#get(`/books?offset=${found.length}`);
      found.push(...told.books);
      if (found.length >= told.count || !told.books.length) return found;
    }
  }

  async #get(path) {
    const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
    const answer = await fetch(path, { headers, signal });
    if (!answer.ok) throw Object.assign(new Error(path), { status: answer.status });
    return answer.json();
  }

  #stand(how) {
    if (how === this.how) return;
    this.how = how;
    const look = how === "WebSocket" ? "good" : how === "polling" ? "warn" : "bad";
    this.#known.tell(`this page hears the server by: ${how}`, look);
  }
}
