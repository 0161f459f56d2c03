// All books as a table: searched, sorted, each a key away from its ladder.

import { look, make, Rows, say, table } from "./dom.js";
import { key } from "./known.js";
import { count, duration, exact, number, size } from "./words.js";

const SHOWN = 300;
const FAR_MS = 1000;
const COLUMNS = [
  ["venue", "venue", "venue"], ["title", "market", "name market"], ["outcome", "outcome", "name outcome"],
  ["bid_qty", "size", "number wide"], ["bid", "bid", "number bid"], ["ask", "ask", "number ask"],
  ["ask_qty", "size", "number wide"], ["spread", "spread", "number wide"],
  ["state", "state", "state"], ["age", "vouched for", "number wide"],
];
const NUMBERS = new Set(["bid", "ask", "bid_qty", "ask_qty", "spread", "age"]);

/** Shows the books of `known` in `place`; `open(book)` shows one's ladder. */
export class Books {
  #known; #rows; #body; #titles; #found; #search; #sorted = "venue"; #down = false;
  #chosen = () => null; #at = 0; #middle = 0; #reach = Infinity;

  constructor(place, known, open, chosen) {
    this.#known = known;
    this.#chosen = chosen;
    this.#search = make("input", { type: "search", placeholder: "search  /", "aria-label": "Search books" });
    this.#found = make("span", { class: "dim" });
    const { made, body, titles } = table(COLUMNS.map(([name, , look]) => [name, "", look]),
      { class: "fixed" });
    this.#titles = titles;
    titles.forEach((title, i) => {
      const button = make("button", {}, COLUMNS[i][1]);
      button.addEventListener("click", () => this.#sort(COLUMNS[i][0]));
      title.append(button);
    });
    place.append(make("div", { class: "panel" },
      make("div", { class: "bar" }, make("h2", {}, "Books"), this.#search, this.#found), made));
    this.#search.addEventListener("input", () => this.draw());
    this.#rows = new Rows(body, (book) => this.#row(book, open), (row, book) => this.#fill(row, book));
    this.#body = body;
    body.addEventListener("keydown", walk);
  }

  /** Go to the search. */
  search() {
    this.#search.focus();
    this.#search.select();
  }

  draw() {
    const now = performance.now();
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fitting = [...this.#known.books.values()].filter((book) => {
      const text = `${book.venue} ${book.title} ${book.outcome} ${book.market} ${book.symbol} ${book.state}`
        .toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const value = (book) => this.#value(book, now);
    // What is over comes last, whatever it is sorted by.
    const over = (book) => this.#known.over(book);
    fitting.sort((a, b) => over(a) - over(b)
      || order(value(a), value(b), this.#down) || order(key(a), key(b), false));
    this.#look();
    this.#rows.show(fitting.slice(0, SHOWN), key);
    const more = fitting.length > SHOWN ? `, the first ${SHOWN} shown` : "";
    say(this.#found, `${count(fitting.length)} of ${count(this.#known.books.size)}${more}`);
    this.#titles.forEach((title, i) => {
      if (COLUMNS[i][0] !== this.#sorted) title.removeAttribute("aria-sort");
      else title.setAttribute("aria-sort", this.#down ? "descending" : "ascending");
    });
  }

  /** Which rows are in sight, or less than a window away from it. */
  #look() {
    const { top, height } = this.#body.getBoundingClientRect();
    const each = height / this.#body.children.length;
    this.#at = 0;
    this.#middle = each ? (innerHeight / 2 - top) / each : 0;
    this.#reach = each ? (1.5 * innerHeight) / each : Infinity;
  }

  #sort(column) {
    this.#down = column === this.#sorted ? !this.#down : NUMBERS.has(column);
    this.#sorted = column;
    this.draw();
  }

  #value(book, now) {
    const name = this.#sorted;
    if (!NUMBERS.has(name)) return name === "state" ? this.#known.standing(book, now)[0] : book[name];
    if (name === "age") return -(book.ts_evidence ?? 0);
    if (!this.#known.believed(book, now)) return null;
    if (name === "spread") return spread(book);
    return book[name] === null ? null : Number(book[name]);
  }

  #row(book, open) {
    const row = make("tr", { tabindex: "0" },
      ...COLUMNS.map(([, , name]) => make("td", { class: name })));
    row.addEventListener("click", () => open(book));
    row.addEventListener("keydown", (event) => event.key === "Enter" && open(book));
    return row;
  }

  /** Rows far out of sight are filled once a second, but at once if they may be believed no more. */
  #fill(row, book) {
    const now = performance.now();
    const chosen = this.#chosen() === key(book);
    if (row.chosen !== chosen) row.setAttribute("aria-selected", String(row.chosen = chosen));
    const far = Math.abs(this.#at++ - this.#middle) > this.#reach;
    const looks = this.#known.looks(book, now);
    if (far && row.className === looks && now - row.filledMs < FAR_MS) return;
    row.filledMs = now;
    const believed = this.#known.believed(book, now);
    const price = (text) => (believed ? exact(text) : "");
    const age = book.ts_evidence ? Math.max(Date.now() * 1e6 - book.ts_evidence, 0) : null;
    const texts = [
      book.venue, book.title || book.market || book.symbol, book.outcome,
      believed ? size(book.bid_qty) : "", price(book.bid), price(book.ask),
      believed ? size(book.ask_qty) : "", believed ? number(spread(book)) : "",
      believed ? book.state : this.#known.said(book, now), duration(age),
    ];
    texts.forEach((text, i) => say(row.children[i], text));
    if (row.called !== texts[1]) row.called = row.title = texts[1];
    look(row, looks);
  }
}

/** Ask less bid; `null` where there is no such. A price has at most nine places, a double more. */
export function spread(book) {
  if (book.bid === null || book.ask === null) return null;
  return Number((Number(book.ask) - Number(book.bid)).toFixed(9));
}

/** Absent ones come last, whichever way it is sorted. */
function order(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const found = a < b ? -1 : a > b ? 1 : 0;
  return down ? -found : found;
}

function walk(event) {
  const to = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  if (!to) return;
  event.preventDefault();
  event.target.closest("tr")?.[to]?.focus();
}
