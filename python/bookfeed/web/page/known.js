// What the server has told, and whether it may be shown. A book that may not be believed has no
// price here either, and none has once nobody has been heard for some seconds.

/** After so long without a word nothing is believed, in milliseconds. */
export const SILENT_MS = 5000;
const TRADES_KEPT = 500;
const CLOSED_KEPT = 100;
const EVENTS_KEPT = 200;
const ALERTS_KEPT = 200;
const POINTS_KEPT = 600;
const HISTORIES_KEPT = 400;
const POINT_EVERY_MS = 1000;
const OVER_KEPT = 200;

/** By what a book is told apart. */
export const key = (book) => `${book.venue}\n${book.symbol}`;

/** States in which a connection brings what it is there for. */
export const UP = new Set(["connected", "polling"]);

// Why a book has come to its end, as it should.
const OVER = new Set(["resolved", "unsubscribed"]);

export class Known {
  books = new Map();
  open = new Map();
  closed = [];
  trades = [];
  events = [];
  alerts = [];
  markets = [];
  status = null;
  feed = "lost";
  ladder = null;
  heardMs = -Infinity;
  #histories = new Map();
  #states = new Map();
  #over = new Set();

  /** Whether the feed is heard, by the server and the server by this page. */
  heard(nowMs = performance.now()) {
    return this.feed === "heard" && nowMs - this.heardMs < SILENT_MS;
  }

  /** Whether a book's prices may be shown. */
  believed(book, nowMs) {
    return this.heard(nowMs) && (book.state === "live" || book.state === "live_poll");
  }

  /** The state of a book, and the cause, in words. */
  standing(book, nowMs) {
    if (this.heard(nowMs) || this.feed !== "heard") return [book.state, book.cause];
    return ["stale", "the server is not heard"];
  }

  /** The same as one text; of a market that is over there is nothing to be put right. */
  said(book, nowMs) {
    const [state, cause] = this.standing(book, nowMs);
    return OVER.has(cause) ? cause : `${state}, ${cause.replaceAll("_", " ")}`;
  }

  /** Whether a book's market has ended, or nobody wants it any more. */
  over(book) {
    return OVER.has(book.cause);
  }

  /** How a book looks: as any, as one that is over, or as one that may not be believed. */
  looks(book, nowMs) {
    if (this.believed(book, nowMs)) return "";
    return OVER.has(this.standing(book, nowMs)[1]) ? "over" : "doubted";
  }

  /** Bid and ask of a book over time: [milliseconds, bid, ask] each. */
  history(name) {
    return this.#histories.get(name) ?? [];
  }

  /** Take one message of the server, or what was asked for in its form. */
  take(message) {
    this.heardMs = performance.now();
    if (message.feed) this.#stand(message.feed);
    const kind = message.type === "snapshot" ? message.channel : message.type;
    const whole = message.type === "snapshot";
    if (kind === "books") this.#takeBooks(message.books, whole);
    else if (kind === "signals") this.#takeSignals(message.signals, whole);
    else if (kind === "trades") this.#takeTrades(message.trades, whole);
    else if (kind === "status") this.#takeStatus(message);
    else if (kind === "alerts") this.#takeAlerts(message.alerts, whole);
    else if (kind === "arbitrage") this.markets = message.markets.concat(spot(message.spot));
    else if (kind === "levels") this.ladder = message.book;
    else if (kind === "error") this.tell(`the server says: ${message.error}`, "bad");
  }

  /** Signals that have closed before this page was opened. */
  takeClosed(signals) {
    this.closed = signals.slice(0, CLOSED_KEPT);
  }

  /** Remember that something happened. */
  tell(text, look = "") {
    this.events.unshift({ id: ++this.#told, ms: Date.now(), text, look });
    this.events.length = Math.min(this.events.length, EVENTS_KEPT);
  }

  #told = 0;

  #stand(feed) {
    if (feed === this.feed) return;
    this.tell(`the feed is ${feed}`, feed === "heard" ? "good" : "bad");
    this.feed = feed;
    if (feed !== "heard") {
      this.open.clear();
      this.ladder = null;
    }
  }

  #takeBooks(books, whole) {
    if (whole) {
      this.books.clear();
      this.#over.clear();
    }
    const now = performance.now();
    for (const book of books) {
      const name = key(book);
      const before = this.#states.get(name);
      if (before !== undefined && before !== book.state) {
        this.tell(`${book.venue} ${book.title || book.symbol} ${book.outcome}: ${this.said(book, now)}`,
          this.believed(book, now) ? "good" : this.over(book) ? "dim" : "warn");
      }
      this.#states.set(name, book.state);
      this.books.set(name, book);
      if (this.believed(book, now)) this.#remember(name, book, now);
      if (OVER.has(book.cause)) this.#over.add(name);
      else this.#over.delete(name);
    }
    this.#forget();
  }

  /** Windows roll on while a page stays open: of books that are over the newest are kept. */
  #forget() {
    for (const name of this.#over) {
      if (this.#over.size <= OVER_KEPT) return;
      for (const kept of [this.#over, this.books, this.#histories, this.#states]) kept.delete(name);
    }
  }

  #remember(name, book, now) {
    let points = this.#histories.get(name);
    if (!points) {
      if (this.#histories.size >= HISTORIES_KEPT) return;
      this.#histories.set(name, points = []);
    }
    if (points.length && now - points.at(-1)[0] < POINT_EVERY_MS) return;
    points.push([now, Number(book.bid ?? NaN), Number(book.ask ?? NaN)]);
    if (points.length > POINTS_KEPT) points.shift();
  }

  #takeSignals(signals, whole) {
    if (whole) this.open.clear();
    for (const signal of signals) {
      if (signal.phase !== "close") {
        this.open.set(signal.id, signal);
        continue;
      }
      this.open.delete(signal.id);
      this.closed.unshift(signal);
    }
    this.closed.length = Math.min(this.closed.length, CLOSED_KEPT);
  }

  #takeTrades(trades, whole) {
    if (whole) this.trades = [];
    this.trades.push(...trades);
    if (this.trades.length > TRADES_KEPT) this.trades.splice(0, this.trades.length - TRADES_KEPT);
  }

  /** The newest first; what was told while this page asked for all comes twice. */
  #takeAlerts(alerts, whole) {
    if (whole) this.alerts = [];
    for (const alert of alerts) {
      if (alert.number > (this.alerts[0]?.number ?? 0)) this.alerts.unshift(alert);
    }
    this.alerts.length = Math.min(this.alerts.length, ALERTS_KEPT);
  }

  #takeStatus(status) {
    const before = new Map((this.status?.connections ?? []).map((one) => [one.conn, one]));
    for (const one of status.connections) {
      const was = before.get(one.conn);
      if (was && was.state !== one.state) {
        this.tell(`connection ${one.conn} to ${one.venue}: ${one.state} ${one.cause}`,
          UP.has(one.state) ? "good" : "bad");
      }
    }
    this.status = status;
  }
}

/** Spot books in the form of markets. */
function spot(books) {
  return books.map((book) => ({ venue: book.venue, market: book.market, spot: true, books: [book] }));
}
