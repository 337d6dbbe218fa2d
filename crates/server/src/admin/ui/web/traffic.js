// The live picture: listeners, the routes of one, clusters, the hosts of one.
//
// Of long lists a page is asked for and shown, so that ten thousand clusters cost no more than fifty.

import { json } from "./api.js";
import * as cards from "./cards.js";
import { el, settled, setText, svg, sync } from "./dom.js";
import { Meter, percent, perSecond, duration } from "./rates.js";
import { wire } from "./wires.js";

const PAGE = 25;
/** Routes change seldom: they are asked for again every so many looks. */
const ROUTES_EVERY = 10;
const MOST_METERS = 2000;

/** A column: heading, filter, cards, and a way through the pages. */
class Column {
  constructor(name, title, { filter, extra }) {
    this.name = name;
    this.rows = [];
    this.offset = 0;
    this.matching = 0;
    this.count = el("span", { class: "count" });
    this.filter = el("input", { type: "search", placeholder: filter, "aria-label": filter, class: "filter" });
    this.list = el("ul", { class: "cards", "aria-label": title });
    this.before = el("button", { type: "button", "aria-label": `${title} before` }, "‹");
    this.after = el("button", { type: "button", "aria-label": `more ${title.toLowerCase()}` }, "›");
    this.span = el("span", { class: "span" });
    this.pager = el("div", { class: "pager", hidden: true }, this.before, this.span, this.after);
    this.note = el("p", { class: "empty", hidden: true });
    this.element = el(
      "section",
      { class: "column", "data-column": name },
      el("h2", {}, title, this.count),
      el("div", { class: "controls" }, this.filter, extra),
      this.list,
      this.note,
      this.pager,
    );
  }

  query() {
    return { filter: this.filter.value, offset: this.offset, limit: PAGE };
  }

  show(answer, empty) {
    this.rows = answer.rows;
    this.matching = answer.matching;
    setText(this.count, answer.matching === answer.total ? answer.total : `${answer.matching} of ${answer.total}`);
    this.pager.hidden = answer.matching <= PAGE;
    this.before.disabled = this.offset === 0;
    this.after.disabled = this.offset + PAGE >= answer.matching;
    const last = Math.min(this.offset + PAGE, answer.matching);
    setText(this.span, `${this.offset + 1}–${last} of ${answer.matching}`);
    this.note.hidden = answer.rows.length > 0;
    setText(this.note, empty);
  }

  turn(pages) {
    this.offset = Math.max(0, this.offset + pages * PAGE);
  }
}

export class Traffic {
  #meter = new Meter();
  #looks = 0;
  #chosen = { listener: null, route: null, cluster: null };
  #routesOf = null;

  constructor(section) {
    this.sort = el(
      "select",
      { "aria-label": "Order of clusters", class: "sort" },
      el("option", { value: "name" }, "by name"),
      el("option", { value: "requests" }, "most requests"),
      el("option", { value: "errors" }, "most errors"),
      el("option", { value: "unhealthy" }, "most unhealthy"),
    );
    this.all = el("button", { type: "button", class: "clear", hidden: true }, "All clusters");
    this.columns = {
      listeners: new Column("listeners", "Listeners", { filter: "Filter listeners" }),
      routes: new Column("routes", "Routes", { filter: "Filter routes" }),
      clusters: new Column("clusters", "Clusters", { filter: "Filter clusters", extra: this.sort }),
      hosts: new Column("hosts", "Hosts", { filter: "Filter hosts" }),
    };
    this.columns.clusters.element.insertBefore(this.all, this.columns.clusters.list);
    this.layer = svg("svg", { class: "wires", "aria-hidden": "true" });
    const parts = Object.values(this.columns).map((column) => column.element);
    this.flow = el("div", { class: "flow" }, this.layer, ...parts);
    section.append(this.flow);
    this.#listen();
  }

  #listen() {
    for (const column of Object.values(this.columns)) {
      const again = settled(() => this.refresh({ routes: true }));
      column.filter.addEventListener("input", () => {
        column.offset = 0;
        again();
      });
      column.before.addEventListener("click", () => this.#turn(column, -1));
      column.after.addEventListener("click", () => this.#turn(column, 1));
      column.list.addEventListener("click", (event) => this.#choose(column.name, event.target.closest("li")));
      column.list.addEventListener("scroll", () => this.#wires(), { passive: true });
    }
    this.sort.addEventListener("change", () => {
      this.columns.clusters.offset = 0;
      this.refresh();
    });
    this.all.addEventListener("click", () => this.release());
    new ResizeObserver(() => this.#wires()).observe(this.flow);
  }

  #turn(column, pages) {
    column.turn(pages);
    column.list.scrollTop = 0;
    this.refresh({ routes: true });
  }

  #choose(column, item) {
    if (!item) return;
    const key = item.dataset.key;
    if (column === "listeners") {
      this.#chosen = { listener: key, route: null, cluster: this.#chosen.cluster };
      this.columns.routes.offset = 0;
    } else if (column === "routes") {
      this.#chosen.route = this.#chosen.route === key ? null : key;
      this.#chosen.cluster = null;
      this.columns.clusters.offset = 0;
    } else if (column === "clusters") {
      this.#chosen.cluster = key;
      this.columns.hosts.offset = 0;
    } else {
      return;
    }
    this.refresh({ routes: column === "listeners" });
  }

  /** All clusters again; whether there was anything to release. */
  release() {
    if (this.#chosen.route === null) return false;
    this.#chosen.route = null;
    this.refresh();
    return true;
  }

  /** Asks for all that is shown, one question after the other, so that the admin has one of ours at a time. */
  async refresh({ routes = false } = {}) {
    const wantsRoutes = routes || this.#looks % ROUTES_EVERY === 0;
    this.#looks += 1;
    const turn = (this.turn = Symbol("turn"));
    const isOld = () => this.turn !== turn;
    const listeners = await json("ui/listeners", this.columns.listeners.query());
    if (isOld()) return null;
    this.#showListeners(listeners);
    if (wantsRoutes || this.#routesOf !== this.#chosen.listener) {
      if (!(await this.#askRoutes(isOld))) return null;
    }
    const clusters = await json("ui/clusters", this.#clusterQuery());
    if (isOld()) return null;
    this.#showClusters(clusters);
    if (!(await this.#askHosts(isOld))) return null;
    this.#meter.trim(MOST_METERS);
    this.#mark();
    this.#wires();
    return this.#totals(listeners);
  }

  async #askRoutes(isOld) {
    const listener = this.#chosen.listener;
    const column = this.columns.routes;
    if (listener === null) {
      column.show({ rows: [], matching: 0, total: 0 }, "No listener, no routes.");
      sync(column.list, [], () => "", cards.createRoute, cards.updateRoute);
      return true;
    }
    const answer = await json("ui/routes", { listener, ...column.query() });
    if (isOld()) return false;
    this.#routesOf = listener;
    column.show(answer, column.filter.value ? "No route matches." : "This listener has no routes.");
    sync(column.list, answer.rows, routeKey, cards.createRoute, cards.updateRoute);
    return true;
  }

  #clusterQuery() {
    const route = this.columns.routes.rows.find((row) => routeKey(row) === this.#chosen.route);
    const name = route?.clusters.map((cluster) => cluster.name) ?? [];
    this.all.hidden = name.length === 0;
    return { ...this.columns.clusters.query(), sort: this.sort.value, name };
  }

  async #askHosts(isOld) {
    const column = this.columns.hosts;
    const cluster = this.#chosen.cluster;
    if (cluster === null) {
      column.show({ rows: [], matching: 0, total: 0 }, "No cluster, no hosts.");
      sync(column.list, [], () => "", cards.createHost, cards.updateHost);
      return true;
    }
    let answer;
    try {
      answer = await json("ui/hosts", { cluster, ...column.query() });
    } catch {
      // The cluster went away in between.
      answer = { rows: [], matching: 0, total: 0, at_ms: 0 };
    }
    if (isOld()) return false;
    column.show(answer, `${cluster} has no hosts${column.filter.value ? " like that" : ""}.`);
    const key = (row) => `${row.priority} ${row.address} ${row.hostname}`;
    const update = (element, row) => {
      const counters = pick(row, ["rq_total", "rq_error"]);
      cards.updateHost(element, row, this.#meter.observe(`host ${cluster} ${key(row)}`, answer.at_ms, counters));
    };
    sync(column.list, answer.rows, key, cards.createHost, update);
    return true;
  }

  #showListeners(answer) {
    const column = this.columns.listeners;
    const names = answer.rows.map((row) => row.name);
    if (!names.includes(this.#chosen.listener)) {
      this.#chosen.listener = names[0] ?? null;
      this.#chosen.route = null;
    }
    column.show(answer, column.filter.value ? "No listener matches." : "There are no listeners.");
    const update = (element, row) => {
      const counters = pick(row, ["rq_total", "rq_5xx", "cx_total"]);
      cards.updateListener(element, row, this.#meter.observe(`listener ${row.name}`, answer.at_ms, counters));
    };
    sync(column.list, answer.rows, (row) => row.name, cards.createListener, update);
  }

  #showClusters(answer) {
    const column = this.columns.clusters;
    const names = answer.rows.map((row) => row.name);
    if (!names.includes(this.#chosen.cluster)) this.#chosen.cluster = names[0] ?? null;
    column.show(answer, column.filter.value ? "No cluster matches." : "There are no clusters.");
    const update = (element, row) => {
      const counters = pick(row, ["rq_total", "rq_5xx", "rq_timeout", "rq_retry", "cx_connect_fail"]);
      cards.updateCluster(element, row, this.#meter.observe(`cluster ${row.name}`, answer.at_ms, counters));
    };
    sync(column.list, answer.rows, (row) => row.name, cards.createCluster, update);
  }

  #mark() {
    const { listener, route, cluster } = this.#chosen;
    const chosen = { listeners: listener, routes: route, clusters: cluster };
    for (const [name, key] of Object.entries(chosen)) {
      for (const item of this.columns[name].list.children) {
        item.firstElementChild.setAttribute("aria-pressed", String(item.dataset.key === key));
      }
    }
  }

  #wires() {
    if (this.flow.offsetParent === null) return;
    const cardOf = (name, key) => {
      const items = [...this.columns[name].list.children];
      return items.find((item) => item.dataset.key === key)?.firstElementChild ?? null;
    };
    const links = [];
    const link = (from, to, kind, weight) => from && to && links.push({ from, to, kind, weight });
    const listener = cardOf("listeners", this.#chosen.listener);
    for (const row of this.columns.routes.rows) {
      const key = routeKey(row);
      const card = cardOf("routes", key);
      const isChosen = key === this.#chosen.route;
      link(listener, card, isChosen ? "chosen" : "quiet", isChosen ? 2 : 1);
      for (const { name } of row.clusters) {
        const near = isChosen || (this.#chosen.route === null && name === this.#chosen.cluster);
        link(card, cardOf("clusters", name), near ? "chosen" : "quiet", near ? 2 : 1);
      }
    }
    const cluster = cardOf("clusters", this.#chosen.cluster);
    for (const item of this.columns.hosts.list.children) {
      const bad = item.firstElementChild.dataset.tone === "bad";
      link(cluster, item.firstElementChild, bad ? "bad" : "chosen", 1.5);
    }
    wire(this.flow, this.layer, links);
  }

  /** What all listeners on the page do together. */
  #totals(answer) {
    const sum = { rq_total: 0, rq_5xx: 0 };
    let isKnown = false;
    const counted = new Set();
    let p99 = null;
    for (const row of answer.rows) {
      if (row.time_ms?.recent?.samples) p99 = Math.max(p99 ?? 0, row.time_ms.recent.p99);
      // Listeners with one prefix count together.
      if (!row.stat_prefix || counted.has(row.stat_prefix)) continue;
      counted.add(row.stat_prefix);
      const { rates } = this.#meter.observe(`listener ${row.name}`, answer.at_ms, pick(row, ["rq_total", "rq_5xx", "cx_total"]));
      if (rates === null) continue;
      isKnown = true;
      sum.rq_total += rates.rq_total;
      sum.rq_5xx += rates.rq_5xx;
    }
    return {
      requests: isKnown ? perSecond(sum.rq_total) : "–",
      errors: isKnown ? percent(sum.rq_5xx, sum.rq_total) : "–",
      p99: duration(p99),
    };
  }

  /** Moves the focus among the cards; whether it did. */
  move(key) {
    const item = document.activeElement?.closest(".cards > li");
    const columns = Object.values(this.columns);
    if (!item) {
      if (document.activeElement !== document.body) return false;
      return focus(columns[0].list.firstElementChild);
    }
    if (key === "ArrowDown") return focus(item.nextElementSibling);
    if (key === "ArrowUp") return focus(item.previousElementSibling);
    const here = columns.findIndex((column) => column.list === item.parentElement);
    const there = columns[here + (key === "ArrowRight" ? 1 : -1)];
    if (!there) return false;
    const chosen = there.list.querySelector('[aria-pressed="true"]')?.parentElement;
    return focus(chosen ?? there.list.firstElementChild);
  }
}

function focus(item) {
  if (!item) return false;
  item.firstElementChild.focus();
  item.scrollIntoView({ block: "nearest" });
  return true;
}

function routeKey(row) {
  return `${row.host} ${row.index}`;
}

function pick(row, names) {
  return Object.fromEntries(names.map((name) => [name, row[name] ?? 0]));
}
