// Asks /backends a hundred times, and draws which versions answered while the answers come.

const REQUESTS = 100;
// At once: enough to be quick with a slow version, few enough for a class that asks one pod.
const SENDERS = 4;
// front gives a request up after 10 s.
const MOST_SECONDS = 15;
const SVG = "http://www.w3.org/2000/svg";

// Below whatever path the page is.
const BACKENDS = document.getElementById("split").dataset.backends;

const ask = document.getElementById("ask");
const stop = document.getElementById("stop");
const progress = document.getElementById("progress");
const said = document.getElementById("said");
const cards = new Map([...document.querySelectorAll(".split")].map((card) => [card.dataset.backend, card]));
let round = null;

// Known versions have a colour and a shape of their own; the same as on the cards above (front/backends.py).
const kindOf = (answer) => {
  if (answer.error) return "failed";
  const label = `v${answer.version.replaceAll(".", "")}`;
  return document.getElementById(`shape-${label}`) ? label : "other";
};

const shape = (kind) => {
  const svg = document.createElementNS(SVG, "svg");
  svg.classList.add("shape", kind);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#shape-${kind}`);
  svg.append(use);
  return svg;
};

const nameOf = (answer) => (answer.error ? "errors" : `version ${answer.version}`);

const draw = (card, answers) => {
  const counts = new Map();
  for (const answer of answers) {
    const name = nameOf(answer);
    const found = counts.get(name) ?? { kind: kindOf(answer), count: 0 };
    found.count += 1;
    counts.set(name, found);
  }
  const sorted = [...counts].sort(([one], [other]) => one.localeCompare(other));

  let left = 0;
  const bar = card.querySelector(".bar");
  bar.replaceChildren(
    ...sorted.map(([, { kind, count }]) => {
      const part = document.createElementNS(SVG, "rect");
      const width = (100 * count) / answers.length;
      part.classList.add(kind);
      Object.entries({ x: left, y: 0, width, height: 10 }).forEach(([name, value]) => part.setAttribute(name, value));
      left += width;
      return part;
    }),
  );
  bar.setAttribute("aria-label", sorted.map(([name, { count }]) => `${name}: ${count}`).join(", ") || "No answer yet");

  card.querySelector(".counts").replaceChildren(
    ...sorted.map(([name, { kind, count }]) => {
      const line = document.createElement("li");
      const percent = Math.round((100 * count) / answers.length);
      line.append(shape(kind), ` ${name}: ${count} (${percent} %)`);
      line.dataset.name = name;
      line.dataset.count = count;
      return line;
    }),
  );
};

const add = (answers, seen) => {
  for (const answer of answers) {
    const card = cards.get(answer.backend);
    if (!card) continue;
    seen.get(answer.backend).push(answer);
    const dot = shape(kindOf(answer));
    card.querySelector(".dots").append(dot);
    draw(card, seen.get(answer.backend));
  }
};

const seconds = (count) => new Promise((resolve) => setTimeout(resolve, 1000 * count));

const askOnce = async (signal) => {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(1000 * MOST_SECONDS)]);
  const response = await fetch(BACKENDS, { headers: { Accept: "application/json" }, signal: limit, cache: "no-store" });
  // front has too much to do, and has asked nobody: later, and not all of the class at the same moment.
  const later = Number(response.headers.get("Retry-After"));
  if (response.status === 503 && later > 0) {
    await seconds(later * (1 + Math.random()));
    signal.throwIfAborted();
    return askOnce(signal);
  }
  if (!response.ok) throw new Error(`front answered ${response.status}`);
  return (await response.json()).backends;
};

const run = async () => {
  const mine = new AbortController();
  round = mine;
  const seen = new Map([...cards.keys()].map((name) => [name, []]));
  let sent = 0;
  let done = 0;
  let failed = 0;
  let reason = "";
  for (const card of cards.values()) {
    card.hidden = false;
    card.querySelector(".dots").replaceChildren();
    draw(card, []);
  }
  said.textContent = "";
  progress.value = 0;
  progress.hidden = stop.hidden = false;
  ask.disabled = true;

  const sender = async () => {
    while (sent < REQUESTS && !mine.signal.aborted) {
      sent += 1;
      try {
        add(await askOnce(mine.signal), seen);
      } catch (error) {
        if (mine.signal.aborted) return;
        failed += 1;
        reason = error.message;
      }
      done += 1;
      progress.value = done;
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));

  progress.hidden = stop.hidden = true;
  ask.disabled = false;
  const lost = failed ? ` ${failed} of them failed before a backend was asked: ${reason}.` : "";
  said.classList.toggle("reason", failed > 0);
  said.textContent = `${mine.signal.aborted ? "Stopped" : "Done"}: ${done} requests.${lost}`;
  if (document.activeElement === document.body) ask.focus(); // the button that was pressed is gone
};

ask.addEventListener("click", run);
stop.addEventListener("click", () => round?.abort());
document.getElementById("split").hidden = false;
