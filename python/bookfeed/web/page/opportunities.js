// Opportunities: those that are open, worth most first, and those that have closed.

import { look, make, Rows, say } from "./dom.js";
import { key } from "./known.js";
import { count, cents, dollars, duration, fraction, gain, percent, size, time, worth } from "./words.js";

const TITLES = [["dollars", "number"], ["return", "number"], ["edge", "number wide"], ["what", ""],
  ["size", "number wide"], ["capital", "number wide"], ["fees", "number wide"], ["life", "number"]];
const CLOSED_SHOWN = 50;
const WHY = {
  edge: "the edge went", not_live: "a book could no longer be believed", age: "evidence too old",
  skew: "evidence too far apart", min_qty: "too little left", refused: "not accepted any more",
  lag: "a leg lagged behind", status: "a market paused or closed", closing: "a market closes soon",
  polarity: "the legs may be opposites", removed: "its rule was removed",
};

/** Shows the signals of `known` in `place`; `open(leg)` shows a leg's book. */
export class Opportunities {
  #known; #now; #over; #none; #counted;

  constructor(place, known, open) {
    this.#known = known;
    this.#none = make("p", { class: "dim" });
    this.#counted = make("p", { class: "dim" });
    const now = make("div", { class: "list" });
    const over = make("div", { class: "list" });
    place.append(
      make("div", { class: "panel" }, make("div", { class: "bar" },
        make("h2", {}, "Open now"), this.#counted), titles(), now, this.#none),
      make("div", { class: "panel" }, make("h2", {}, "Closed"), titles(), over));
    const fill = (element, signal) => fillRow(element, signal, this.#about(signal));
    this.#now = new Rows(now, (one) => row(one, open), fill);
    this.#over = new Rows(over, (one) => row(one, open), fill);
  }

  draw() {
    const heard = this.#known.heard();
    const open = heard ? [...this.#known.open.values()] : [];
    open.sort((a, b) => (worth(b) ?? -Infinity) - (worth(a) ?? -Infinity));
    this.#now.show(open, (one) => one.id);
    this.#over.show(this.#known.closed.slice(0, CLOSED_SHOWN), (one) => `${one.id} ${one.ts_recv}`);
    const total = open.reduce((sum, one) => sum + Math.max(worth(one) ?? 0, 0), 0);
    say(this.#counted, open.length ? `${count(open.length)}, ${dollars(total)} together` : "");
    say(this.#none, open.length ? "" : heard
      ? "None is open. What rules refused, and why, is in the view Feed."
      : "The feed is not heard: nothing is known to be open.");
  }

  /** What a signal's rule is called, or else the market of its first book. */
  #about(signal) {
    if (signal.name || !signal.legs.length) return signal.name || signal.rule;
    const [leg] = signal.legs;
    return this.#known.books.get(key(leg))?.title || leg.market || leg.symbol;
  }
}

function titles() {
  return make("div", { class: "signal title", "aria-hidden": "true" },
    ...TITLES.map(([text, name]) => make("span", { class: `${name} ${text}` }, text)));
}

function row(signal, open) {
  const cells = TITLES.map(([text, name]) => make("span", { class: `${name} ${text}` }));
  const legs = make("ul");
  for (const leg of signal.legs) {
    const book = make("button", { class: "name", title: "Show its book" }, `${leg.venue} ${leg.outcome}`);
    book.addEventListener("click", () => open(leg));
    legs.append(make("li", {}, make("span"), book, make("span", { class: "name" })));
  }
  return make("div", { class: "signal" }, ...cells, legs);
}

function fillRow(element, signal, about) {
  const over = signal.phase === "close";
  look(element, over ? "signal over" : "signal");
  const spread = signal.net_edge === null;
  const lived = signal.ts_recv - signal.ts_open;
  const life = over ? lived : Math.max(Date.now() * 1e6 - signal.ts_open, lived);
  const why = over ? ` · closed ${time(signal.ts_recv)}: ${WHY[signal.reason] ?? signal.reason}` : "";
  const texts = [
    dollars(worth(signal)), percent(gain(signal)),
    fraction(Number(spread ? signal.value : signal.net_edge)),
    `${about} · ${signal.rule}${why}`,
    size(signal.qty), dollars(signal.capital === null ? null : Number(signal.capital)),
    dollars(signal.fee === null ? null : Number(signal.fee)), duration(life),
  ];
  texts.forEach((text, i) => say(element.children[i], text));
  const legs = element.lastElementChild.children;
  signal.legs.forEach((leg, i) => {
    if (!legs[i]) return;
    const [what, book, how] = legs[i].children;
    say(what, leg.qty === null ? "" : `${leg.side} ${size(leg.qty)}`);
    say(book, `${leg.venue} ${leg.outcome}`);
    const price = leg.avg_price === null ? "" : `at ${cents(leg.avg_price)}`;
    const worst = leg.worst_price === leg.avg_price ? "" : `, worst ${cents(leg.worst_price)}`;
    say(how, `${price}${worst}${leg.fee && leg.fee !== "0" ? `, fee ${dollars(Number(leg.fee))}` : ""}`);
  });
}
