// How the feed is: connections, books that may not be believed, refusals, latencies, news.

import { distribution } from "./draw.js";
import { lines, make, Rows, say, table } from "./dom.js";
import { UP } from "./known.js";
import { count, duration } from "./words.js";

const STAGES = {
  venue_to_recv: "from the venue's stamp to our socket",
  recv_to_emit: "from our socket to the record",
};

/** Shows how the feed of `known` is doing in `place`. */
export class Feed {
  #known; #connections; #doubted; #why; #latency; #events; #alerts; #none; #silent;

  constructor(place, known) {
    this.#known = known;
    const connections = table([["venue", "venue"], ["conn", "no.", "number wide"], ["state", "state"],
      ["books", "believed", "number"], ["delay", "delay", "number"],
      ["again", "reconnects", "number wide"], ["fresh", "freshness", "wide"], ["since", "for", "number wide"]]);
    this.#connections = lines(connections.body,
      ["", "number wide", "state", "number", "number", "number wide", "wide", "number wide"], connection,
      (one) => (UP.has(one.state) ? "" : "doubted"));
    const doubted = table([["venue", "venue"], ["state", "state"], ["cause", "cause"],
      ["count", "books", "number"]]);
    this.#doubted = lines(doubted.body, ["", "state", "", "number"],
      (one) => [one.venue, one.looks === "over" ? "over" : one.state, one.cause.replaceAll("_", " "), count(one.count)], (one) => one.looks);
    this.#none = make("p", { class: "good" });
    const why = table([["name", "rule", "name"], ["kind", "kind", "wide"], ["text", "why not", "text"],
      ["count", "how often", "number"]]);
    this.#why = lines(why.body, ["name", "wide", "text", "number"],
      (one) => [one.name || one.rule, one.rule, one.text, count(one.count)]);
    const latency = make("div");
    this.#latency = new Rows(latency, stage, fillStage);
    const alerts = table([["time", "time", "when"], ["name", "alert"], ["what", "what"], ["sent", "sent"]]);
    this.#alerts = lines(alerts.body, ["when", "", "name", ""],
      (one) => [clock(one.ts / 1e6), one.name, one.text, one.sent ? "yes" : "no: quiet hours"]);
    this.#silent = make("p", { class: "dim" });
    const events = table([["time", "time", "when"], ["what", "what"]]);
    this.#events = lines(events.body, ["when", "name"],
      (one) => [clock(one.ms), one.text], (one) => one.look);
    place.append(
      panel("Connections", connections.made),
      panel("Books that may not be believed", doubted.made, this.#none),
      panel("Alerts", alerts.made, this.#silent),
      panel("Why not: what rules refused to signal", why.made),
      panel("Latency: how often how long; lines at the median and at 99 of a hundred", latency),
      panel("What has happened since this page is open", events.made));
  }

  draw() {
    const now = performance.now();
    const status = this.#known.heard(now) ? this.#known.status : null;
    this.#connections.show(status?.connections ?? [], (one) => one.conn);
    const found = new Map();
    for (const book of this.#known.books.values()) {
      if (this.#known.believed(book, now)) continue;
      const [state, cause] = this.#known.standing(book, now);
      const name = `${book.venue} ${state} ${cause}`;
      const group = found.get(name) ?? { venue: book.venue, state, cause, count: 0, name, looks: this.#known.looks(book, now) };
      group.count += 1;
      found.set(name, group);
    }
    this.#doubted.show([...found.values()].sort((a, b) => b.count - a.count), (one) => one.name);
    say(this.#none, found.size || !this.#known.books.size ? "" : "All may be believed.");
    this.#alerts.show(this.#known.alerts, (one) => one.number);
    say(this.#silent, this.#known.alerts.length ? "" : "None was told.");
    const why = [...(status?.why ?? [])].sort((a, b) => b.count - a.count);
    this.#why.show(why, (one) => `${one.rule_id} ${one.reason}`);
    this.#latency.show(Object.entries(status?.latency_ns ?? {}), ([name]) => name);
    this.#events.show(this.#known.events, (one) => one.id);
  }
}

function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

function panel(title, ...children) {
  return make("div", { class: "panel" }, make("h2", {}, title), ...children);
}

function connection(one) {
  const cause = one.cause ? `, ${one.cause}` : "";
  const polled = one.polled ? `, ${count(one.polled)} polled` : "";
  return [one.venue, String(one.conn), `${one.state}${cause}`,
    `${count(one.live)} of ${count(one.books)}${polled}`,
    one.delay_s === null ? "–" : `${duration(one.delay_s * 1e9)}${one.delay_grows ? ", grows" : ""}`,
    count(one.reconnects), one.freshness,
    one.since_ns ? duration(Date.now() * 1e6 - one.since_ns) : "–"];
}

function stage([name]) {
  return make("div", { class: "stage" }, make("p", {}, STAGES[name] ?? name), make("p", { class: "dim" }), make("div"));
}

function fillStage(element, [, told]) {
  const [, figures, drawing] = element.children;
  const names = ["p50", "p90", "p99", "p999", "max"];
  say(figures, `${names.map((name) => `${name} ${duration(told[name])}`).join(" · ")} · `
    + `${count(told.count)} messages`);
  // The server tells them once a second; the page is drawn more often.
  if (!told.count || element.drawn === told) return;
  element.drawn = told;
  distribution(drawing, told);
}
