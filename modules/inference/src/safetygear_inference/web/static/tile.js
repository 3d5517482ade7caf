// One camera: the newest picture with its own boxes, its state, and what of the last minute was watched.

import { drawBoxes } from "./boxes.js";
import { lasting, mainStream, milliseconds, notWatching, soon, time } from "./words.js";

const PICTURE_TIMEOUT_MS = 5000;
const LOOK_EVERY_MS = 1000;
const SVG = "http://www.w3.org/2000/svg";
const CORNERS = "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4";
const ZONE = "M3 4.5 12.5 2.5 13.5 11 6 13.5Z";
const CLOSED_EYE = "M3 3l18 18M10.6 5.2 12 5c6 0 9.5 7 9.5 7a17 17 0 0 1-3 3.8M6.4 6.5A16.6 16.6 0 0 0 2.5 12S6 19 12 19"
  + "a9.3 9.3 0 0 0 4.6-1.3M9.9 10a3 3 0 0 0 4.1 4.2";

export class Tile {
  #pending = null;
  #loading = false;
  #shown = null;
  #lookedMs = 0;
  #camera = null;
  #sinceMs = 0;
  #lostMs = null;

  // `onZones`: opens the zone editor.
  constructor(name, onEnlarge, onZones) {
    this.name = name;
    this.visible = false;
    this.element = element("article", "tile");
    this.element.dataset.camera = name;
    this.element.setAttribute("aria-label", `Camera ${name}`);

    const head = element("header", "");
    this.dot = element("span", "dot");
    const title = element("h3", "", name);
    title.title = name;
    this.figures = element("span", "figures");
    this.enlarge = element("button", "enlarge");
    this.enlarge.type = "button";
    this.enlarge.append(icon("0 0 16 16", CORNERS));
    this.enlarge.addEventListener("click", () => onEnlarge(this));
    this.zones = element("button", "enlarge zones");
    this.zones.type = "button";
    this.zones.hidden = true;
    this.zones.title = "Draw zones";
    this.zones.setAttribute("aria-label", `Zones of ${name}`);
    this.zones.append(icon("0 0 16 16", ZONE));
    this.zones.addEventListener("click", () => onZones(name));
    head.append(this.dot, title, this.figures, this.zones, this.enlarge);

    this.stage = element("div", "stage");
    this.canvas = element("canvas", "");
    this.canvas.width = this.canvas.height = 0;
    this.canvas.setAttribute("role", "img");
    this.layer = element("div", "layer");
    this.layer.setAttribute("aria-hidden", "true");
    this.veil = element("div", "veil");
    this.veilState = element("strong", "");
    this.veilReason = element("span", "reason");
    this.veilSince = element("span", "since");
    this.veil.append(icon("0 0 24 24", CLOSED_EYE), this.veilState, this.veilReason, this.veilSince);
    this.stage.append(this.canvas, this.layer, this.veil);

    const foot = element("footer", "");
    this.strip = strip();
    this.coverage = element("span", "coverage");
    this.main = element("span", "main");
    this.note = element("span", "note");
    foot.append(this.strip, this.coverage, this.main, this.note);
    this.element.append(head, this.stage, foot);
    this.enlarged(false);
    new ResizeObserver(() => this.#drawBoxes()).observe(this.stage);
  }

  enlarged(yes) {
    this.element.classList.toggle("enlarged", yes);
    this.enlarge.setAttribute("aria-label", yes ? `Show all cameras` : `Enlarge ${this.name}`);
    this.enlarge.title = yes ? "Show all cameras (Esc)" : "Enlarge";
    this.enlarge.setAttribute("aria-pressed", String(yes));
  }

  // `sinceMs`: when the state began, by this browser's clock; `mainSinceMs`: that of its main stream, if it has one.
  state(camera, sinceMs, mainSinceMs) {
    this.#camera = camera;
    this.#sinceMs = sinceMs;
    this.figures.textContent = camera.watched
      ? `${camera.analysedFps.toFixed(1)} fps \u00b7 ${milliseconds(camera.latencyMs.p50)}`
      : `stall budget ${camera.stallBudgetS} s`;
    this.figures.title = camera.watched
      ? `Analysed pictures per second; frame taken to message: median of the last minute, last ${milliseconds(camera.latencyMs.last)}`
      : "Without a picture for so long, a camera counts as not watched";
    this.#drawStrip(camera);
    const note = camera.watched && camera.explanation ? camera.explanation : "";
    this.note.textContent = note;
    this.note.title = note;
    this.#drawMain(camera.mainStream, mainSinceMs);
    this.age();
  }

  // The page has lost the module since then; null: it has not.
  lost(sinceMs) {
    this.#lostMs = sinceMs;
    this.age();
  }

  // Say how long it has been so.
  age() {
    const camera = this.#camera;
    if (camera === null) return;
    const lost = this.#lostMs !== null;
    const watched = camera.watched && !lost;
    const waiting = soon(camera);
    this.element.dataset.level = lost ? "bad" : watched && !camera.explanation ? "ok" : watched || waiting ? "note" : "bad";
    this.element.classList.toggle("blind", !watched);
    this.element.dataset.state = lost ? "module-lost" : camera.state;
    this.dot.title = watched ? "Watching" : "Not watching";
    this.veil.hidden = watched;
    if (!watched) {
      const sinceMs = lost ? this.#lostMs : this.#sinceMs;
      this.veilState.textContent = lost ? "Not watching here: module lost" : notWatching(camera);
      this.veilReason.textContent = lost ? "this page hears nothing from the module" : camera.explanation;
      this.veilSince.textContent = `since ${time(sinceMs)} (${lasting(Date.now() - sinceMs)})`;
    }
    // What it was when the module was lost says nothing of now.
    this.main.hidden = lost || camera.mainStream === null;
    this.canvas.setAttribute("aria-label", watched ? `Picture of ${this.name}` : `Old picture of ${this.name}`);
  }

  // The newest analysed frame. Its boxes are shown with its own picture or not at all.
  frame(frame) {
    if (!this.visible) return;
    if (frame.picture === null) {
      this.look();
    } else {
      this.#pending = frame;
      this.#load();
    }
  }

  // Tell the module that somebody looks: it encodes pictures only then.
  look() {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < LOOK_EVERY_MS) return;
    this.#lookedMs = nowMs;
    fetch(`/pictures/${this.name}/newest.jpg`, { method: "HEAD" }).catch(() => {});
  }

  async #load() {
    if (this.#loading) return;
    this.#loading = true;
    while (this.#pending !== null) {
      const frame = this.#pending;
      this.#pending = null;
      try {
        const response = await fetch(frame.picture, { signal: AbortSignal.timeout(PICTURE_TIMEOUT_MS) });
        if (response.status === 200) this.#show(frame, await createImageBitmap(await response.blob()));
      } catch {
        // The next frame brings another picture; a module that is gone shows by its silence.
      }
    }
    this.#loading = false;
  }

  #show(frame, bitmap) {
    if (this.canvas.width !== bitmap.width || this.canvas.height !== bitmap.height) {
      this.canvas.width = bitmap.width;
      this.canvas.height = bitmap.height;
    }
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    this.#shown = { frame, picture: { width: bitmap.width, height: bitmap.height } };
    bitmap.close();
    this.#drawBoxes();
    this.element.dataset.sequence = frame.sequence;
  }

  #drawBoxes() {
    if (this.#shown === null) return;
    const stage = { width: this.stage.clientWidth, height: this.stage.clientHeight };
    drawBoxes(this.layer, stage, this.#shown.picture, this.#shown.frame.detections, this.#shown.frame.people ?? []);
  }

  #drawMain(main, sinceMs) {
    if (main === null) return;
    const said = mainStream(main, sinceMs);
    this.main.dataset.level = said.level;
    this.main.textContent = said.words;
    this.main.title = said.title;
  }

  #drawStrip(camera) {
    camera.watchedPercent.forEach((percent, second) => {
      const [blind, watched] = this.strip.children[second].children;
      blind.setAttribute("height", percent === null ? "0" : "10");
      watched.setAttribute("height", String((percent ?? 0) / 10));
      watched.setAttribute("y", String(10 - (percent ?? 0) / 10));
    });
    const ofS = Math.round(camera.watchedOfS);
    const words = `watched ${Math.min(ofS, Math.round(camera.watchedS))} of the last ${ofS} s`;
    this.coverage.textContent = words;
    this.strip.setAttribute("aria-label", words);
  }
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function drawing(className, viewBox) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", className);
  made.setAttribute("viewBox", viewBox);
  return made;
}

function strip() {
  const made = drawing("strip", "0 0 120 10");
  made.setAttribute("role", "img");
  made.setAttribute("preserveAspectRatio", "none");
  for (let second = 0; second < 60; second += 1) {
    const bar = document.createElementNS(SVG, "g");
    for (const kind of ["blind", "watched"]) {
      const part = document.createElementNS(SVG, "rect");
      part.setAttribute("class", kind);
      part.setAttribute("x", String(second * 2));
      part.setAttribute("width", "2");
      part.setAttribute("height", "0");
      bar.append(part);
    }
    made.append(bar);
  }
  return made;
}

function icon(viewBox, path) {
  const made = drawing("icon", viewBox);
  made.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  made.append(line);
  return made;
}
