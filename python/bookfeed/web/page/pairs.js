// Rules about several books: pairs, baskets, ladders, their legs side by side.

import { key } from "./known.js";
import { look, make, Rows, say } from "./dom.js";
import { dollars, exact, number, time, worth } from "./words.js";

/** Shows the rules of `known` that have legs in `place`; `open(book)` shows a leg's ladder. */
export class Pairs {
  #known; #rows; #title;

  constructor(place, known, open) {
    this.#known = known;
    this.#title = make("h3", { class: "when" }, "Side by side");
    const cards = make("div", { class: "closing" });
    place.append(this.#title, cards);
    this.#rows = new Rows(cards, () => this.#card(open), (element, rule) => this.#fill(element, rule));
  }

  draw() {
    const rules = Object.entries(this.#known.status?.rules ?? {})
      .map(([id, rule]) => ({ id: Number(id), ...rule }))
      .filter((rule) => rule.legs?.length);
    this.#title.hidden = !rules.length;
    this.#rows.show(rules, (rule) => rule.id);
  }

  #card(open) {
    const body = make("tbody");
    const titles = ["", "bid", "ask"].map((text, i) =>
      make("th", { scope: "col", class: i ? "number" : "" }, text));
    const made = make("div", { class: "panel" }, make("h2", { class: "name" }), make("p"),
      make("table", {}, make("thead", {}, make("tr", {}, ...titles)), body),
      make("p", { class: "warn name" }));
    made.rows = new Rows(body,
      (leg) => {
        const row = make("tr", { tabindex: "0" }, make("td", { class: "name" }),
          make("td", { class: "number bid" }), make("td", { class: "number ask" }));
        row.addEventListener("click", () => open(leg));
        row.addEventListener("keydown", (event) => event.key === "Enter" && open(leg));
        return row;
      },
      (row, leg) => this.#fillLeg(row, leg));
    return made;
  }

  #fill(element, rule) {
    const [title, newest, , basis] = element.children;
    say(title, `${rule.name || rule.rule} · ${rule.rule}`);
    const open = this.#known.heard()
      ? [...this.#known.open.values()].find((one) => one.rule_id === rule.id) : undefined;
    const closed = this.#known.closed.find((one) => one.rule_id === rule.id);
    look(newest, open ? "good" : "dim");
    say(newest, open ? `open: ${dollars(worth(open))}`
      : closed ? `last open until ${time(closed.ts_recv)}` : "none was open yet");
    basis.hidden = !rule.basis?.length;
    say(basis, `Not the same contract: ${(rule.basis ?? []).join("; ")}`);
    element.rows.show(rule.legs, (leg) => `${key(leg)}\n${leg.outcome}`);
  }

  #fillLeg(row, leg) {
    const book = this.#known.books.get(key(leg));
    const now = performance.now();
    const believed = book !== undefined && this.#known.believed(book, now);
    const standing = book ? this.#known.said(book, now) : "no such book";
    const what = `${leg.venue} ${leg.outcome}`;
    say(row.children[0], believed ? what : `${what}: ${standing}`);
    const [bid, ask] = believed ? prices(book, leg) : ["", ""];
    say(row.children[1], bid);
    say(row.children[2], ask);
    look(row, book ? this.#known.looks(book, now) : "doubted");
  }
}

/** What a leg can be sold and bought for. Who buys no of a book of yes sells yes. */
function prices(book, leg) {
  if (leg.outcome !== "no" || book.outcome !== "Yes") return [exact(book.bid), exact(book.ask)];
  return [book.ask, book.bid].map((price) => number(price === null ? null : 1 - Number(price)));
}
