// The lines between columns: from a listener to its routes, from routes to clusters, from a cluster to its hosts.

import { svg } from "./dom.js";

/** Draws `links` (pairs of elements and a class) over `flow`, where its columns stand side by side. */
export function wire(flow, layer, links) {
  const frame = flow.getBoundingClientRect();
  layer.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  const paths = links.map((link) => path(frame, link)).filter((one) => one !== null);
  layer.replaceChildren(...paths);
}

function path(frame, { from, to, kind, weight }) {
  const start = port(from, "right");
  const end = port(to, "left");
  // In one column, or out of sight.
  if (start === null || end === null || end.x <= start.x) return null;
  const [x0, y0, x1, y1] = [start.x - frame.x, start.y - frame.y, end.x - frame.x, end.y - frame.y];
  const bend = (x1 - x0) / 2;
  const d = `M${x0},${y0}C${x0 + bend},${y0} ${x1 - bend},${y1} ${x1},${y1}`;
  return svg("path", { d, class: `wire ${kind}`, "stroke-width": weight });
}

function port(card, side) {
  const box = card.getBoundingClientRect();
  const list = card.closest(".cards").getBoundingClientRect();
  const y = box.top + Math.min(box.height / 2, 28);
  if (y < list.top || y > list.bottom) return null;
  return { x: side === "right" ? box.right : box.left, y };
}
