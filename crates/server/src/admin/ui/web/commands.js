// All endpoints: what only shows something is a link, what changes the server is a button that asks first.

import { json, post, url } from "./api.js";
import { el, setText } from "./dom.js";

export class Commands {
  #isFilled = false;

  constructor(section) {
    this.filter = el("input", { type: "search", class: "filter", placeholder: "Filter commands", "aria-label": "Filter commands" });
    this.list = el("ul", { class: "commands" });
    this.filter.addEventListener("input", () => {
      const wanted = this.filter.value.toLowerCase();
      for (const row of this.list.children) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    const form = el("div", { class: "form" }, el("label", {}, "Commands", this.filter), el("a", { href: "help", target: "_blank", rel: "noreferrer" }, "Envoy’s /help"));
    section.append(form, this.list);
  }

  async show() {
    if (this.#isFilled) return;
    const answer = await json("ui/commands");
    this.#isFilled = true;
    const rows = answer.rows.filter((row) => row.path !== "/");
    this.list.replaceChildren(...rows.map(command));
  }
}

function command(row) {
  const inputs = row.params.map((param) => [param, input(row, param)]);
  const path = row.path.slice(1);
  const address = () => url(path, Object.fromEntries(inputs.map(([param, field]) => [param.name, field.value])));
  const fields = inputs.map(([param, field]) => el("label", { title: param.help }, param.name, field));
  const output = el("pre", { class: "report", tabindex: "0", role: "status", hidden: true });
  const run = async (event) => {
    event.preventDefault();
    if (!row.changes) {
      window.open(address(), "_blank", "noreferrer");
      return;
    }
    if (!window.confirm(`POST ${address()}?\n\n${row.help}`)) return;
    const answer = await post(address());
    output.hidden = false;
    output.dataset.tone = answer.ok ? "" : "bad";
    setText(output, answer.text.slice(0, 20000));
  };
  const button = el("button", { class: row.changes ? "changes" : "" }, row.changes ? "POST" : "Open");
  const tags = row.own ? el("i", { class: "chip" }, "Nuncio’s own") : null;
  return el(
    "li",
    {},
    el("form", { onsubmit: run }, el("h3", {}, row.path, tags), button, el("p", {}, row.help), el("div", { class: "params" }, ...fields)),
    output,
  );
}

function input(row, param) {
  const id = `${row.path} ${param.name}`;
  if (param.values.length === 0) return el("input", { "data-id": id, autocomplete: "off", spellcheck: "false" });
  const values = ["", ...param.values.filter((value) => value !== "")];
  return el("select", { "data-id": id }, ...values.map((value) => el("option", { value }, value)));
}
