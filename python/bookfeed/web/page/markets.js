// Markets about a price: spot books, and contracts by when they close, venues side by side.

import { key } from "./known.js";
import { look, make, Rows, say } from "./dom.js";
import { clock, exact, fraction, number, size } from "./words.js";

const OVER = "over";
const OVER_SHOWN = 24;

/** Shows the markets of `known` in `place`; `open(book)` shows one's ladder. */
export class Markets {
  #known; #spot; #groups; #none;

  constructor(place, known, open) {
    this.#known = known;
    const spot = make("div");
    const groups = make("div");
    this.#none = make("p", { class: "dim" });
    place.append(spot, groups, this.#none);
    const card = (market) => this.#card(market, open);
    const fill = (element, market) => this.#fill(element, market);
    this.#spot = new Rows(spot, card, fill);
    this.#groups = new Rows(groups,
      () => {
        const cards = make("div", { class: "closing" });
        const made = make("div", {}, make("h3", { class: "when" }), cards);
        made.rows = new Rows(cards, card, fill);
        return made;
      },
      (element, [closes, markets]) => {
        say(element.firstElementChild, when(closes, markets[0].close_ts));
        element.rows.show(markets, name);
      });
  }

  draw() {
    const markets = this.#known.markets;
    const spot = markets.filter((one) => one.spot).flatMap((one) => one.books);
    const prices = { venue: "", market: "spot", title: "Spot prices", spot: true, books: spot };
    this.#spot.show(spot.length ? [prices] : [], name);
    const found = new Map();
    for (const one of markets.filter((each) => !each.spot)) {
      const over = one.books.every((book) => this.#known.over(this.#newest(book)));
      const closes = over ? OVER : span(one)[1] ?? 0;
      found.set(closes, [...(found.get(closes) ?? []), one]);
    }
    for (const group of found.values()) group.sort((a, b) => (a.strike ?? 0) - (b.strike ?? 0));
    const over = found.get(OVER);
    if (over) found.set(OVER, over.sort((a, b) => b.close_ts - a.close_ts).slice(0, OVER_SHOWN));
    const ahead = Date.now() * 1e6;
    // What closes next comes first, then what has closed, what never closes, and what is over.
    const rank = (closes) => (closes === OVER ? Infinity : closes === 0 ? 1e20
      : closes < ahead ? 1e19 + ahead - closes : closes);
    const groups = [...found].sort(([a], [b]) => rank(a) - rank(b));
    this.#groups.show(groups, ([closes]) => String(closes));
    say(this.#none, markets.length ? "" : "No market is known yet.");
  }

  /** What the price that settles a market is expected to close at, as the feed estimates it from
   * the reference of its terms; `null`: it knows of none, or has not heard of it lately. */
  #expected(market) {
    if (!this.#known.heard()) return null;
    const found = market.books.find((book) => book.fair);
    return found ? found.fair.expected : null;
  }

  /** Books come ten times a second, markets three times. */
  #newest(book) {
    return this.#known.books.get(key(book)) ?? book;
  }

  #card(market, open) {
    const body = make("tbody");
    const columns = ["", "bid", "ask", "fair"].map((text, i) =>
      make("th", { scope: "col", class: i ? "number" : "" }, text));
    const looks = market.spot ? "panel spot" : "panel";
    const made = make("div", { class: looks }, make("h2", { class: "name" }), make("p", { class: "clocks" },
      make("span"), make("span"), make("span")),
    make("table", {}, make("thead", {}, make("tr", {}, ...columns)), body));
    made.rows = new Rows(body,
      (book) => {
        const row = make("tr", { tabindex: "0" }, make("td", { class: "name" }),
          ...["number bid", "number ask", "number"].map((one) => make("td", { class: one })));
        row.addEventListener("click", () => open(book));
        row.addEventListener("keydown", (event) => event.key === "Enter" && open(book));
        return row;
      },
      (row, book) => this.#fillBook(row, book));
    return made;
  }

  #fill(element, market) {
    const [title, clocks] = element.children;
    const called = market.title || market.market;
    say(title, market.spot ? called : `${market.venue} · ${called}`);
    clocks.hidden = Boolean(market.spot);
    if (market.spot) {
      element.rows.show(market.books, key);
      return;
    }
    const now = Date.now() * 1e6;
    const [opened, strike, result] = clocks.children;
    const [opens, closes] = span(market);
    say(opened, !opens ? "" : opens > now ? `opens in ${clock((opens - now) / 1e9)}`
      : closes && closes < now
        ? `was open for ${clock((closes - opens) / 1e9)}`
        : `open for ${clock((now - opens) / 1e9)}`);
    const expected = market.strike === null ? null : this.#expected(market);
    const apart = expected === null ? null : expected - market.strike;
    const unknown = market.close_ts === null ? "" : "no strike yet";
    say(strike, market.strike === null ? unknown : `strike ${number(market.strike)}`
      + (apart === null ? "" : `, expected ${apart < 0 ? "" : "+"}${fraction(apart, 2)}`));
    strike.title = apart === null ? "" : "what it is expected to close at, less the strike";
    look(strike, apart === null ? "" : apart < 0 ? "bad" : "good");
    result.hidden = !market.result;
    say(result, `result: ${market.result}`);
    element.rows.show(market.books, key);
  }

  #fillBook(row, told) {
    const book = this.#newest(told);
    const now = performance.now();
    const believed = this.#known.believed(book, now);
    const side = (price, qty) => (believed ? `${exact(price)}${price === null ? "" : ` × ${size(qty)}`}` : "");
    const called = told.outcome === "spot" || !told.outcome ? `${book.venue} ${book.market}` : book.outcome;
    const texts = [
      believed ? called : `${called}: ${this.#known.said(book, now)}`,
      side(book.bid, book.bid_qty), side(book.ask, book.ask_qty),
      believed && told.fair ? fraction(told.fair.price, 3) : "",
    ];
    row.lastElementChild.title = texts[3] === "" ? ""
      : `from ${fraction(told.fair.low, 3)} to ${fraction(told.fair.high, 3)}`;
    texts.forEach((text, i) => say(row.children[i], text));
    look(row, this.#known.looks(book, now));
  }
}

function name(market) {
  return `${market.venue}\n${market.market}`;
}

/** When a market opens and closes, or when its window is played, if it is simulated in haste. */
function span(market) {
  return market.played_ts ?? [market.open_ts, market.close_ts];
}

function when(closes, stated) {
  if (closes === OVER) return "Over";
  if (!closes) return "Without an end that is known";
  const at = new Date(stated / 1e6).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  const left = closes / 1e9 - Date.now() / 1e3;
  return left > 0 ? `Closes ${at}, in ${clock(left)}` : `Closed ${at}, ${clock(-left)} ago`;
}
