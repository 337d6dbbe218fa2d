// Asks for the stats that the form chooses, and shows first those whose values changed most often and last.
const form = document.forms[0];
const seen = new Map();
let round = 0;

function question() {
  const chosen = new FormData(form);
  const query = new URLSearchParams({format: 'json', histogram_buckets: 'summary'});
  for (const name of ['usedonly', 'filter', 'invert_filter', 'type']) {
    if (chosen.get(name)) {
      query.set(name, chosen.get(name));
    }
  }
  return '?' + query;
}

function* values(stats) {
  for (const stat of stats) {
    if (stat.histograms === undefined) {
      yield [stat.name, String(stat.value)];
      continue;
    }
    const quantiles = stat.histograms.supported_quantiles;
    for (const histogram of stat.histograms.computed_quantiles) {
      const shown = histogram.values.map((value, at) => `P${quantiles[at]}: ${value.cumulative}`);
      yield [histogram.name, shown.join(', ')];
    }
  }
}

function note(name, value) {
  const stat = seen.get(name);
  if (stat === undefined) {
    seen.set(name, {value, changes: 0, last: 0});
  } else if (stat.value !== value) {
    Object.assign(stat, {value, changes: stat.changes + 1, last: round});
  }
}

function show() {
  const limit = Number(document.getElementById('rows').value) || 50;
  const first = [...seen].sort(([, a], [, b]) => b.changes - a.changes || b.last - a.last).slice(0, limit);
  const rows = first.map(([name, stat]) => {
    const row = document.createElement('tr');
    for (const text of [name, stat.value, stat.changes]) {
      row.appendChild(document.createElement('td')).textContent = text;
    }
    return row;
  });
  document.getElementById('stats').replaceChildren(...rows);
}

async function ask() {
  const state = document.getElementById('state');
  try {
    const response = await fetch(question());
    if (!response.ok) {
      throw new Error(await response.text());
    }
    round += 1;
    for (const [name, value] of values((await response.json()).stats)) {
      note(name, value);
    }
    show();
    state.textContent = '';
  } catch (error) {
    state.textContent = error.message;
  }
  const seconds = Number(document.getElementById('interval').value) || 5;
  setTimeout(ask, 1000 * seconds);
}

ask();
