// A line of the last minutes: requests as an area, errors as a line over it.

import { svg } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;
const POINTS = 45;

/** An empty one. */
export function spark() {
  const area = svg("path", { class: "area" });
  const errors = svg("path", { class: "errors" });
  return svg(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    errors,
  );
}

/** Draws what `history` holds under two names. */
export function draw(element, history, total, failed) {
  const [area, errors] = element.children;
  const most = Math.max(1, ...history.map((rates) => rates[total] ?? 0));
  const line = (name) => history.map((rates, index) => point(history.length, index, (rates[name] ?? 0) / most));
  const totals = line(total);
  if (totals.length < 2) {
    area.setAttribute("d", "");
    errors.setAttribute("d", "");
    return;
  }
  const start = totals[0].split(",")[0];
  area.setAttribute("d", `M${start},${HEIGHT}L${totals.join("L")}L${WIDTH},${HEIGHT}Z`);
  const failing = history.some((rates) => (rates[failed] ?? 0) > 0);
  errors.setAttribute("d", failing ? `M${line(failed).join("L")}` : "");
}

function point(count, index, height) {
  const x = WIDTH - ((count - 1 - index) / (POINTS - 1)) * WIDTH;
  const y = HEIGHT - 2 - height * (HEIGHT - 4);
  return `${x.toFixed(1)},${y.toFixed(1)}`;
}
