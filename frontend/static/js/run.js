// Live curves of a run: reads the trainer's events from where it stopped, and stops when there will be no more.

const { uPlot } = window; // vendor/uplot, a script of its own: its module form is three times as large
const POLL_MS = 2000;
const section = document.getElementById("run-curves");
const said = document.getElementById("run-curves-said");
const fallen = document.getElementById("run-fallen");

const series = { loss: [[], []], logprob: [[], []] };
const charts = {};
let next = 0;

function take(event) {
  if (event.kind === "step" && Number.isFinite(event.loss)) append(series.loss, event.step, event.loss);
  if (event.kind === "displaced" && Number.isFinite(event.change)) warn(event);
  if (event.kind === "probe" && Number.isFinite(event.mean_logprob)) append(series.logprob, event.step, event.mean_logprob);
}

// While the run goes; once it is over, its state says the same in its own words.
function warn({ step, change }) {
  const lost = Number((-change).toPrecision(3));
  fallen.textContent = `At step ${step} good answers had become less likely by ${lost} nats a token. Falling further means damage.`;
  fallen.hidden = false;
}

// A resumed run tells its last unsaved steps a second time: the later word counts.
function append([steps, values], step, value) {
  while (steps.length > 0 && steps.at(-1) >= step) {
    steps.pop();
    values.pop();
  }
  steps.push(step);
  values.push(value);
}

function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  section.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function chart(name) {
  const box = document.querySelector(`[data-chart="${name}"]`);
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const number = (value) => (value == null ? "" : Number(value.toPrecision(4)).toString());
  const made = new uPlot(
    {
      width: box.clientWidth,
      height: box.clientHeight,
      scales: { x: { time: false } },
      axes: [{ ...axis }, { ...axis, size: 64, values: (_, values) => values.map(number) }],
      series: [{ label: "step" }, { label: name, stroke: colour("--accent"), width: 1.5, points: { show: series[name][0].length < 3 } }],
      cursor: { y: false },
      hooks: { setCursor: [({ cursor }) => cursor.idx != null && tell(name, cursor.idx)] },
    },
    series[name],
    box,
  );
  new ResizeObserver(() => made.setSize({ width: box.clientWidth, height: box.clientHeight })).observe(box);
  return made;
}

function tell(name, index) {
  const [steps, values] = series[name];
  const at = index ?? steps.length - 1;
  const label = name === "loss" ? "loss" : "mean log-probability";
  said.textContent = `Step ${steps[at]}: ${label} ${Number(values[at].toPrecision(5))}`;
}

function draw() {
  for (const name of Object.keys(series)) {
    if (series[name][0].length === 0) continue;
    section.hidden = false;
    const figure = document.querySelector(`[data-figure="${name}"]`);
    if (figure) figure.hidden = false;
    if (charts[name]) charts[name].setData(series[name]);
    else charts[name] = chart(name);
  }
  if (charts.loss && charts.loss.cursor.idx == null) tell("loss", null);
}

async function poll() {
  let answer;
  try {
    const response = await fetch(`${section.dataset.events}?after=${next}`, { headers: { Accept: "application/json" } });
    if (!response.ok) return false;
    answer = await response.json();
  } catch {
    return true; // the server is away for a moment
  }
  answer.events.forEach(take);
  next = answer.next;
  draw();
  if (answer.has_more) return poll();
  return !answer.is_over;
}

async function follow() {
  if (document.hidden || (await poll())) setTimeout(follow, POLL_MS);
}

// Canvas knows no style sheets: a change of theme draws anew.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const name of Object.keys(charts)) {
    charts[name].destroy();
    delete charts[name];
  }
  draw();
});

// The log stays open, and where it was scrolled to, when the state around it is replaced.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "run-state") return;
  const log = document.getElementById("run-log");
  if (!log?.open) return;
  const pre = log.querySelector("pre");
  const isAtEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 4;
  const { scrollTop } = pre;
  document.body.addEventListener("htmx:afterSwap", () => {
    const fresh = document.getElementById("run-log");
    if (!fresh) return;
    fresh.open = true;
    const body = fresh.querySelector("pre");
    body.scrollTop = isAtEnd ? body.scrollHeight : scrollTop;
  }, { once: true });
});

follow();
