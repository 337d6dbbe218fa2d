// Searching the configuration in force. The dump is read as it comes, line by line, and is never held as a whole.

import { ask, url } from "./api.js";
import { el, setText } from "./dom.js";

const MOST_HITS = 200;
/** Lines shown around a hit. */
const AROUND = 2;
/** A longer line is cut. */
const LONGEST = 400;

const SECTIONS = [
  ["", "everything"],
  ["static_listeners", "listeners"],
  ["static_route_configs", "routes"],
  ["static_clusters", "clusters"],
  ["static_endpoint_configs", "endpoints"],
  ["static_secrets", "secrets"],
];

export class Config {
  #running = null;

  constructor(section) {
    this.query = el("input", { type: "search", id: "config-query", class: "filter", placeholder: "a text, or /a regular expression/", autocomplete: "off", spellcheck: "false" });
    this.where = el("select", { id: "config-where" }, ...SECTIONS.map(([value, label]) => el("option", { value }, label)));
    this.name = el("input", { id: "config-name", placeholder: "all names", autocomplete: "off", spellcheck: "false" });
    this.status = el("p", { class: "status", role: "status" }, "What is shown is what runs: secrets are redacted.");
    this.hits = el("ol", { class: "hits" });
    this.whole = el("a", { href: "config_dump", target: "_blank", rel: "noreferrer" }, "The whole dump");
    const form = el(
      "form",
      { class: "form", onsubmit: (event) => this.#submit(event) },
      el("label", {}, "Search for", this.query),
      el("label", {}, "in", this.where),
      el("label", {}, "names (regex)", this.name),
      el("button", {}, "Search"),
      this.whole,
    );
    section.append(form, this.status, this.hits);
  }

  show() {}

  #address() {
    return url("config_dump", {
      resource: this.where.value,
      name_regex: this.name.value,
      include_eds: this.where.value === "static_endpoint_configs" || this.where.value === "" ? "true" : "",
    });
  }

  async #submit(event) {
    event.preventDefault();
    this.#running?.abort();
    const running = (this.#running = new AbortController());
    this.hits.replaceChildren();
    this.whole.href = this.#address();
    let matches;
    try {
      matches = matcher(this.query.value.trim());
    } catch (error) {
      setText(this.status, `That is no regular expression: ${error.message}`);
      return;
    }
    try {
      await this.#search(matches, running);
    } catch (error) {
      if (error.name !== "AbortError") setText(this.status, `The dump could not be read: ${error.message}`);
    }
  }

  async #search(matches, running) {
    const answer = await ask(this.#address(), { signal: running.signal });
    if (!answer.ok) {
      setText(this.status, `${answer.status}: ${await answer.text()}`);
      return;
    }
    const search = new Search(matches, (hit) => this.hits.append(show(hit)));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let read = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      read += value.length;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      lines.forEach((line) => search.line(line));
      if (search.hits >= MOST_HITS) {
        await reader.cancel();
        search.end();
        setText(this.status, `The first ${MOST_HITS} places; there may be more.`);
        return;
      }
      setText(this.status, `${search.hits} places in ${size(read)} so far`);
    }
    search.line(rest);
    search.end();
    setText(this.status, `${search.hits === 1 ? "1 place" : `${search.hits} places`} in ${size(read)}`);
  }
}

function matcher(text) {
  const regex = /^\/(.+)\/$/.exec(text);
  if (regex) {
    const compiled = new RegExp(regex[1], "i");
    return (line) => {
      const found = compiled.exec(line);
      return found && found[0] ? [found.index, found[0].length] : null;
    };
  }
  const wanted = text.toLowerCase();
  return (line) => {
    const at = wanted === "" ? -1 : line.toLowerCase().indexOf(wanted);
    return at < 0 ? null : [at, wanted.length];
  };
}

/** Follows the lines of an indented document, and knows by their indent where each stands. */
class Search {
  constructor(matches, found) {
    this.matches = matches;
    this.found = found;
    this.hits = 0;
    this.places = [];
    this.before = [];
    this.open = [];
  }

  line(line) {
    const text = line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
    this.open.forEach((hit) => hit.lines.push(text));
    this.#close(AROUND);
    this.#follow(line);
    const mark = this.matches(text.trimStart());
    if (mark && this.hits < MOST_HITS) {
      this.hits += 1;
      const indent = text.length - text.trimStart().length;
      const lines = [...this.before, text];
      this.open.push({ path: this.#path(), lines, at: lines.length - 1, mark: [mark[0] + indent, mark[1]] });
    }
    this.before = [...this.before, text].slice(-AROUND);
  }

  end() {
    this.#close(0);
  }

  #close(after) {
    while (this.open.length > 0 && this.open[0].lines.length - 1 - this.open[0].at >= after) {
      this.found(this.open.shift());
    }
  }

  #follow(line) {
    const depth = line.length - line.trimStart().length;
    this.places.length = Math.min(this.places.length, depth + 1);
    const key = /^ *"((?:[^"\\]|\\.)*)":/.exec(line)?.[1];
    const place = this.places[depth] ?? { key: null, index: -1, name: "" };
    this.places[depth] = key === undefined
      ? { key: null, index: /^ *[\]}]/.test(line) ? place.index : place.index + 1, name: "" }
      : { key, index: -1, name: "" };
    if (key === "name" && depth > 0) {
      const name = /"name": "(.*?)",?$/.exec(line)?.[1] ?? "";
      if (this.places[depth - 1]) this.places[depth - 1].name = name;
    }
  }

  #path() {
    // The document and its list of sections say nothing.
    return this.places
      .slice(3)
      .filter((place) => place && (place.key !== null || place.index >= 0))
      .map((place) => {
        const step = place.key ?? `[${place.index}]`;
        return place.name ? `${step} (${place.name})` : step;
      })
      .join(" › ");
  }
}

function show(hit) {
  const indents = hit.lines.map((line) => line.length - line.trimStart().length);
  const common = Math.min(...indents);
  const lines = hit.lines.map((line, index) => {
    if (index !== hit.at) return `${line.slice(common)}\n`;
    const [start, length] = hit.mark;
    return [line.slice(common, start), el("mark", {}, line.slice(start, start + length)), `${line.slice(start + length)}\n`];
  });
  return el("li", {}, el("p", { class: "path" }, hit.path), el("pre", { tabindex: "0" }, ...lines.flat()));
}

function size(bytes) {
  return bytes > 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`;
}
