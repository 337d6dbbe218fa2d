// The levels of the loggers.

import { post } from "./api.js";
import { el, setText, settled } from "./dom.js";

const LEVELS = ["trace", "debug", "info", "warning", "error", "critical", "off"];

export class Logging {
  constructor(section) {
    this.filter = el("input", { type: "search", class: "filter", placeholder: "Filter loggers", "aria-label": "Filter loggers" });
    this.every = levels("", "");
    this.every.setAttribute("aria-label", "Level of all loggers");
    this.status = el("p", { class: "status", role: "status" });
    this.list = el("ul", { class: "loggers" });
    this.filter.addEventListener("input", settled(() => this.#filter(), 100));
    this.every.addEventListener("change", () => this.#set({ level: this.every.value }, `all loggers: ${this.every.value}`));
    const form = el("div", { class: "form" }, el("label", {}, "Loggers", this.filter), el("label", {}, "All of them", this.every));
    section.append(form, this.status, this.list);
  }

  async show() {
    await this.#set({}, "");
  }

  async #set(change, said) {
    const answer = await post("logging", change);
    if (!answer.ok) {
      setText(this.status, answer.text.split("\n")[0]);
      return;
    }
    setText(this.status, said);
    const found = [...answer.text.matchAll(/^ {2}(\S+): (\S+)$/gm)].map(([, name, level]) => ({ name, level }));
    this.list.replaceChildren(...found.map((logger) => this.#row(logger)));
    const first = found[0]?.level;
    this.every.value = found.every((logger) => logger.level === first) ? first : "";
    this.#filter();
  }

  #row({ name, level }) {
    const select = levels(name, level);
    select.addEventListener("change", async () => {
      await this.#set({ paths: `${name}:${select.value}` }, `${name}: ${select.value}`);
      document.getElementById(`level-${name}`)?.focus();
    });
    return el("li", { "data-name": name }, el("label", { for: `level-${name}` }, name), select);
  }

  #filter() {
    const wanted = this.filter.value.toLowerCase();
    for (const row of this.list.children) row.hidden = !row.dataset.name.includes(wanted);
  }
}

function levels(name, chosen) {
  const options = LEVELS.map((level) => el("option", { value: level, selected: level === chosen }, level));
  const select = el("select", { id: name ? `level-${name}` : null }, ...options);
  if (!chosen) select.prepend(el("option", { value: "", selected: true, disabled: true }, "various"));
  select.dataset.level = chosen;
  return select;
}
