// What things are called, and which colour they have. The colours are Okabe and Ito's: they stay apart for the
// colour-blind. What is missing is dashed too, so that colour never is the only sign.

const KNOWN = {
  "person": { one: "person", many: "people", kind: "person" },
  "helmet": { one: "helmet", many: "helmets", kind: "helmet" },
  "vest": { one: "vest", many: "vests", kind: "vest" },
  "head": { one: "bare head", many: "bare heads", kind: "head", missing: true },
  "no-helmet": { one: "bare head", many: "bare heads", kind: "head", missing: true },
  "no-vest": { one: "no vest", many: "no vest", kind: "no-vest", missing: true },
};
const OTHER = ["other-1", "other-2", "other-3"];
const others = new Map();

export const LEGEND = ["person", "helmet", "vest", "head", "no-vest"];

// A label of a model as {one, many, kind, missing}; `kind` is its colour's name in the style sheet.
export function labelled(label) {
  const name = label.toLowerCase().replaceAll(/[\s_]+/g, "-");
  if (Object.hasOwn(KNOWN, name)) return KNOWN[name];
  if (!others.has(label)) {
    others.set(label, { one: label, many: label, kind: OTHER[others.size % OTHER.length], missing: false });
  }
  return others.get(label);
}

// What a person's status looks like: colour, line and sign, so that no one of them is needed.
export const STATUSES = {
  "compliant": { one: "compliant", sign: "\u2713" },
  "violation": { one: "violation", sign: "\u2715" },
  "indeterminate": { one: "can't tell", sign: "?" },
};

const REASONS = {
  "all-worn": "compliant",
  "nothing-required": "nothing required",
  "too-small": "too small to tell",
  "occluded": "hidden",
  "truncated": "cut off by the edge",
  "low-light": "too dark to tell",
  "low-confidence": "not sure",
  "not-seen": "gear not seen",
  "undecided": "not decided yet",
  "label-missing": "the model can't tell",
};

// Why a person has that status, or what an episode is about: also of gear that this page has never heard of.
export function because(reason) {
  return Object.hasOwn(REASONS, reason) ? REASONS[reason] : reason.replaceAll("-", " ");
}

const ENDS = {
  "complied": "gear put on",
  "left": "left",
  "track-lost": "out of sight",
  "camera-lost": "camera lost",
  "shift-end": "rule no longer in force",
  "restart": "ended by a restart",
};

export function ending(closeReason) {
  return Object.hasOwn(ENDS, closeReason) ? ENDS[closeReason] : closeReason.replaceAll("-", " ");
}

const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });
const NUMBER = new Intl.NumberFormat("en");
const BIG_NUMBER = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function time(ms) {
  const clock = CLOCK.format(ms);
  return Date.now() - ms > 20 * 3600 * 1000 ? `${DAY.format(ms)} ${clock}` : clock;
}

export function lasting(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function number(value) {
  return (value < 1e7 ? NUMBER : BIG_NUMBER).format(value);
}

export function milliseconds(value) {
  return value === null ? "\u2013" : value < 10000 ? `${number(Math.round(value))} ms` : `${(value / 1000).toFixed(1)} s`;
}

const STATES = {
  "idle": "Not watching",
  "connecting": "Not watching: connecting",
  "stalled": "Not watching: stalled",
  "backing-off": "Not watching: waiting to try again",
  "refused": "Not watching: refused",
  "paused": "Not watching: paused",
  "silent": "Not watching: silent",
  "stopped": "Not watching: stopped",
};

// Whether it is too early for an alarm: that comes with the stall budget.
export function soon(camera) {
  return camera.reason === "late" || camera.reason === "first-picture";
}

export function notWatching(camera) {
  if (camera.reason === "first-picture") return "Not watching yet";
  if (camera.reason === "late") return "Not watching: late";
  if (camera.reason === "frozen") return "Not watching: frozen picture";
  return Object.hasOwn(STATES, camera.state) ? STATES[camera.state] : "Not watching";
}

// The stream beside the one that is analysed: pictures of violations come from it, and watching does not depend on it.
// `level` as a tile's.
export function mainStream(main, sinceMs) {
  const size = main.frame === null ? "" : ` ${main.frame.width}\u00d7${main.frame.height}`;
  const good = main.state === "streaming" && main.explanation === "";
  const begins = main.state === "connecting" && main.reason === "starting";
  const state = main.state.replaceAll("-", " ");
  return {
    level: good ? "ok" : begins ? "waiting" : "note",
    words: good ? `main${size || " stream"}` : `main stream ${begins || main.explanation === "" ? state : `\u2013 ${main.explanation}`}`,
    title: `Main stream, for pictures of violations: ${state} since ${time(sinceMs)}`
      + (main.explanation === "" ? "" : `: ${main.explanation}`),
  };
}
