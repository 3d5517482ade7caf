// The live page: what the module tells goes to the tiles, the bar and the list.

import { Link } from "./link.js";
import { Episodes } from "./episodes.js";
import { showHour } from "./hour.js";
import { Tile } from "./tile.js";
import { ZoneEditor } from "./zones.js";
import { LEGEND, STATUSES, labelled, lasting, milliseconds, number, soon, time } from "./words.js";

const LOST_AFTER_MS = 3000;
const SHOWN_WITHIN_MS = 300;
const AGE_EVERY_MS = 500;
const MUCH_HAS_CHANGED = 0.25;

const at = (id) => document.getElementById(id);
const tiles = new Map();
let enlargedTile = null;
let lostMs = null;
let lostWhy = "";
let clockOffsetMs = 0;
let newestSighting = "";
const episodes = new Episodes(at("episodes-count"), at("episodes-open"), at("episodes-closed"));
const editor = new ZoneEditor(at("zones"));

// Pictures are asked for only while their tile can be seen.
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const tile = tiles.get(entry.target.closest(".tile").dataset.camera);
    if (!tile) continue;
    tile.visible = entry.isIntersecting;
    if (tile.visible) tile.look();
  }
}, { rootMargin: "120px" });

function enlarge(tile) {
  enlargedTile?.enlarged(false);
  enlargedTile = enlargedTile === tile ? null : tile;
  enlargedTile?.enlarged(true);
  at("grid").classList.toggle("has-enlarged", enlargedTile !== null);
}

function show(state) {
  clockOffsetMs = Date.now() - Date.parse(state.now);
  const budgetsMs = state.cameras.map((camera) => 1000 * camera.stallBudgetS - SHOWN_WITHIN_MS);
  link.lostAfterMs = Math.min(LOST_AFTER_MS, ...budgetsMs);
  showCameras(state);
  showSummary(state.cameras);
  showFacts(state);
  showProblems(state);
  showSightings(state.sightings);
  if (state.episodes) episodes.show(state.episodes, clockOffsetMs, state.page.mayChange);
  showHour(at("hour"), state.hour ?? []);
  at("hour-section").hidden = !state.hour?.length;
  at("instance").textContent = state.instance;
  at("instance").title = `Version ${state.version}`;
  at("logout").hidden = !state.page.tokenNeeded;
}

function showCameras(state) {
  const names = new Set(state.cameras.map((camera) => camera.camera));
  for (const [name, tile] of tiles) {
    if (names.has(name)) continue;
    if (enlargedTile === tile) enlarge(tile);
    seen.unobserve(tile.stage);
    tile.element.remove();
    tiles.delete(name);
  }
  state.cameras.forEach((camera, index) => {
    let tile = tiles.get(camera.camera);
    if (!tile) {
      tile = new Tile(camera.camera, enlarge, (name) => editor.open(name));
      tiles.set(camera.camera, tile);
      at("grid").insertBefore(tile.element, at("grid").children[index] ?? null);
      seen.observe(tile.stage);
    }
    tile.zones.hidden = !state.page.mayChange;
    const main = camera.mainStream;
    const mainSinceMs = main === null ? null : Date.parse(main.since) + clockOffsetMs;
    tile.state(camera, Date.parse(camera.since) + clockOffsetMs, mainSinceMs);
  });
  const columns = Math.min(5, Math.max(1, Math.ceil(Math.sqrt(state.cameras.length))));
  at("grid").dataset.columns = String(columns);
  at("grid").style.setProperty("--rows", String(Math.max(1, Math.ceil(state.cameras.length / columns))));
  at("none").hidden = state.cameras.length > 0;
  at("left-out").hidden = state.camerasLeftOut === 0;
  at("left-out").textContent = `${state.camerasLeftOut} more cameras are not shown.`;
}

function showSummary(cameras) {
  const blind = cameras.filter((camera) => !camera.watched);
  const summary = at("summary");
  let words = `${cameras.length === 1 ? "1 camera" : `All ${cameras.length} cameras`} watched`;
  let level = "ok";
  if (cameras.length === 0) [words, level] = ["No camera", "wait"];
  if (blind.length > 0) {
    words = cameras.length === 1 ? `${blind[0].camera} is not watched` : `${blind.length} of ${cameras.length} not watched`;
    level = blind.every(soon) ? "note" : "bad";
  }
  if (lostMs !== null) [words, level] = ["Module lost", "bad"];
  if (summary.textContent !== words) summary.textContent = words;
  summary.dataset.level = level;
  summary.title = blind.map((camera) => `${camera.camera}: ${camera.explanation}`).join("\n");
  document.title = level === "bad" ? `(!) ${words} \u00b7 SafetyGear` : "SafetyGear";
}

function showFacts(state) {
  const { model, budget, cameras } = state;
  at("model").textContent = model.name ?? (model.state === "loading" ? "loading" : model.state);
  at("model").title = model.name ? `Version ${model.version}, sha256 ${model.sha256}` : "";
  at("rate").textContent = `${cameras.reduce((sum, camera) => sum + camera.analysedFps, 0).toFixed(1)} fps`;
  const latencies = cameras.map((camera) => camera.latencyMs.p50).filter((value) => value !== null);
  at("latency").textContent = milliseconds(latencies.length ? Math.max(...latencies) : null);
  if (state.outbox) {
    const newest = state.outbox.newestSequence;
    at("outbox").textContent = `${number(state.outbox.depth)}${newest === null ? "" : ` \u00b7 newest #${newest}`}`;
  }
  at("learning").hidden = !state.learning;
  if (state.learning) {
    const drifting = state.learning.drift.filter((one) => one.stabilityIndex > MUCH_HAS_CHANGED);
    const taken = Object.values(state.learning.taken).reduce((sum, count) => sum + count, 0);
    at("examples").textContent = `${number(state.learning.examples)} \u00b7 ${number(taken)} new`
      + (drifting.length ? ` \u00b7 ${number(drifting.length)} drifting` : "");
    at("examples").title = drifting.map((one) => `${one.camera}: ${one.label}`).join("\n");
  }
  if (!budget) return;
  const percent = Math.min(100, (100 * budget.usedBlocks) / Math.max(1, budget.dailyBlocks));
  const left = number(Math.max(0, budget.dailyBlocks - budget.usedBlocks));
  const shed = budget.shedMessages > 0 ? ` \u00b7 ${number(budget.shedMessages)} shed` : "";
  at("budget").textContent = `${number(budget.usedBlocks)} used \u00b7 ${left} left${shed}`;
  at("budget").title = `Of ${number(budget.dailyBlocks)} until 00:00 UTC, as IoT Hub counts them: each begun 4 KB is one`;
  const meter = at("budget-meter");
  meter.setAttribute("aria-valuenow", percent.toFixed(0));
  meter.firstElementChild.style.width = `${percent}%`;
  meter.dataset.level = budget.shedding ? "bad" : percent > 80 ? "note" : "ok";
}

function showProblems(state) {
  const lines = Object.values(state.problems).map((problem) => problem.message);
  if (state.budget?.shedding) {
    lines.push("The message budget is used up for now: detections are not sent to IoT Hub. Events are.");
  }
  const shown = at("problems");
  if (shown.dataset.lines === lines.join("\n")) return;
  shown.dataset.lines = lines.join("\n");
  shown.replaceChildren(...lines.map((line) => {
    const notice = document.createElement("p");
    notice.className = "notice";
    notice.textContent = line;
    return notice;
  }));
}

function showSightings(sightings) {
  const newest = sightings.length ? `${sightings[0].camera} ${sightings[0].sequence} ${sightings[0].at}` : "";
  const list = at("sightings");
  if (newest === newestSighting && list.children.length) return;
  newestSighting = newest;
  if (!sightings.length) {
    const nothing = document.createElement("li");
    nothing.className = "nothing";
    nothing.textContent = "Nothing yet.";
    list.replaceChildren(nothing);
    return;
  }
  list.replaceChildren(...sightings.map((sighting) => {
    const line = document.createElement("li");
    const when = document.createElement("time");
    when.dateTime = sighting.at;
    when.textContent = time(Date.parse(sighting.at));
    const where = document.createElement("b");
    where.textContent = sighting.camera;
    const what = document.createElement("span");
    what.className = "what";
    const counts = Object.entries(sighting.counts).sort(([a], [b]) => order(a) - order(b));
    what.append(...counts.map(([label, count]) => chip(label, `${count} ${count === 1 ? labelled(label).one : labelled(label).many}`)));
    if (!counts.length) what.append("nothing detected");
    line.append(when, where, what);
    return line;
  }));
}

function order(label) {
  const index = LEGEND.indexOf(labelled(label).kind);
  return index < 0 ? LEGEND.length : index;
}

function chip(label, words) {
  const made = document.createElement("span");
  made.className = `chip ${labelled(label).kind}`;
  made.textContent = words;
  return made;
}

function showLost() {
  const notice = at("lost");
  notice.hidden = lostMs === null;
  if (lostMs === null) return;
  const why = lostWhy === "full" ? " Too many pages are open: close one." : "";
  const words = `No connection to the module since ${time(lostMs)}. Nothing here is live; this page keeps trying.${why}`;
  if (notice.textContent !== words) notice.textContent = words;
}

const link = new Link({
  state: show,
  frame: (frame) => tiles.get(frame.camera)?.frame(frame),
  lost(sinceMs) {
    lostMs = sinceMs;
    document.body.classList.add("module-lost");
    for (const tile of tiles.values()) tile.lost(sinceMs);
    showSummary([]);
    showLost();
  },
  found() {
    lostMs = null;
    lostWhy = "";
    document.body.classList.remove("module-lost");
    for (const tile of tiles.values()) tile.lost(null);
    showLost();
  },
  why(reason) {
    lostWhy = reason;
    if (reason === "token") location.assign("/login");
    showLost();
  },
});

at("legend").replaceChildren(...LEGEND.map((kind) => {
  const line = document.createElement("li");
  line.append(chip(kind, labelled(kind).one));
  return line;
}), ...Object.entries(STATUSES).map(([status, { one, sign }]) => {
  const line = document.createElement("li");
  const made = chip("person", `${sign} ${one}`);
  made.dataset.status = status;
  line.append(made);
  return line;
}));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && enlargedTile !== null) enlarge(enlargedTile);
});
setInterval(() => {
  for (const tile of tiles.values()) tile.age();
  if (lostMs === null) episodes.age();
}, AGE_EVERY_MS);
link.open();
