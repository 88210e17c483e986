"use strict";
// Draws what alphanet_plugin.report.page put into #data. Charts are Vega-Lite's; nothing is fetched.
const page = JSON.parse(document.getElementById("data").textContent);
const series = [...new Set(page.runs.map((run) => run.series))];
const several = page.runs.length > 1;
const root = document.documentElement;
const chosen = { cost: "mflops", images: null };
const COSTS = { mflops: "MFLOPs (multiply-adds / 1e6)", params_m: "parameters (millions)", latency_ms: "latency (ms)" };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// -- data -----------------------------------------------------------------------------------------------------------

const subnets = page.runs.flatMap((run) => run.subnets.map((subnet) => ({
  ...subnet, run: run.name, series: run.series, params_m: subnet.params && subnet.params / 1e6, of: run,
})));
const imagesOf = [...new Set(subnets.map((subnet) => subnet.images))];
chosen.images = imagesOf[0];
const costsOf = Object.keys(COSTS).filter((cost) => subnets.some((subnet) => subnet[cost] != null));

const shown = () => subnets.filter((one) => one.images === chosen.images && one[chosen.cost] != null);

/** Of a run's subnets those better than all that are as cheap, cheapest first. */
function front(some) {
  const sorted = [...some].sort((a, b) => a[chosen.cost] - b[chosen.cost] || b.top1 - a.top1);
  let best = -Infinity;
  return sorted.filter((one) => one.top1 > best && (best = one.top1, true));
}

const fronts = () => page.runs.map((run) => [run, front(shown().filter((one) => one.of === run))]);

/** The lines of Python that load a subnet. */
function loading(subnet) {
  if (subnet.published) return page.load_published.replace("{name}", () => JSON.stringify(subnet.published));
  return subnet.of.load.replace("{arch}", () => JSON.stringify(subnet.arch));
}

// -- charts ---------------------------------------------------------------------------------------------------------

const isDark = () => root.dataset.theme === "dark";
const colors = () => {
  const few = isDark() ? page.colors.dark : page.colors.light;
  return series.map((_, number) => few[number] || `hsl(${Math.round(number * 137.5) % 360}, 60%, ${isDark() ? 65 : 40}%)`);
};
const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();

function theme() {
  const [ink, faint, line] = ["--ink", "--faint", "--line"].map(css);
  const font = "system-ui, sans-serif";
  return {
    background: null, font, view: { stroke: null },
    axis: { labelColor: faint, titleColor: ink, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, titlePadding: 8 },
    text: { color: faint, fontSize: 12 },
  };
}

const color = () => ({
  field: "series", type: "nominal", legend: null,
  scale: { domain: series, range: colors() },
});
const axis = (field, title, more = {}) => ({ field, type: "quantitative", title, scale: { zero: false, nice: false, padding: 12 }, ...more });
const tooltip = { content: "data" };

function paretoChart() {
  const points = shown(), named = points.filter((one) => one.preset);
  const x = axis(chosen.cost, COSTS[chosen.cost]), y = axis("top1", `top-1 on ${chosen.images} images (%)`);
  const lines = fronts().flatMap(([, of]) => of);
  const clickable = { cursor: "pointer", tooltip };
  return {
    height: 400,
    layer: [
      { data: { values: points }, mark: { type: "point", filled: true, size: 45, opacity: 0.45, ...clickable }, encoding: { x, y, color: color() } },
      { data: { values: lines }, mark: { type: "line", interpolate: "step-after", strokeWidth: 2 }, encoding: { x, y, color: color(), detail: { field: "run", type: "nominal" }, order: { field: chosen.cost, type: "quantitative" } } },
      { data: { values: lines }, mark: { type: "point", filled: true, size: 70, opacity: 1, ...clickable }, encoding: { x, y, color: color() } },
      { data: { values: named }, mark: { type: "point", shape: "diamond", filled: false, strokeWidth: 2, size: 110, opacity: 1, ...clickable }, encoding: { x, y, color: color() } },
    ],
  };
}

/** A chart of `lines`, [field, name, dash], over epochs, with the phases of the runs behind. */
function curveChart(title, lines, records, scale) {
  const values = lines.flatMap(([field, name, dash]) => records.filter((one) => one[field] != null).map((one) => ({ run: one.run, series: one.series, epoch: one.epoch, value: one[field], of: name, dash })));
  if (!values.length) return null;
  const phases = page.runs.flatMap((run) => run.phases.map((phase, number) => ({ ...phase, series: run.series, run: run.name, shade: number % 2 ? 0.1 : 0.03, middle: (phase.begin + phase.end) / 2 })));
  const along = (field) => axis(field, "epochs", { scale: { nice: false, zero: true } });
  const bands = several
    ? [{ data: { values: phases.filter((one) => one.begin > 0) }, mark: { type: "rule", strokeDash: [2, 3], strokeWidth: 1.5, tooltip }, encoding: { x: along("begin"), color: color() } }]
    : [
      { data: { values: phases }, mark: { type: "rect", tooltip }, encoding: { x: along("begin"), x2: { field: "end" }, color: color(), opacity: { field: "shade", type: "quantitative", scale: null, legend: null } } },
      { data: { values: phases }, mark: { type: "text", baseline: "bottom", y: -4, limit: 110 }, encoding: { x: along("middle"), text: { field: "name" } } },
    ];
  const dash = { field: "of", type: "nominal", legend: null, scale: { domain: lines.map((line) => line[1]), range: lines.map((line) => line[2]) } };
  return {
    height: 200,
    layer: [
      ...(phases.length ? bands : []),
      { data: { values }, mark: { type: "line", strokeWidth: 1.8, tooltip }, encoding: { x: along("epoch"), y: axis("value", title, { scale: { nice: true, ...scale } }), color: color(), strokeDash: dash, detail: { field: "run", type: "nominal" } } },
    ],
  };
}

let views = [];

function draw(place, spec) {
  const many = spec.layer[0].data.values.length > 2000;
  const whole = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: "container", autosize: { type: "fit", contains: "padding" }, ...spec };
  const runtime = vega.parse(vegaLite.compile(whole, { config: theme() }).spec);
  const view = new vega.View(runtime, { renderer: many ? "canvas" : "svg", container: place, hover: true });
  view.tooltip((_, event, item, value) => showTip(event, value));
  view.addEventListener("click", (_, item) => item && item.datum && item.datum.of && item.datum.arch && choose(item.datum));
  views.push(view);
  return view.runAsync();
}

// -- hover and click ------------------------------------------------------------------------------------------------

const tip = document.getElementById("tip");
const number = (value, digits) => Number(value).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function facts(one) {
  const where = several ? [["run", one.run]] : [];
  if (one.value !== undefined) return [...where, [one.of, number(one.value, 4)], ["epoch", number(one.epoch, 2)]];
  if (one.shade !== undefined) return [...where, ["phase", one.name], ["epochs", `${number(one.begin, 2)} to ${number(one.end, 2)}`]];
  return [
    ...where, ...(one.preset ? [["preset", one.preset]] : []), ...(one.published ? [["published", one.published]] : []),
    ["top-1", `${number(one.top1, 2)} % of ${one.images} images`], ["MFLOPs", one.mflops == null ? "-" : number(one.mflops, 2)],
    ["parameters", one.params == null ? "-" : number(one.params, 0)],
    ...(one.latency_ms == null ? [] : [["latency", `${number(one.latency_ms, 3)} ms`]]), ["arch", one.arch],
  ];
}

function showTip(event, value) {
  tip.hidden = !value;
  if (!value) return;
  tip.replaceChildren(element("dl", {}, ...facts(value).flatMap(([name, fact]) => [element("dt", {}, name), element("dd", {}, fact)])));
  const box = tip.getBoundingClientRect(), width = document.documentElement.clientWidth;
  tip.style.left = `${Math.max(4, Math.min(event.pageX + 14, width - box.width - 8))}px`;
  tip.style.top = `${event.pageY + 14}px`;
}

const lines = element("pre", { id: "lines" }, "Click a network: three lines that load it are shown here and copied.");
const said = element("p", { id: "said", class: "note", role: "status" }, "\u00a0");

async function choose(subnet) {
  lines.textContent = loading(subnet);
  said.textContent = (await copy(lines)) ? "copied: these lines load it" : "select and copy these lines to load it";
}

async function copy(from) {
  try {
    await navigator.clipboard.writeText(from.textContent);
    return true;
  } catch { // no permission, or a page that is not secure
    getSelection().selectAllChildren(from);
    return document.execCommand("copy");
  }
}

// -- the page -------------------------------------------------------------------------------------------------------

const swatch = (name) => element("span", { class: "swatch", style: `background:${colors()[series.indexOf(name)]}` });
/** Names the series that records are of. */
function key(records) {
  const there = new Set(records.map((one) => one.series));
  return several ? element("p", { class: "key" }, ...series.filter((name) => there.has(name)).map((name) => element("span", {}, swatch(name), name))) : "";
}

function table(header, rows) {
  const cells = (tag, row) => element("tr", {}, ...row.map((cell) => element(tag, {}, cell == null ? "-" : cell)));
  return element("div", { class: "wide" }, element("table", {}, element("thead", {}, cells("th", header)), element("tbody", {}, ...rows.map((row) => cells("td", row)))));
}

const copyButton = (subnet) => element("button", { type: "button", onclick: () => choose(subnet) }, "copy");

function select(label, values, names, current, change) {
  const options = values.map((value) => element("option", { value, selected: value === current && "" }, names[value] || value));
  return element("label", {}, `${label} `, element("select", { onchange: (event) => (change(event.target.value), render()) }, ...options));
}

function paretoSection() {
  const controls = [
    ...(costsOf.length > 1 ? [select("cost", costsOf, COSTS, chosen.cost, (value) => (chosen.cost = value))] : []),
    ...(imagesOf.length > 1 ? [select("images", imagesOf, {}, chosen.images, (value) => (chosen.images = value))] : []),
  ];
  const latency = costsOf.includes("latency_ms");
  const rows = fronts().flatMap(([run, of]) => of.map((one, place) => [
    `${several ? `${run.name}: ` : ""}${one.preset || `front${place + 1}`}`, one.mflops == null ? null : number(one.mflops, 2),
    one.params == null ? null : number(one.params_m, 2), ...(latency ? [one.latency_ms == null ? null : number(one.latency_ms, 3)] : []), number(one.top1, 2), copyButton(one),
  ]));
  const titles = ["network", "MFLOPs", "parameters (M)", ...(latency ? ["latency (ms)"] : []), `${chosen.images} top-1 (%)`, "load"];
  const place = element("div", { class: "chart", id: "pareto" });
  const diamonds = shown().some((one) => one.preset) ? "Diamonds: presets. " : "";
  return [[element("h2", {}, "Pareto front"), key(shown()), element("div", { class: "controls" }, ...controls), place,
    element("p", { class: "note" }, `${shown().length} networks; the line: the best accuracy for its cost. ${diamonds}Hover for the arch, click to copy the lines that load it.`),
    lines, said, element("details", {}, element("summary", {}, "the front as a table"), table(titles, rows))], [[place, paretoChart()]]];
}

function curveSections() {
  const records = page.runs.flatMap((run) => run.curve.map((one) => ({ ...one, run: run.name, series: run.series })));
  const measured = page.runs.flatMap((run) => run.measured.map((one) => ({ ...one, run: run.name, series: run.series })));
  const specs = [
    ["loss", [["loss", "loss of the first pass", [1, 0]], ["kd_loss", "loss of the others", [5, 3]]], records, { zero: false }],
    ["top-1 on search images (%)", [["largest", "largest network", [1, 0]], ["smallest", "smallest network", [5, 3]]], measured, { zero: false }],
    ["learning rate", [["lr", "learning rate", [1, 0]]], records, { zero: true }],
  ];
  const nodes = [], charts = [];
  for (const [title, of, from, scale] of specs) {
    const spec = curveChart(title, of, from, scale);
    if (!spec) continue;
    const place = element("div", { class: "chart" });
    const there = of.filter(([field]) => from.some((one) => one[field] != null));
    nodes.push(element("h3", {}, title), place, ...(there.length > 1 ? [element("p", { class: "note" }, `solid: ${there[0][1]}; dashed: ${there[1][1]}`)] : []));
    charts.push([place, spec]);
  }
  return nodes.length ? [[element("h2", {}, "Training"), key([...records, ...measured]), ...nodes], charts] : [[], []];
}

function publishedSection() {
  const rows = page.runs.flatMap((run) => run.published.map((one) => [one.name, number(one.mflops, 2), number(one.params / 1e6, 2), number(one.top1, 2), copyButton({ published: one.name })]));
  return rows.length ? [element("h2", {}, "Published models"), table(["name", "MFLOPs", "parameters (M)", "test top-1 (%)", "load"], rows)] : [];
}

function about(run) {
  const parts = [
    ...(run.cost.length ? [table(Object.keys(run.cost[0]), run.cost.map((row) => Object.values(row)))] : []),
    element("p", { class: "note" }, `Machine: ${Object.entries(run.machine).map(([name, value]) => `${name} ${value}`).join(", ") || "not recorded"}.`),
    element("details", {}, element("summary", {}, "configuration"), element("pre", {}, run.config)),
  ];
  return several ? [element("details", { open: page.runs.length < 4 && "" }, element("summary", {}, run.name), ...parts)] : parts;
}

async function render() {
  views.forEach((view) => view.finalize());
  views = [];
  const [pareto, front] = subnets.length ? paretoSection() : [[], []];
  const [training, curves] = curveSections();
  document.getElementById("main").replaceChildren(
    ...pareto, ...publishedSection(),
    ...page.tables.flatMap((one) => [element("h2", {}, one.title), table(one.header, one.rows)]), ...training,
    element("h2", {}, "Cost, machine, configuration"), ...page.runs.flatMap(about),
  );
  for (const [place, spec] of [...front, ...curves]) await draw(place, spec);
  root.dataset.drawn = "yes";
}

function wanted() {
  try { return localStorage.getItem("alphanet-theme"); } catch { return null; } // a page from a file may have no storage
}

const system = matchMedia("(prefers-color-scheme: dark)");
function setTheme(name) {
  root.dataset.theme = name;
  return render();
}
document.getElementById("theme").addEventListener("click", () => {
  const name = isDark() ? "light" : "dark";
  try { localStorage.setItem("alphanet-theme", name); } catch { /* the choice ends with the page */ }
  setTheme(name);
});
system.addEventListener("change", () => wanted() || setTheme(system.matches ? "dark" : "light"));
setTheme(wanted() || (system.matches ? "dark" : "light"));
