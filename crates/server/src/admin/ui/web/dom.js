// Making and updating elements. Texts go into text nodes alone: what a configuration holds is never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, event handlers (`onclick`) and children (elements or texts). */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

/** Sets a text, if it is another one: what is read aloud or selected stays undisturbed. */
export function setText(element, text) {
  const value = String(text);
  if (element.textContent !== value) element.textContent = value;
}

/** Makes the children of `list` those of `rows`, by key, keeping elements that are there, and with them the focus. */
export function sync(list, rows, keyOf, create, update) {
  const known = new Map();
  for (const child of list.children) known.set(child.dataset.key, child);
  let place = list.firstElementChild;
  for (const row of rows) {
    const key = keyOf(row);
    let element = known.get(key);
    if (element) {
      known.delete(key);
    } else {
      element = create(row);
      element.dataset.key = key;
    }
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
    update(element, row);
  }
  for (const gone of known.values()) gone.remove();
}

/** Runs `act` once nothing has called for `ms`. */
export function settled(act, ms = 200) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...values), ms);
  };
}
