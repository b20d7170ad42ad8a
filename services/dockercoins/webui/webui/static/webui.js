// Asks /json (below whatever path the page is) every second, and draws the speed that it answers (webui/speed.py).

const SHOWN = 120; // seconds
const AVERAGED = 60;
const SVG = "http://www.w3.org/2000/svg";
const FRAME = { left: 44, right: 590, top: 14, bottom: 212 };

const element = (id) => document.getElementById(id);
let samples = []; // {now, hashes}, oldest first
let line = []; // {now, speed}; speed null where there is none

const last = () => samples[samples.length - 1];

// The speed over the last `seconds`, or over as much of them as there is; null without two samples.
const speedOver = (seconds) => {
  const newest = last();
  const oldest = samples.find(({ now }) => now >= newest.now - seconds - 0.5);
  return newest.now > oldest.now ? (newest.hashes - oldest.hashes) / (newest.now - oldest.now) : null;
};

const shown = (value) => (value === null ? "–" : value.toFixed(1));

// A round number at or above the fastest, so that the axis changes seldom.
const ceiling = (fastest) => [5, 10, 20, 50, 100, 200, 500, 1000].find((step) => step >= fastest) ?? fastest;

const make = (name, attributes, text = "") => {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.textContent = text;
  return made;
};

const draw = (newest) => {
  const speeds = line.map(({ speed }) => speed).filter((speed) => speed !== null);
  const top = ceiling(Math.max(0, ...speeds));
  const x = (now) => FRAME.right - ((newest - now) / SHOWN) * (FRAME.right - FRAME.left);
  const y = (speed) => FRAME.bottom - (speed / top) * (FRAME.bottom - FRAME.top);

  const levels = [0, top / 2, top].flatMap((level) => [
    make("line", { x1: FRAME.left, x2: FRAME.right, y1: y(level), y2: y(level) }),
    make("text", { x: FRAME.left - 6, y: y(level) + 4, "text-anchor": "end" }, String(level)),
  ]);
  const times = [120, 60, 0].map((ago) =>
    make(
      "text",
      { x: x(newest - ago), y: FRAME.bottom + 20, "text-anchor": { 120: "start", 60: "middle", 0: "end" }[ago] },
      ago ? `${ago} s ago` : "now",
    ),
  );
  element("grid").replaceChildren(...levels, ...times);

  let pen = "M";
  const path = line.map(({ now, speed }) => {
    if (speed === null) {
      pen = "M";
      return "";
    }
    const step = `${pen}${x(now).toFixed(1)} ${y(speed).toFixed(1)}`;
    pen = "L";
    return step;
  });
  element("line").setAttribute("d", path.join(""));
  const found = speeds.length ? `${shown(speeds[speeds.length - 1])} hashes a second now, at most ${shown(Math.max(...speeds))}` : "No measurement yet";
  element("chart").setAttribute("aria-label", found);
};

const take = ({ coins, hashes, now, speed }) => {
  // Somebody emptied redis: what came before says nothing about the speed.
  if (samples.length && hashes < last().hashes) {
    samples = [];
    line.push({ now, speed: null });
  }
  samples = [...samples, { now, hashes }].filter((sample) => sample.now >= now - AVERAGED - 1);
  line = [...line, { now, speed }].filter((point) => point.now >= now - SHOWN);
  element("speed").textContent = shown(speed);
  element("average").textContent = shown(speedOver(AVERAGED));
  const span = Math.round(now - samples[0].now);
  element("span").textContent = span >= AVERAGED - 1 ? "over the last minute" : `over ${span} seconds`;
  element("hashes").textContent = hashes.toLocaleString("en");
  element("coins").textContent = coins.toLocaleString("en");
  draw(now);
};

const trouble = (reason) => {
  element("trouble").hidden = !reason;
  if (element("trouble").textContent !== reason) element("trouble").textContent = reason;
};

const ask = async () => {
  try {
    const response = await fetch(element("chart").dataset.counters, { signal: AbortSignal.timeout(5000), cache: "no-store" });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    take(answer);
    trouble("");
  } catch (error) {
    // A gap in the line.
    if (line.length && line[line.length - 1].speed !== null) line.push({ now: line[line.length - 1].now, speed: null });
    trouble(`No counters: ${error.message}`);
  }
  setTimeout(ask, 1000);
};

ask();
