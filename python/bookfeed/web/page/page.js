// Puts the dashboard together: what is shown of what is known, and what keys do.

import { Books } from "./books.js";
import { look, say } from "./dom.js";
import { Feed } from "./feed.js";
import { Known, key } from "./known.js";
import { Ladder } from "./ladder.js";
import { Markets } from "./markets.js";
import { Opportunities } from "./opportunities.js";
import { Pairs } from "./pairs.js";
import { Wire } from "./wire.js";
import { count } from "./words.js";

const DEPTH = 12;
const DRAW_EVERY_MS = 150;
const HOW = {
  connecting: ["connecting", "warn"],
  WebSocket: ["live by WebSocket", "good"],
  polling: ["polling every 1.5 s: the WebSocket failed", "warn"],
  token: ["a token is asked for", "bad"],
  nothing: ["the server is not heard", "bad"],
};
const VIEWS = ["opportunities", "books", "markets", "feed"];

const at = (id) => document.getElementById(id);
const known = new Known();
const wire = new Wire(known, changed);
const ladder = new Ladder(at("ladder"), known, () => choose(null));
const views = {
  opportunities: new Opportunities(at("opportunities"), known, choose),
  books: new Books(at("books"), known, choose, () => ladder.chosen),
  pairs: new Pairs(at("markets"), known, choose),
  markets: new Markets(at("markets"), known, choose),
  feed: new Feed(at("feed"), known),
};
let view = VIEWS[0];
let waiting = false;
let drawnMs = 0;
let feed = known.feed;
let before = null;

/** Draw soon: often enough to be looked at, seldom enough to leave a machine alone. */
function changed() {
  if (waiting) return;
  waiting = true;
  setTimeout(() => requestAnimationFrame(draw), Math.max(DRAW_EVERY_MS - (performance.now() - drawnMs), 0));
}

function draw() {
  waiting = false;
  drawnMs = performance.now();
  // Another feed may have come, with other books.
  if (known.feed !== feed && known.feed === "heard") wire.again();
  feed = known.feed;
  const heard = known.heard(drawnMs);
  const [text, colour] = HOW[wire.how];
  say(at("how"), `${text}${heard || wire.how === "token" || wire.how === "nothing" ? ""
    : known.feed === "heard" ? "" : ` · the feed is ${known.feed}`}`);
  look(at("dot"), heard ? colour : "bad");
  let [believed, over] = [0, 0];
  for (const book of known.books.values()) {
    believed += known.believed(book, drawnMs);
    over += known.over(book);
  }
  say(at("counts"), `${count(believed)} of ${count(known.books.size - over)} books believed · `
    + `${count(heard ? known.open.size : 0)} open${over ? ` · ${count(over)} over` : ""}`);
  at("token").hidden = wire.how !== "token";
  at("desk").hidden = wire.how === "token";
  views[view].draw();
  if (view === "markets") views.pairs.draw();
  // In the next frame: both together would be one task that is too long to be smooth.
  if (ladder.chosen !== null) requestAnimationFrame(() => ladder.draw());
}

/** Show a view. */
function go(to) {
  view = to;
  for (const name of VIEWS) {
    at(name).hidden = name !== view;
    const button = document.querySelector(`[data-view="${name}"]`);
    if (name === view) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  wire.want("markets", view === "markets" ? { channel: "arbitrage" } : null);
  if (location.hash !== `#${view}`) history.replaceState(null, "", `#${view}`);
  changed();
}

/** Show the ladder of a book, or of none. */
function choose(book) {
  const name = book && key(book);
  if (name !== null && name === ladder.chosen) return;
  if (name !== null && ladder.chosen === null) before = document.activeElement;
  known.ladder = null;
  ladder.show(name);
  at("desk").classList.toggle("beside", name !== null);
  wire.want("ladder", book && { channel: "levels", venue: book.venue, symbol: book.symbol, depth: DEPTH });
  if (name === null) before?.focus();
  changed();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !at("keys").open) {
    if (event.target.matches("input")) event.target.blur();
    else choose(null);
    return;
  }
  if (event.target.matches("input")) return;
  const number = Number(event.key);
  if (number >= 1 && number <= VIEWS.length) go(VIEWS[number - 1]);
  else if (event.key === "?") at("keys").showModal();
  else if (event.key === "/") {
    event.preventDefault();
    go("books");
    views.books.search();
  }
});
for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => go(button.dataset.view));
}
at("help").addEventListener("click", () => at("keys").showModal());
at("token").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = at("token").querySelector("input");
  wire.show(field.value.trim());
  field.value = "";
  say(at("wrong"), "If this stays, the token was a wrong one.");
});
addEventListener("scroll", changed, { passive: true });
addEventListener("hashchange", () => {
  const to = location.hash.slice(1);
  if (VIEWS.includes(to) && to !== view) go(to);
});

for (const channel of ["books", "signals", "trades", "status", "alerts"]) wire.want(channel, { channel });
go(VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : VIEWS[0]);
wire.start();
