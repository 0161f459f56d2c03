// Makes and fills elements. Text comes from venues and is only ever put in as text.

const said = new WeakMap();

/** An element with attributes, and children that are elements or texts. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The same for drawings. */
export function drawn(tag, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

/** Have an element say a text, at no cost where it says it already. */
export function say(element, text) {
  if (said.get(element) === text) return;
  said.set(element, text);
  element.textContent = text;
}

/** Have an element look like something, at no cost where it does. */
export function look(element, name) {
  if (element.className !== name) element.className = name;
}

/** A table with a header over every column; columns are [key, title, class]. */
export function table(columns, attributes = {}) {
  const titles = columns.map(([key, title, name = ""]) =>
    make("th", { scope: "col", class: name, "data-key": key }, title));
  const body = make("tbody");
  const made = make("table", attributes, make("thead", {}, make("tr", {}, ...titles)), body);
  return { made, body, titles };
}

/** Children of an element, one a thing: kept by key, so that focus and selection stay. */
export class Rows {
  #parent; #make; #fill; #kept = new Map();

  /** `make(thing)` makes one, `fill(element, thing)` has it say how the thing is now. */
  constructor(parent, make, fill) {
    this.#parent = parent;
    this.#make = make;
    this.#fill = fill;
  }

  /** Show these things in this order; `key(thing)` tells them apart. */
  show(things, key) {
    const gone = new Set(this.#kept.keys());
    let next = this.#parent.firstElementChild;
    for (const thing of things) {
      const name = key(thing);
      let element = this.#kept.get(name);
      if (!element) {
        element = this.#make(thing);
        this.#kept.set(name, element);
      }
      gone.delete(name);
      this.#fill(element, thing);
      if (element === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(element, next);
    }
    for (const name of gone) {
      this.#kept.get(name).remove();
      this.#kept.delete(name);
    }
  }
}

/** Rows of a table whose cells have these classes; `texts(thing)` are what they say. */
export function lines(body, classes, texts, name = () => "") {
  return new Rows(body,
    () => make("tr", {}, ...classes.map((one) => make("td", { class: one }))),
    (row, thing) => {
      texts(thing).forEach((text, i) => say(row.children[i], text));
      look(row, name(thing));
    });
}
