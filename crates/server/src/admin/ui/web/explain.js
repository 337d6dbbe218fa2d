// The form of /explain: which way a request would take, and why.

import { json, text } from "./api.js";
import { el, setText } from "./dom.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"];

export class Explain {
  #isFilled = false;

  constructor(section) {
    this.method = el("select", { id: "explain-method" }, ...METHODS.map((method) => el("option", {}, method)));
    this.address = el("input", { id: "explain-url", class: "filter", required: true, placeholder: "http://example.com/path", autocomplete: "off", spellcheck: "false" });
    this.headers = el("textarea", { id: "explain-headers", rows: "3", placeholder: "name: value, one a line", spellcheck: "false" });
    this.listener = el("select", { id: "explain-listener" }, el("option", { value: "" }, "by the URL's port"));
    this.source = el("input", { id: "explain-source", placeholder: "192.0.2.1", autocomplete: "off" });
    this.random = el("input", { id: "explain-random", inputmode: "numeric", placeholder: "0", autocomplete: "off" });
    this.tls = el("input", { type: "checkbox", id: "explain-tls" });
    this.all = el("input", { type: "checkbox", id: "explain-all" });
    this.output = el("pre", { class: "report", tabindex: "0", "aria-live": "polite", hidden: true });
    section.append(
      el(
        "form",
        { class: "form", onsubmit: (event) => this.#submit(event) },
        el("label", {}, "Method", this.method),
        el("label", { class: "wide" }, "URL", this.address),
        el("label", { class: "wide" }, "Headers", this.headers),
        el("label", {}, "Listener", this.listener),
        el("label", {}, "Client's address", this.source),
        el("label", {}, "Draws by chance", this.random),
        el("label", { class: "check" }, this.tls, "over TLS"),
        el("label", { class: "check" }, this.all, "all routes"),
        el("button", {}, "Explain"),
      ),
      el("p", { class: "status" }, "Nothing is sent to anybody: the request is only followed through what runs."),
      this.output,
    );
  }

  async show() {
    if (this.#isFilled) return;
    this.#isFilled = true;
    const answer = await json("ui/listeners", { limit: 500 });
    this.listener.append(...answer.rows.map((row) => el("option", { value: row.name }, row.name)));
    if (this.address.value === "" && answer.rows.length > 0) this.address.value = `http://${answer.rows[0].address}/`;
  }

  async #submit(event) {
    event.preventDefault();
    const header = this.headers.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const answer = await text("explain", {
      method: this.method.value,
      url: this.address.value,
      header,
      listener: this.listener.value,
      source: this.source.value,
      random: this.random.value,
      tls: this.tls.checked,
      all: this.all.checked,
    });
    this.output.hidden = false;
    this.output.dataset.tone = answer.ok ? "" : "bad";
    setText(this.output, answer.text);
  }
}
