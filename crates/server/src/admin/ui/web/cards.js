// The cards of the four columns: each is made once and then only updated.

import { el, setText } from "./dom.js";
import { count, duration, percent, perSecond, things } from "./rates.js";
import { draw, spark } from "./spark.js";

function card(title, ...parts) {
  const button = el("button", { type: "button", class: "card" }, title, ...parts);
  return el("li", {}, button);
}

function figures(...names) {
  const cells = names.map(([name, label]) =>
    el("span", { class: "figure", "data-figure": name }, el("b", {}, "–"), el("small", {}, label)),
  );
  return el("span", { class: "figures" }, ...cells);
}

function figure(element, name, text, tone = "") {
  const cell = element.querySelector(`[data-figure="${name}"]`);
  setText(cell.firstElementChild, text);
  cell.dataset.tone = tone;
}

function part(element, name) {
  return element.querySelector(`.${name}`);
}

/** A tone for a share of errors. */
function tone(part, whole) {
  if (!whole || !part) return "";
  return part / whole >= 0.05 ? "bad" : "poor";
}

const times = (row) => (row.time_ms?.recent?.samples ? row.time_ms.recent : {});

function showTimes(element, row) {
  const recent = times(row);
  figure(element, "p50", duration(recent.p50));
  figure(element, "p99", duration(recent.p99));
  const all = row.time_ms?.all;
  const cell = element.querySelector('[data-figure="p99"]');
  cell.title = all?.samples ? `since the start: p50 ${duration(all.p50)}, p99 ${duration(all.p99)}` : "";
}

const TRAFFIC = [["rate", "requests"], ["errors", "errors"], ["p50", "p50"], ["p99", "p99"]];

export function createListener(row) {
  return card(
    el("span", { class: "name" }, row.name),
    el("span", { class: "sub" }),
    spark(),
    figures(...TRAFFIC),
    el("span", { class: "notes" }),
  );
}

export function updateListener(element, row, seen) {
  const direction = row.direction ? `, ${row.direction}` : "";
  setText(part(element, "sub"), `${row.address}${direction}`);
  const rates = seen.rates;
  figure(element, "rate", perSecond(rates?.rq_total));
  const failed = rates ? rates.rq_5xx : 0;
  figure(element, "errors", rates ? percent(failed, rates.rq_total) : "–", tone(failed, rates?.rq_total));
  showTimes(element, row);
  draw(part(element, "spark"), seen.history, "rq_total", "rq_5xx");
  const notes = [things(row.routes ?? 0, "route"), things(row.cx_active ?? 0, "connection")];
  if (row.rq_active) notes.push(`${count(row.rq_active)} under way`);
  setText(part(element, "notes"), notes.join(" · "));
}

export function createRoute() {
  return card(
    el("span", { class: "name mono" }),
    el("span", { class: "sub" }),
    el("span", { class: "chips" }),
    el("span", { class: "target" }),
  );
}

const MATCHES = {
  prefix: "prefix", path: "exact", path_separated_prefix: "path prefix", safe_regex: "regex",
  connect_matcher: "CONNECT", path_match_policy: "template",
};

export function updateRoute(element, row) {
  setText(part(element, "name"), row.path || (MATCHES[row.match] ?? "any"));
  const more = row.domain_count > row.domains.length ? ` and ${row.domain_count - row.domains.length} more` : "";
  setText(part(element, "sub"), `${row.host} · ${row.domains.join(", ")}${more}`);
  const chips = [MATCHES[row.match], row.name && `“${row.name}”`, ...row.conditions].filter(Boolean);
  part(element, "chips").replaceChildren(...chips.map((chip) => el("i", { class: "chip" }, chip)));
  setText(part(element, "target"), target(row));
}

function target(row) {
  if (row.clusters.length === 0) return row.action;
  const named = row.clusters.map((cluster) =>
    cluster.weight === undefined ? cluster.name : `${cluster.name} (${cluster.weight})`,
  );
  const more = row.cluster_count > named.length ? ` and ${row.cluster_count - named.length} more` : "";
  return `→ ${named.join(", ")}${more}`;
}

export function createCluster(row) {
  return card(
    el("span", { class: "name" }, row.name),
    el("span", { class: "sub" }),
    el("span", { class: "health" }, el("span", { class: "fill" })),
    spark(),
    figures(...TRAFFIC),
    el("span", { class: "notes" }),
  );
}

/** Failures of a cluster: its hosts' 5xx, what timed out, and what reached no host. */
export function clusterFailures(rates) {
  return rates.rq_5xx + rates.rq_timeout;
}

export function updateCluster(element, row, seen) {
  const hosts = things(row.hosts, "host");
  const state = row.hosts === 0 ? "no hosts" : row.healthy === row.hosts ? `${hosts}, healthy` : `${row.healthy} of ${hosts} healthy`;
  setText(part(element, "sub"), state);
  const bar = part(element, "health");
  bar.dataset.tone = row.healthy === row.hosts && row.hosts > 0 ? "good" : row.usable > 0 ? "poor" : "bad";
  part(element, "fill").style.width = `${row.hosts ? (row.healthy / row.hosts) * 100 : 0}%`;
  const rates = seen.rates;
  figure(element, "rate", perSecond(rates?.rq_total));
  const failed = rates ? clusterFailures(rates) : 0;
  figure(element, "errors", rates ? percent(failed, rates.rq_total) : "–", tone(failed, rates?.rq_total));
  showTimes(element, row);
  const history = seen.history.map((one) => ({ ...one, failed: clusterFailures(one) }));
  draw(part(element, "spark"), history, "rq_total", "failed");
  const notes = [things(row.cx_active, "connection")];
  if (row.rq_active) notes.push(`${count(row.rq_active)} under way`);
  if (row.rq_pending) notes.push(`${count(row.rq_pending)} waiting`);
  if (rates?.cx_connect_fail) notes.push(`${perSecond(rates.cx_connect_fail)} failed connects`);
  if (rates?.rq_retry) notes.push(`${perSecond(rates.rq_retry)} retries`);
  if (row.cx_open || row.rq_open || row.pending_open) notes.push("circuit breaker open");
  setText(part(element, "notes"), notes.join(" · "));
}

export function createHost(row) {
  return card(
    el("span", { class: "name mono" }, row.address),
    el("span", { class: "sub" }),
    spark(),
    figures(["rate", "requests"], ["errors", "errors"], ["active", "under way"], ["connections", "open"]),
    el("span", { class: "notes" }),
  );
}

export function updateHost(element, row, seen) {
  const healthy = row.health === "healthy";
  const parts = [row.hostname, healthy ? "healthy" : row.health.slice(1).replaceAll("/", ", ").replaceAll("_", " ")];
  const sub = part(element, "sub");
  setText(sub, parts.filter(Boolean).join(" · "));
  element.firstElementChild.dataset.tone = healthy ? "" : "bad";
  const rates = seen.rates;
  figure(element, "rate", perSecond(rates?.rq_total));
  figure(element, "errors", rates ? percent(rates.rq_error, rates.rq_total) : "–", tone(rates?.rq_error, rates?.rq_total));
  figure(element, "active", count(row.rq_active));
  figure(element, "connections", count(row.cx_active));
  draw(part(element, "spark"), seen.history, "rq_total", "rq_error");
  const notes = [];
  if (row.weight !== 1) notes.push(`weight ${row.weight}`);
  if (row.priority) notes.push(`priority ${row.priority}`);
  if (row.place) notes.push(row.place);
  if (row.canary) notes.push("canary");
  if (row.cx_connect_fail) notes.push(`${count(row.cx_connect_fail)} failed connects`);
  setText(part(element, "notes"), notes.join(" · "));
}
