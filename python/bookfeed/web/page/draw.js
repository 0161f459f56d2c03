// Drawings: depth, history, distribution. Each is made anew where its figures are new.

import { drawn } from "./dom.js";
import { clock, count, duration, fraction } from "./words.js";

const WIDTH = 340;
const HEIGHT = 120;
const FOOT = 14;

function canvas(place, height, label) {
  const made = drawn("svg", { viewBox: `0 0 ${WIDTH} ${height + FOOT}`, role: "img", "aria-label": label });
  place.replaceChildren(made);
  return made;
}

/** So many digits as tell one end of a range from the other. */
function digits(range) {
  return Math.min(Math.max(Math.ceil(2 - Math.log10(range || 1)), 0), 6);
}

/** What could be bought and sold up to each price. */
export function depth(place, book) {
  const sides = [["bid", book.bids], ["ask", book.asks]].map(([side, levels]) => {
    let sum = 0;
    return [side, levels.map(([price, qty]) => [Number(price), (sum += Number(qty))])];
  });
  const points = sides.flatMap(([, steps]) => steps);
  const svg = canvas(place, HEIGHT, "Depth of the book");
  if (!points.length) return;
  const prices = points.map(([price]) => price);
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const most = Math.max(...points.map(([, sum]) => sum));
  const x = (price) => (high > low ? ((price - low) / (high - low)) * WIDTH : WIDTH / 2);
  const y = (sum) => HEIGHT - (sum / most) * (HEIGHT - 12);
  for (const [side, steps] of sides) {
    if (!steps.length) continue;
    const edge = side === "bid" ? 0 : WIDTH;
    let path = `M${x(steps[0][0])} ${HEIGHT}`;
    for (const [price, sum] of steps) path += `H${x(price)}V${y(sum)}`;
    path += `H${edge}`;
    svg.append(drawn("path", { class: `${side} area`, d: `${path}V${HEIGHT}Z`, stroke: "none" }),
      drawn("path", { class: side, d: path }));
  }
  const places = digits(high - low);
  svg.append(
    drawn("text", { x: 0, y: HEIGHT + FOOT - 2 }, fraction(low, places)),
    drawn("text", { x: WIDTH, y: HEIGHT + FOOT - 2, "text-anchor": "end" }, fraction(high, places)),
    drawn("text", { x: 0, y: 9 }, `size up to a price: ${most < 10 ? fraction(most, 2) : count(Math.round(most))}`));
}

/** Best prices over time, and below them the spread. */
export function history(place, points) {
  const svg = canvas(place, HEIGHT + 40, "Best prices and spread");
  const known = points.flatMap(([, bid, ask]) => [bid, ask]).filter(Number.isFinite);
  if (points.length < 2 || !known.length) {
    svg.append(drawn("text", { x: 0, y: 20 }, "begins with the next seconds"));
    return;
  }
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const x = (ms) => ((ms - first) / (last - first)) * WIDTH;
  const y = (price) => 90 - (high > low ? (price - low) / (high - low) : 0.5) * 76;
  svg.append(drawn("path", { class: "bid", d: steps(points.map(([ms, bid]) => [x(ms), y(bid)])) }),
    drawn("path", { class: "ask", d: steps(points.map(([ms, , ask]) => [x(ms), y(ask)])) }));
  const widths = points.map(([, bid, ask]) => ask - bid);
  const most = Math.max(...widths.filter(Number.isFinite), 0);
  const z = (width) => HEIGHT + 40 - (most ? width / most : 0) * 44;
  svg.append(drawn("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT + 40, y2: HEIGHT + 40 }),
    drawn("path", { class: "spread", d: steps(points.map(([ms], i) => [x(ms), z(widths[i])])) }));
  const places = digits(high - low);
  const right = { x: WIDTH, "text-anchor": "end" };
  svg.append(
    drawn("text", { x: 0, y: 9 }, `${fraction(low, places)} to ${fraction(high, places)}`),
    drawn("text", { x: 0, y: 106 }, `spread up to ${fraction(most, digits(most))}`),
    drawn("text", { ...right, y: HEIGHT + 52 }, "now"),
    drawn("text", { x: 0, y: HEIGHT + 52 }, `${clock((last - first) / 1000)} ago`));
}

/** A line that stays until the next point, with a gap where there is none. */
function steps(points) {
  let path = "";
  let pen = false;
  for (const [x, y] of points) {
    if (!Number.isFinite(y)) pen = false;
    else path += pen ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = Number.isFinite(y);
  }
  return path;
}

/** How latencies are spread: how many there are between a power of two and the next. */
export function distribution(place, latency) {
  const tall = 44;
  const svg = canvas(place, tall, "Distribution");
  const [low, high] = [3, 11];
  const x = (ns) => Math.min(Math.max((Math.log10(Math.max(ns, 1)) - low) / (high - low), 0), 1) * WIDTH;
  const bars = latency.below.map(([bound, below], at, all) => {
    const [from, before] = at ? all[at - 1] : [0, 0];
    return [from, bound, below - before];
  });
  const most = Math.max(...bars.map(([, , often]) => often), 1);
  for (const [from, to, often] of bars) {
    if (!often) continue;
    // One among a million is still a line to be seen.
    const height = Math.max((often / most) * tall, 1);
    const bar = drawn("rect", { class: "box", x: x(from), y: tall - height, height,
      width: Math.max(x(to) - x(from) - 1, 1) });
    const title = drawn("title", {});
    title.textContent = `${duration(from)} to ${duration(to)}: ${count(often)}`;
    bar.append(title);
    svg.append(bar);
  }
  svg.append(drawn("line", { class: "axis", x1: 0, x2: WIDTH, y1: tall, y2: tall }));
  for (const ns of [latency.p50, latency.p99]) {
    svg.append(drawn("line", { class: "mark", x1: x(ns), x2: x(ns), y1: 0, y2: tall }));
  }
  for (let power = low; power <= high; power += 2) {
    svg.append(drawn("text", { x: ((power - low) / (high - low)) * WIDTH, y: tall + 12,
      "text-anchor": power === low ? "start" : power === high ? "end" : "middle" },
    power === 11 ? "100 s" : duration(10 ** power)));
  }
}
