// One book: its levels, their depth, what its best prices were, and its trades.

import { depth, history } from "./draw.js";
import { lines, look, make, Rows, say, table } from "./dom.js";
import { spread } from "./books.js";
import { key } from "./known.js";
import { duration, exact, number, size, time } from "./words.js";

const TRADES_SHOWN = 20;

/** Shows one book of `known` in `place`. */
export class Ladder {
  #place; #known; #book = null; #title; #standing; #why; #believed; #asks; #bids; #between;
  #depth; #history; #trades; #noTrades; #close; #drawn = null; #last = null;

  constructor(place, known, close) {
    this.#place = place;
    this.#known = known;
    this.#title = make("h2", { class: "name" });
    this.#standing = make("p");
    this.#why = make("p", { class: "unbelieved", role: "alert" });
    this.#close = make("button", { "aria-label": "Close the book" }, "✕");
    this.#close.addEventListener("click", close);
    const asks = make("tbody", { class: "asks" });
    const bids = make("tbody", { class: "bids" });
    this.#between = make("td", { colspan: "3" });
    const levels = make("table", { class: "levels" },
      make("thead", {}, make("tr", {}, ...["", "size", "price"].map((text) =>
        make("th", { class: "number", scope: "col" }, text)))),
      asks, make("tbody", { class: "between" }, make("tr", {}, this.#between)), bids);
    this.#asks = new Rows(asks, () => level("ask"), fill);
    this.#bids = new Rows(bids, () => level("bid"), fill);
    this.#depth = make("div");
    this.#history = make("div");
    this.#believed = make("div", {},
      make("div", { class: "panel" }, levels),
      make("div", { class: "panel" }, make("h2", {}, "Depth"), this.#depth),
      make("div", { class: "panel" }, make("h2", {}, "Best prices and spread since this page is open"),
        this.#history));
    const { made, body } = table([["time", "time"], ["side", "taken"], ["qty", "size", "number"],
      ["price", "price", "number"]]);
    this.#trades = lines(body, ["", "", "number", "number"], (trade) =>
      [time(trade.ts_recv), trade.aggressor ?? "", size(trade.qty), exact(trade.price)]);
    this.#noTrades = make("p", { class: "dim" });
    place.append(
      make("div", { class: "panel" }, make("header", {}, this.#title, this.#close), this.#standing),
      this.#why, this.#believed,
      make("div", { class: "panel" }, make("h2", {}, "Trades"), made, this.#noTrades));
  }

  /** The key of the book that is shown; `null` if none is. */
  get chosen() {
    return this.#book;
  }

  /** Show a book, by its key; `null`: none. */
  show(name) {
    this.#book = name;
    this.#drawn = this.#last = null;
    this.#place.hidden = name === null;
    if (name !== null && matchMedia("(max-width: 1000px)").matches) this.#close.focus();
  }

  draw() {
    if (this.#book === null) return;
    const now = performance.now();
    const touch = this.#known.books.get(this.#book);
    const told = this.#known.ladder;
    const levels = touch && told && key(told) === this.#book ? told : null;
    const believed = Boolean(touch) && this.#known.believed(touch, now);
    // Of another epoch they are of before the book was lost, however it stands now.
    const shown = believed && levels !== null && this.#known.believed(levels, now)
      && levels.epoch === touch.epoch;
    this.#believed.hidden = !shown;
    this.#why.hidden = shown;
    if (!touch) {
      say(this.#why, "The feed has no such book now.");
      return;
    }
    say(this.#title, `${touch.title || touch.symbol} · ${touch.outcome}`);
    const standing = this.#known.said(touch, now);
    const over = this.#known.looks(touch, now) === "over";
    const age = touch.ts_evidence ? duration(Math.max(Date.now() * 1e6 - touch.ts_evidence, 0)) : "–";
    say(this.#standing, `${touch.venue} · ${standing} · epoch ${touch.epoch} `
      + `· vouched for ${age} ago`);
    look(this.#standing, believed ? "good" : over ? "dim" : "bad");
    say(this.#why, believed ? "Its levels are being asked for."
      : over ? `This book is over: ${standing}.`
        : `This book may not be believed: ${standing}. No price is shown until it may.`);
    if (shown) {
      if (this.#drawn !== levels) this.#draw(levels);
      this.#drawHistory(touch);
    }
    const trades = this.#known.trades.filter((one) => key(one) === this.#book);
    this.#trades.show(trades.slice(-TRADES_SHOWN).reverse(), (one) => one.seq);
    say(this.#noTrades, trades.length ? "" : "None since this page is open.");
  }

  #draw(book) {
    this.#drawn = book;
    const most = Math.max(...[...book.bids, ...book.asks].map(([, qty]) => Number(qty)), 0);
    const rows = (levels) => levels.map(([price, qty]) => ({ price, qty, most }));
    this.#asks.show(rows(book.asks).reverse(), (one) => one.price);
    this.#bids.show(rows(book.bids), (one) => one.price);
    const between = spread(book);
    const middle = between === null ? null : (Number(book.bid) + Number(book.ask)) / 2;
    say(this.#between, between === null ? "one side is empty"
      : `spread ${number(between)} · middle ${number(middle)}`);
    depth(this.#depth, book);
  }

  /** A point comes once a second, the page is drawn more often. */
  #drawHistory(touch) {
    const points = this.#known.history(key(touch));
    if (this.#last === points.at(-1)) return;
    this.#last = points.at(-1);
    history(this.#history, points);
  }
}

function level(side) {
  return make("tr", {}, make("td", {}, make("progress", { max: "1", "aria-hidden": "true" })),
    make("td", { class: "number" }), make("td", { class: `number ${side}` }));
}

function fill(row, { price, qty, most }) {
  const [bar, shown, at] = row.children;
  bar.firstElementChild.value = most ? Number(qty) / most : 0;
  say(shown, size(qty));
  say(at, exact(price));
}
