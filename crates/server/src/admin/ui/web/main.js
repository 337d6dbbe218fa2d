// Views, keys, theme, and the beat in which all is asked for again.

import { json, text } from "./api.js";
import { Commands } from "./commands.js";
import { Config } from "./config.js";
import { el, setText, sync } from "./dom.js";
import { Explain } from "./explain.js";
import { Logging } from "./logging.js";
import { uptime } from "./rates.js";
import { Traffic } from "./traffic.js";

const BEAT_MS = 2000;
/** Version and memory are asked for every so many beats. */
const FACTS_EVERY = 5;

const byId = (id) => document.getElementById(id);
const traffic = new Traffic(byId("traffic"));
const views = {
  traffic: { show: () => beat() },
  config: new Config(byId("config")),
  explain: new Explain(byId("explain")),
  logging: new Logging(byId("logging")),
  commands: new Commands(byId("commands")),
};
const names = Object.keys(views);
let current = "";
let isPaused = false;
let beats = 0;
let facts = {};

function open(name) {
  if (!(name in views) || name === current) return;
  current = name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isOpen = tab.dataset.view === name;
    tab.setAttribute("aria-selected", String(isOpen));
    tab.tabIndex = isOpen ? 0 : -1;
    byId(tab.dataset.view).hidden = !isOpen;
  }
  if (location.hash !== `#${name}`) history.replaceState(null, "", `#${name}`);
  views[name].show?.()?.catch?.(fail);
}

function fail(error) {
  const box = byId("trouble");
  box.hidden = false;
  setText(box, `The admin does not answer: ${error.message}. The page goes on trying.`);
}

async function beat() {
  try {
    const ready = await text("ready");
    const state = byId("state");
    setText(state, ready.text.trim());
    state.dataset.tone = ready.ok ? "good" : "bad";
    if (beats % FACTS_EVERY === 0) {
      const [server, memory] = [await json("server_info"), await json("memory")];
      facts = {
        version: server.version.split("/")[1],
        node: server.node.id,
        up: uptime(Number.parseInt(server.uptime_current_epoch, 10)),
        memory: `${Math.round(Number(memory.total_physical_bytes) / 1048576)} MiB`,
      };
    }
    beats += 1;
    if (current === "traffic") {
      const totals = await traffic.refresh();
      if (totals) facts = { ...facts, ...totals };
    }
    showFacts();
    byId("trouble").hidden = true;
  } catch (error) {
    byId("state").dataset.tone = "bad";
    fail(error);
  }
}

const FACTS = [
  ["requests", "requests"], ["errors", "errors"], ["p99", "p99"],
  ["up", "up"], ["memory", "memory"], ["version", "version"], ["node", "node"],
];

function showFacts() {
  const rows = FACTS.filter(([key]) => facts[key]).map(([key, label]) => ({ key, label, value: facts[key] }));
  const create = () => el("span", { class: "fact" }, el("b", {}), el("small", {}));
  const update = (element, row) => {
    element.classList.add(row.key);
    setText(element.firstElementChild, row.value);
    setText(element.lastElementChild, row.label);
  };
  sync(byId("facts"), rows, (row) => row.key, create, update);
}

async function live() {
  for (;;) {
    if (!isPaused && !document.hidden) await beat();
    await new Promise((resolve) => setTimeout(resolve, BEAT_MS));
  }
}

function pause() {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  setText(byId("pause"), isPaused ? "Go on" : "Pause");
}

function theme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // It holds for this visit.
  }
}

function nextFilter() {
  const fields = [...byId(current).querySelectorAll(".filter")].filter((field) => field.offsetParent !== null);
  const next = fields[(fields.indexOf(document.activeElement) + 1) % fields.length];
  next?.focus();
  next?.select();
}

const isTyping = (target) => target.closest("input, textarea, select") !== null;

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("shortcuts").open) return;
  if (event.key === "Escape") {
    if (isTyping(event.target)) event.target.blur();
    else traffic.release();
    return;
  }
  if (isTyping(event.target)) return;
  const number = Number.parseInt(event.key, 10);
  const acts = { "/": nextFilter, "?": () => byId("shortcuts").showModal(), p: pause, t: theme };
  if (number >= 1 && number <= names.length) open(names[number - 1]);
  else if (acts[event.key]) acts[event.key]();
  else if (event.key.startsWith("Arrow") && event.target.role !== "tab" && current === "traffic") {
    if (!traffic.move(event.key)) return;
  } else return;
  event.preventDefault();
}

function tabKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = names[(names.indexOf(current) + step + names.length) % names.length];
  open(next);
  byId(`tab-${next}`).focus();
  event.preventDefault();
}

document.addEventListener("keydown", key);
document.querySelector(".tabs").addEventListener("keydown", tabKey);
document.querySelector(".tabs").addEventListener("click", (event) => open(event.target.closest("[role=tab]")?.dataset.view));
byId("pause").addEventListener("click", pause);
byId("theme").addEventListener("click", theme);
byId("keys").addEventListener("click", () => byId("shortcuts").showModal());
window.addEventListener("hashchange", () => open(location.hash.slice(1)));
open(names.includes(location.hash.slice(1)) ? location.hash.slice(1) : "traffic");
live();
