// The list of violations: those that are open, whose duration runs, and the last ones that are over.

import { because, ending, lasting, time } from "./words.js";

export class Episodes {
  #lines = new Map();
  #offsetMs = 0;
  #count;
  #open;
  #closed;

  constructor(count, open, closed) {
    this.#count = count;
    this.#open = open;
    this.#closed = closed;
  }

  // `offsetMs`: how far this browser's clock is ahead of the module's.
  show(episodes, offsetMs) {
    this.#offsetMs = offsetMs;
    const inAll = episodes.openInAll;
    const words = inAll === 0 ? "Nothing open." : inAll === 1 ? "1 open" : `${inAll} open`;
    const more = inAll > episodes.open.length ? `, the newest ${episodes.open.length} listed` : "";
    if (this.#count.textContent !== words + more) this.#count.textContent = words + more;
    this.#count.dataset.level = inAll > 0 ? "bad" : "ok";
    const all = [...episodes.open, ...episodes.closed];
    const known = new Set(all.map((episode) => episode.id));
    for (const id of this.#lines.keys()) if (!known.has(id)) this.#lines.delete(id);
    place(this.#open, episodes.open.map((episode) => this.#line(episode)));
    place(this.#closed, episodes.closed.map((episode) => this.#line(episode)));
    this.age();
  }

  // Say how long each has lasted by now.
  age() {
    for (const { episode, duration } of this.#lines.values()) {
      const untilMs = episode.until === null ? Date.now() - this.#offsetMs : Date.parse(episode.until);
      const words = lasting(untilMs - Date.parse(episode.since));
      if (duration.textContent !== words) duration.textContent = words;
    }
  }

  #line(episode) {
    const before = this.#lines.get(episode.id);
    const same = before && before.episode.until === episode.until && before.episode.reason === episode.reason;
    if (same) return before.line;
    const line = document.createElement("li");
    line.dataset.episode = episode.id;
    line.dataset.state = episode.until === null ? "open" : "closed";
    const rule = element("b", "rule", because(episode.rule));
    const duration = element("span", "duration", "");
    const severity = element("span", "severity", `${episode.severity} severity`);
    severity.dataset.severity = episode.severity;
    const since = element("time", "", time(Date.parse(episode.since) + this.#offsetMs));
    since.dateTime = episode.since;
    const where = element("span", "where", "");
    where.append(element("b", "", episode.camera), ` \u00b7 zone ${episode.zone}`);
    const when = element("span", "when", "");
    when.append(episode.until === null ? "since " : "from ", since);
    // The rule has said what is missing.
    if (!episode.reason.startsWith("missing-")) when.append(` \u00b7 ${because(episode.reason)}`);
    if (episode.until !== null) when.append(` \u00b7 ${ending(episode.closeReason ?? "")}`);
    line.append(rule, duration, where, severity, when);
    this.#lines.set(episode.id, { episode, line, duration });
    return line;
  }
}

// Leaves what is in its place there: a list that is read aloud or selected in is not torn away each second.
function place(list, lines) {
  if (lines.length === list.children.length && lines.every((line, index) => list.children[index] === line)) return;
  list.replaceChildren(...lines);
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
