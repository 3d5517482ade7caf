// The stream of events from the module. Says within `lostAfterMs` when it has gone, and keeps trying.

const PAUSES_MS = [200, 1000, 2000, 3000, 5000];
const CHECK_EVERY_MS = 250;
const GRACE_MS = 1000;

export class Link {
  #source = null;
  #heardMs = Date.now();
  #attempt = 0;
  #timer = null;
  #lost = false;
  #graceUntilMs = 0;

  // `handlers`: state(document), frame(document), lost(sinceMs, why), found().
  constructor(handlers) {
    this.handlers = handlers;
    this.lostAfterMs = 3000;
    setInterval(() => this.#check(), CHECK_EVERY_MS);
    document.addEventListener("visibilitychange", () => {
      this.#close();
      // Nothing was heard in the background, and nothing is wrong with that.
      this.#graceUntilMs = Date.now() + GRACE_MS;
      this.open();
    });
  }

  open() {
    if (document.hidden || this.#source !== null) return;
    clearTimeout(this.#timer);
    const source = new EventSource("/api/events");
    this.#source = source;
    source.addEventListener("state", (event) => {
      this.#heardMs = Date.now();
      this.#attempt = 0;
      if (this.#lost) {
        this.#lost = false;
        this.handlers.found();
      }
      this.handlers.state(JSON.parse(event.data));
    });
    source.addEventListener("frame", (event) => this.handlers.frame(JSON.parse(event.data)));
    source.addEventListener("error", () => this.#again());
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  async #again() {
    this.#close();
    const pauseMs = PAUSES_MS[Math.min(this.#attempt, PAUSES_MS.length - 1)];
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.open(), pauseMs);
    if (this.#attempt > 1) this.handlers.why(await refusal());
  }

  #check() {
    const nowMs = Date.now();
    if (document.hidden || this.#lost || nowMs < this.#graceUntilMs || nowMs - this.#heardMs < this.lostAfterMs) return;
    this.#lost = true;
    this.handlers.lost(this.#heardMs);
    // A stream that is open and silent may hang for ever: a new one tells.
    if (this.#source !== null && this.#source.readyState === EventSource.OPEN) this.#again();
  }
}

// Why the module answers but gives no stream: "token", "full", or "" where it does not answer.
async function refusal() {
  try {
    const response = await fetch("/api/state", { signal: AbortSignal.timeout(2000) });
    if (response.status === 401) return "token";
    if (!response.ok) return "";
    const { state } = await response.json();
    return state.page.viewers >= state.page.viewersAtMost ? "full" : "";
  } catch {
    return "";
  }
}
