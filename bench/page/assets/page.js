// Draws a run's figures. uPlot is in scope; the figures are in #data, as package page writes them.
(() => {
"use strict";

const doc = JSON.parse(document.getElementById("data").textContent);
const report = doc.report;
const byId = id => document.getElementById(id);

// ---- texts ----

const whole = new Intl.NumberFormat("en-US", {maximumFractionDigits: 0});
const number = v => v == null ? "–"
  : Math.abs(v) >= 1000 ? whole.format(v)
  : Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 10 ? v.toFixed(1) : Math.abs(v) >= 0.1 || v === 0 ? v.toFixed(2) : v.toPrecision(2);
const short = v => v == null ? "" : v >= 1e6 ? trim(v / 1e6) + " M" : v >= 1e3 ? trim(v / 1e3) + " k" : trim(v);
const trim = v => String(Number(v.toPrecision(3)));
const countOf = v => v == null ? null : whole.format(v);
const count = (n, one, many) => n === 1 ? "1 " + one : whole.format(n) + " " + many;

function element(name, text, className) {
  const e = document.createElement(name);
  if (text != null) e.textContent = text;
  if (className) e.className = className;
  return e;
}

function tile(label, value, unit, bad) {
  if (value == null) return;
  const t = element("div", null, bad ? "tile bad" : "tile");
  const b = element("b", typeof value === "number" ? number(value) : value);
  if (unit) b.append(" ", element("small", unit));
  t.append(b, element("span", label));
  byId("tiles").append(t);
}

function header() {
  byId("work").textContent = report.work;
  const consumed = report.deliveries_per_event > 0;
  byId("setup").textContent = [
    `${report.shape} events of ${whole.format(report.event_bytes)} bytes`,
    count(report.nodes, "node", "nodes"),
    report.topics > 1 ? count(report.topics, "topic", "topics") : "",
    count(report.partitions, "partition", "partitions"),
    report.subscriptions > 1 ? count(report.subscriptions, "subscription", "subscriptions") : "",
    count(report.producers, "producer", "producers"),
    consumed ? count(report.consumers, "consumer", "consumers") : "",
    report.offered_per_s ? `${whole.format(report.offered_per_s)}/s offered` : "full speed",
    `${report.duration_s.toFixed(1)} s`,
  ].filter(Boolean).join(" · ");
  const verdict = byId("verdict");
  verdict.textContent = report.ok ? "every event accounted for" : "something is wrong";
  verdict.classList.toggle("bad", !report.ok);

  tile("published", report.published_per_s, "/s");
  if (consumed) {
    tile("delivered", report.delivered_per_s, "/s");
    tile("acked", report.acked_per_s, "/s");
  }
  const latency = consumed ? report.latency_ms : report.publish_ms;
  tile(consumed ? "p50 to the handler" : "p50 of publishing", latency.p50, "ms");
  tile("p99", latency.p99, "ms");
  tile("p99.9", latency.p999, "ms");
  tile("nodes, an event", report.cpu_s_per_million_nodes, "µs CPU");
  tile("load, an event", report.cpu_s_per_million_load, "µs CPU");
  tile("to disk, byte and node", report.disk_bytes_per_payload_byte, "bytes");
  tile("syncs, a node", report.syncs_per_s, "/s");
  tile("memory, largest node", report.rss_mb_max_node, "MiB");
  tile("sent", countOf(report.sent), "");
  tile("lost", countOf(report.lost), "", report.lost > 0);
  tile("repeated", countOf(report.repeated), "", report.repeated > 0 && !report.strike);
  tile("out of order", countOf(report.out_of_order), "");
  if (report.errors > 0) tile("errors", countOf(report.errors), "", true);

  const at = report.bottleneck.search(/[:;]/);
  const box = byId("bottleneck");
  box.append(element("b", at < 0 ? report.bottleneck : report.bottleneck.slice(0, at)));
  if (at >= 0) {
    const list = element("ul");
    for (const part of report.bottleneck.slice(at + 1).split(";")) list.append(element("li", part.trim()));
    box.append(list);
  }
  if (report.stage_ms) {
    const most = Math.max(...Object.values(report.stage_ms));
    for (const name of ["admit", "wait", "match", "propose", "sync", "commit", "apply", "deliver", "ack"]) {
      const ms = report.stage_ms[name];
      if (ms == null) continue;
      const row = element("div", null, "stage");
      const bar = element("i");
      bar.style.width = Math.max(100 * ms / most, .5) + "%";
      const track = element("span", null, "track");
      track.append(bar);
      row.append(element("span", name), track, element("span", number(ms), "ms"));
      byId("stages").append(row);
    }
  } else byId("stages").append(element("div", "not known of this run", "empty"));
  if (report.faults) {
    const list = element("ul");
    for (const fault of report.faults) list.append(element("li", fault));
    byId("faults").append(element("h2", "What is wrong"), list);
    byId("faults").hidden = false;
  }
  if (report.strike) {
    const s = report.strike;
    byId("strike").append(element("h2", `${s.node} was ${s.what}`), element("p",
      `After ${s.at_s.toFixed(1)} s, when it led ${count(s.partitions_led, "partition", "partitions")}. On these nothing was published for `
      + `${number(s.publish_gap_ms)} ms and nothing delivered for ${number(s.delivery_gap_ms)} ms; on the others ${number(s.publish_gap_others_ms)} and `
      + `${number(s.delivery_gap_others_ms)} ms. Others led them after ${number(s.succession_ms)} ms, and it served again after ${number(s.away_ms)} ms. `
      + `${count(s.repeated, "event", "events")} came twice.`));
    byId("strike").hidden = false;
  }
  for (const [name, value] of flat(report, "")) {
    const row = element("tr");
    row.append(element("td", name), element("td", value == null ? "unknown" : typeof value === "number" ? String(Number(value.toPrecision(7))) : String(value)));
    byId("figures").append(row);
  }
  byId("footer").textContent = `Began ${new Date(doc.began).toLocaleString()}. Shaded: warm-up and drain, which are checked and not in the figures.`;
}

function* flat(object, within) {
  for (const [name, value] of Object.entries(object)) {
    if (value && typeof value === "object" && !Array.isArray(value)) yield* flat(value, within + name + ".");
    else yield [within + name, Array.isArray(value) ? value.join("; ") : value];
  }
}

// ---- charts ----

const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const charts = [];

// measured is from when to when it was measured, in seconds.
const measured = (() => {
  const first = doc.phase.indexOf("measured"), last = doc.phase.lastIndexOf("measured");
  return first < 0 ? null : [doc.begin[first], doc.end[last]];
})();

// phases shades what isn't measured, and marks the strike.
const phases = {
  hooks: {
    drawClear: u => {
      if (!measured) return;
      const {left, top, width, height} = u.bbox, ctx = u.ctx;
      const x = v => Math.min(Math.max(u.valToPos(v, "x", true), left), left + width);
      ctx.save();
      ctx.fillStyle = colour("shade");
      ctx.fillRect(left, top, x(measured[0]) - left, height);
      ctx.fillRect(x(measured[1]), top, left + width - x(measured[1]), height);
      ctx.restore();
    },
    draw: u => {
      if (!measured || !report.strike) return;
      const at = Math.round(u.valToPos(measured[0] + report.strike.at_s, "x", true));
      const {top, height} = u.bbox, ctx = u.ctx;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = colour("mark");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.beginPath(); ctx.moveTo(at, top); ctx.lineTo(at, top + height); ctx.stroke();
      ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textBaseline = "top";
      ctx.textAlign = "left";
      ctx.fillText(`${report.strike.node} ${report.strike.what}`, at + 6 * devicePixelRatio, top + 4 * devicePixelRatio);
      ctx.restore();
    },
  },
};

const axis = more => ({
  stroke: () => colour("soft"), font, grid: {stroke: () => colour("grid"), width: 1}, ticks: {stroke: () => colour("grid"), width: 1, size: 4}, ...more,
});
const seconds = axis({size: 30, values: (u, ticks) => ticks.map(v => trim(v) + " s")});
const amounts = axis({size: 62, values: (u, ticks) => ticks.map(v => v == null ? "" : short(v))});

function line(label, token, more) {
  return {label, stroke: () => colour(token), width: 2, points: {show: false}, value: (u, v) => number(v), spanGaps: false, ...more};
}

function chart(id, height, data, series, more) {
  const box = byId(id);
  if (!data[0].length || data.slice(1).every(column => column.every(v => v == null))) {
    box.append(element("div", "not known of this run", "empty"));
    return;
  }
  const options = {
    width: box.clientWidth, height, plugins: [phases], cursor: {points: {size: 7}, drag: {x: true, y: false}},
    scales: {x: {time: false}}, axes: [seconds, amounts], legend: {live: true, markers: {fill: (u, i) => u.series[i].stroke(u, i), width: 0}}, ...more,
    series: [{label: "at", value: (u, v) => v == null ? "–" : v.toFixed(2) + " s"}, ...series],
  };
  const drawn = new uPlot(options, data, box);
  charts.push([box, drawn, height]);
}

const upFromZero = {scales: {x: {time: false}, y: {range: (u, low, high) => [0, Math.max(high, 1e-9) * 1.08]}}};

// logarithmic axes begin and end at 1, 2 or 5 of a decade, and have labels there where there is room.
const logarithmic = {
  steps: [1, 2, 5, 10],
  scale: (u, low, high) => {
    if (low == null) return [1, 10];
    const round = (v, up) => {
      const decade = Math.pow(10, Math.floor(Math.log10(v)));
      const fits = logarithmic.steps.filter(step => up ? step * decade >= v * .999 : step * decade <= v * 1.001);
      return decade * (up ? fits[0] : fits.at(-1));
    };
    const [from, to] = [round(low, false), round(high, true)];
    return from < to ? [from, to] : [from, to * 2];
  },
  splits: (u, i, from, to) => {
    const all = [];
    const wide = Math.log10(to / from) > 2.5;
    for (let decade = Math.pow(10, Math.floor(Math.log10(from))); decade <= to; decade *= 10) {
      for (const step of wide ? [1] : [1, 2, 5]) {
        const v = decade * step;
        if (v >= from * .999 && v <= to * 1.001) all.push(v);
      }
    }
    return all;
  },
};
const logarithmicAxis = {...amounts, splits: logarithmic.splits, filter: (u, ticks) => ticks};

function overTime() {
  const consumed = report.deliveries_per_event > 0;
  const t = doc.end;
  chart("throughput", 260, consumed ? [t, doc.published, doc.delivered, doc.acked] : [t, doc.published],
    [line("published", "c1"), line("delivered", "c2"), line("acked", "c3", {dash: [6, 4]})].slice(0, consumed ? 3 : 1), upFromZero);

  const column = (rows, i) => rows.map(row => row[i]);
  const data = [t], series = [];
  if (consumed) {
    data.push(column(doc.end_to_end, 0), column(doc.end_to_end, 1), column(doc.end_to_end, 2));
    series.push(line("to the handler: p50", "c2"), line("p99", "c4"), line("max", "c6", {width: 1}));
  }
  data.push(column(doc.publish, 0), column(doc.publish, 1));
  series.push(line(consumed ? "publish: p50" : "p50", "c1", consumed ? {dash: [6, 4]} : {}), line("p99", "c5", consumed ? {dash: [6, 4]} : {}));
  if (!consumed) {
    data.push(column(doc.publish, 2));
    series.push(line("max", "c6", {width: 1}));
  }
  chart("latency", 260, data, series, {
    scales: {x: {time: false}, y: {distr: 3, range: logarithmic.scale}},
    axes: [seconds, logarithmicAxis],
  });

  const used = key => [t, ...doc.nodes.map(n => n[key])];
  const nodes = doc.nodes.map((n, i) => line(n.name, "c" + (i % 5 + 1)));
  chart("processors", 220, [...used("processors"), doc.nodes.length ? doc.load : doc.load.map(v => v || null)],
    [...nodes, line("load", "c6", {dash: [6, 4]})], upFromZero);
  chart("disk", 220, used("disk"), nodes, upFromZero);
  chart("memory", 220, used("memory"), nodes, upFromZero);
}

// percentiles are drawn over how many nines they have: 90 % is at 1, 99 % at 2, and so on.
function percentiles() {
  const nines = percent => -Math.log10(1 - Math.min(percent, 100) / 100);
  const total = Math.max(report.sent, 10);
  const limit = Math.log10(total); // beyond, there is no event
  const curve = ([percents, values]) => {
    const xs = [], ys = [];
    (percents || []).forEach((p, i) => {
      const x = p >= 100 ? limit : nines(p);
      if (x <= limit && (!xs.length || x > xs[xs.length - 1])) { xs.push(x); ys.push(values[i]); }
    });
    return [xs, ys];
  };
  const curves = [curve(doc.end_to_end_percentiles), curve(doc.publish_percentiles)];
  const xs = [...new Set(curves.flatMap(c => c[0]))].sort((a, b) => a - b);
  const aligned = ([cx, cy]) => {
    let i = -1;
    return xs.map(x => {
      while (i + 1 < cx.length && cx[i + 1] <= x) i++;
      return i < 0 ? null : cy[i];
    });
  };
  const consumed = report.deliveries_per_event > 0;
  const percent = x => (100 * (1 - Math.pow(10, -x)));
  const name = x => x < 0.001 ? "0 %" : x < 1 ? percent(x).toFixed(0) + " %" : percent(x).toFixed(Math.max(0, Math.ceil(x - 2.001))) + " %";
  const columns = [xs, ...(consumed ? [aligned(curves[0])] : []), aligned(curves[1])];
  const series = [...(consumed ? [line("to the handler", "c2")] : []), line("publish", "c1", consumed ? {dash: [6, 4]} : {})];
  chart("percentiles", 260, columns, series, {
    plugins: [],
    scales: {x: {time: false, range: [0, Math.max(limit, 1)]}, y: {distr: 3, range: logarithmic.scale}},
    axes: [
      axis({size: 30, splits: () => [0, Math.log10(2), 1, 2, 3, 4, 5, 6, 7, 8].filter(x => x <= Math.max(limit, 1)), values: (u, ticks) => ticks.map(name)}),
      logarithmicAxis,
    ],
  });
  const drawn = charts.at(-1);
  if (drawn && drawn[0].id === "percentiles") {
    drawn[1].series[0].label = "percentile";
    drawn[1].series[0].value = (u, x) => x == null ? "–" : percent(x).toFixed(Math.min(6, Math.max(1, Math.ceil(x)))) + " %";
    const label = drawn[0].querySelector(".u-legend .u-series .u-label");
    if (label) label.textContent = "percentile";
  }
}

header();
overTime();
percentiles();
new ResizeObserver(() => {
  for (const [box, drawn, height] of charts) drawn.setSize({width: box.clientWidth, height});
}).observe(document.querySelector("main"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const [, drawn] of charts) drawn.redraw(false, true);
});
})();
