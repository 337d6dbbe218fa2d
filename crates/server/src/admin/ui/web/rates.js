// From counters to rates: what grew between two looks, and how that went lately.

const KEPT = 60;

/** Remembers counters by key. */
export class Meter {
  #seen = new Map();

  /** Rates a second of `counters`, read at `atMs`; `null` at the first look. */
  observe(key, atMs, counters) {
    const last = this.#seen.get(key);
    const entry = { atMs, counters, history: last?.history ?? [], rates: last?.rates ?? null };
    this.#seen.delete(key);
    this.#seen.set(key, entry);
    if (!last) return entry;
    const seconds = (atMs - last.atMs) / 1000;
    if (seconds < 0.2) {
      // Nothing can be said of so short a time: the earlier look stays the one to compare with.
      this.#seen.set(key, last);
      return last;
    }
    const rates = {};
    for (const [name, value] of Object.entries(counters)) {
      // A counter that went back was reset.
      rates[name] = Math.max(0, value - (last.counters[name] ?? value)) / seconds;
    }
    entry.rates = rates;
    entry.history = [...entry.history, rates].slice(-KEPT);
    return entry;
  }

  /** Forgets the oldest, if there are more than `most`. */
  trim(most) {
    for (const key of this.#seen.keys()) {
      if (this.#seen.size <= most) return;
      this.#seen.delete(key);
    }
  }
}

/** `1234.5` as `1.2k`. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  for (const [limit, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (value >= limit) return `${round(value / (unit === "k" ? 1e3 : limit))}${unit}`;
  }
  return round(value);
}

function round(value) {
  if (value === 0) return "0";
  if (value < 10) return value.toFixed(1);
  return Math.round(value).toString();
}

/** A whole number. */
export function count(value) {
  return value >= 1e4 ? short(value) : String(value ?? 0);
}

/** A number of things by their name in the singular. */
export function things(value, name) {
  return value === 1 ? `1 ${name}` : `${count(value)} ${name}s`;
}

/** A rate. */
export function perSecond(value) {
  return value === null || value === undefined ? "–" : `${short(value)}/s`;
}

/** A share of a whole. */
export function percent(part, whole) {
  if (!whole) return "–";
  const share = (part / whole) * 100;
  if (share === 0) return "0%";
  return share < 0.1 ? "<0.1%" : `${share < 10 ? share.toFixed(1) : Math.round(share)}%`;
}

/** Milliseconds. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 10000) return `${Math.round(ms / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** Seconds of uptime. */
export function uptime(seconds) {
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor((seconds % 86400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
