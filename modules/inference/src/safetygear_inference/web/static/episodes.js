// The list of violations: those that are open, whose duration runs, and the last ones that are over.

import { Verdict } from "./verdict.js";
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

  // `offsetMs`: how far this browser's clock is ahead of the module's. `mayJudge`: whether verdicts are taken.
  show(episodes, offsetMs, mayJudge) {
    this.#offsetMs = offsetMs;
    const inAll = episodes.openInAll;
    const words = inAll === 0 ? "Nothing open." : inAll === 1 ? "1 open" : `${inAll} open`;
    const more = inAll > episodes.open.length ? `, the newest ${episodes.open.length} listed` : "";
    if (this.#count.textContent !== words + more) this.#count.textContent = words + more;
    this.#count.dataset.level = inAll > 0 ? "bad" : "ok";
    const all = [...episodes.open, ...episodes.closed];
    const known = new Set(all.map((episode) => episode.id));
    for (const id of this.#lines.keys()) if (!known.has(id)) this.#lines.delete(id);
    place(this.#open, episodes.open.map((episode) => this.#line(episode, mayJudge)));
    place(this.#closed, episodes.closed.map((episode) => this.#line(episode, mayJudge)));
    this.age();
  }

  // Say how long each has lasted by now.
  age() {
    for (const line of this.#lines.values()) line.age(Date.now() - this.#offsetMs);
  }

  #line(episode, mayJudge) {
    if (!this.#lines.has(episode.id)) this.#lines.set(episode.id, new Line(episode.id));
    const line = this.#lines.get(episode.id);
    line.show(episode, this.#offsetMs, mayJudge);
    return line.element;
  }
}

// One violation. Its parts are changed in place: a button that has the focus keeps it.
class Line {
  #episode = null;
  #shown = "";
  #rule = element("b", "rule", "");
  #duration = element("span", "duration", "");
  #where = element("span", "where", "");
  #severity = element("span", "severity", "");
  #when = element("span", "when", "");
  #picture = element("a", "thumbnail", "");
  #image = element("img", "", "");
  #verdict;

  constructor(id) {
    this.element = document.createElement("li");
    this.element.dataset.episode = id;
    this.#picture.target = "_blank";
    this.#picture.rel = "noopener";
    this.#picture.hidden = true;
    this.#image.loading = "lazy";
    this.#image.decoding = "async";
    // Pictures make room for newer ones.
    this.#image.addEventListener("error", () => { this.#picture.hidden = true; });
    this.#picture.append(this.#image);
    this.#verdict = new Verdict(id);
    this.element.append(this.#rule, this.#duration, this.#where, this.#severity, this.#when, this.#picture, this.#verdict.element);
  }

  show(episode, offsetMs, mayJudge) {
    this.#verdict.show(episode.verdict, mayJudge);
    const shown = JSON.stringify(episode);
    if (shown === this.#shown) return;
    this.#episode = episode;
    this.#shown = shown;
    const open = episode.until === null;
    this.element.dataset.state = open ? "open" : "closed";
    this.#rule.textContent = because(episode.rule);
    this.#severity.textContent = `${episode.severity} severity`;
    this.#severity.dataset.severity = episode.severity;
    this.#where.replaceChildren(element("b", "", episode.camera), ` \u00b7 zone ${episode.zone}`);
    const since = element("time", "", time(Date.parse(episode.since) + offsetMs));
    since.dateTime = episode.since;
    this.#when.replaceChildren(open ? "since " : "from ", since);
    // The rule has said what is missing.
    if (!episode.reason.startsWith("missing-")) this.#when.append(` \u00b7 ${because(episode.reason)}`);
    if (!open) this.#when.append(` \u00b7 ${ending(episode.closeReason ?? "")}`);
    if (episode.picture && this.#picture.getAttribute("href") !== episode.picture) {
      this.#picture.href = this.#image.src = episode.picture;
      this.#picture.hidden = false;
      const faces = episode.blurred ? "faces are blurred" : "faces are clear";
      this.#image.alt = `Picture of ${because(episode.rule)} at ${episode.camera}; ${faces}`;
      this.#picture.title = `The stored picture; ${faces}`;
    }
  }

  age(nowMs) {
    const { since, until } = this.#episode;
    const words = lasting((until === null ? nowMs : Date.parse(until)) - Date.parse(since));
    if (this.#duration.textContent !== words) this.#duration.textContent = words;
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
  if (text) made.textContent = text;
  return made;
}
