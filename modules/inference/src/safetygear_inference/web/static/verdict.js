// What somebody says of a violation: it is one, it is none, or he can't tell. Counts for the zone's precision.

const WORDS = [["true", "Right"], ["false", "Wrong"], ["unsure", "Can't tell"]];
const TIMEOUT_MS = 5000;

export class Verdict {
  #id;
  #buttons = new Map();
  #failed = document.createElement("span");
  #sending = false;

  constructor(id) {
    this.#id = id;
    this.element = document.createElement("span");
    this.element.className = "verdict";
    this.element.hidden = true;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Is this right?");
    for (const [verdict, words] of WORDS) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.dataset.verdict = verdict;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => this.#say(verdict));
      this.#buttons.set(verdict, button);
      this.element.append(button);
    }
    this.#failed.className = "failed";
    this.#failed.setAttribute("role", "alert");
    this.element.append(this.#failed);
  }

  show(verdict, mayJudge) {
    this.element.hidden = !mayJudge;
    if (!this.#sending) this.#press(verdict);
  }

  #press(verdict) {
    for (const [each, button] of this.#buttons) {
      const pressed = String(each === verdict);
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    }
  }

  async #say(verdict) {
    if (this.#sending) return;
    this.#sending = true;
    this.#failed.textContent = "";
    try {
      const response = await fetch("/api/verdict", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ eventId: this.#id, verdict }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.ok) this.#press(verdict);
      else this.#failed.textContent = `Not kept: ${(await response.json()).error ?? response.status}`;
    } catch {
      this.#failed.textContent = "Not kept: the module does not answer";
    }
    this.#sending = false;
  }
}
