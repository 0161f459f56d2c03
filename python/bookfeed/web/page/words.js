// How numbers and times are shown. What is absent is a dash.

const NONE = "–";
const WHOLE = new Intl.NumberFormat("en-US");

/** Digits as the server sent them, with commas. */
export function exact(text) {
  if (text === null || text === undefined) return NONE;
  const [whole, rest] = String(text).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}

/** What was computed from prices, without the last digits of a float. */
export function number(value) {
  return value === null ? NONE : exact(Number(value.toPrecision(9)));
}

/** An average price: a hundredth of a cent is enough of it. */
export function cents(text) {
  return text === null ? NONE : exact(Number(Number(text).toFixed(4)));
}

/** A size, to so many digits as are worth reading. */
export function size(text) {
  if (text === null || text === undefined) return NONE;
  const value = Number(text);
  return value >= 100 ? WHOLE.format(Math.floor(value)) : String(Number(value.toPrecision(4)));
}

export function dollars(value) {
  if (value === null || !Number.isFinite(value)) return NONE;
  const shown = Math.abs(value).toLocaleString("en-US",
    { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return `${value < 0 ? "-" : ""}$${shown}`;
}

export function percent(value) {
  return value === null || !Number.isFinite(value) ? NONE : `${(100 * value).toFixed(2)} %`;
}

export function fraction(value, digits = 4) {
  return value === null || !Number.isFinite(value) ? NONE : value.toFixed(digits);
}

export function count(value) {
  return value === null || value === undefined ? NONE : WHOLE.format(value);
}

/** So many nanoseconds. */
export function duration(ns) {
  if (ns === null || ns === undefined || !Number.isFinite(ns)) return NONE;
  const steps = [[1e3, "ns", 1], [1e6, "µs", 1e3], [1e9, "ms", 1e6], [60e9, "s", 1e9]];
  for (const [below, unit, by] of steps) {
    if (Math.abs(ns) < below) return `${Number((ns / by).toPrecision(3))} ${unit}`;
  }
  return clock(ns / 1e9);
}

/** So many seconds, as hours, minutes and seconds. */
export function clock(seconds) {
  const all = Math.max(Math.floor(seconds), 0);
  const [h, m, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (number) => String(number).padStart(2, "0");
  if (h >= 48) return `${Math.floor(h / 24)} days`;
  return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`;
}

/** When something was, by the viewer's clock; Unix nanoseconds. */
export function time(ns) {
  if (!ns) return NONE;
  return new Date(ns / 1e6).toLocaleTimeString("en-GB");
}

/** What the whole size of a signal would leave after fees, in dollars. */
export function worth(signal) {
  if (signal.net_edge === null || signal.qty === null) return null;
  return Number(signal.net_edge) * Number(signal.qty);
}

/** That by the capital that it would bind. */
export function gain(signal) {
  const [whole, capital] = [worth(signal), Number(signal.capital)];
  return whole === null || !capital ? null : whole / capital;
}
