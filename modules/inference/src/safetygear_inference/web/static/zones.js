// The zone editor of one camera. It works on a copy and hands it out as a fragment of the module twin: nothing changes
// before that is pasted there, or applied where a stand-in runtime on this machine offers it.

import { ZoneForm } from "./zone_form.js";
import { Surface } from "./zone_surface.js";
import { crossing, faults } from "./polygon.js";
import { changes } from "./zone_patch.js";

const CHECK_AFTER_MS = 400;
const APPLIED_WITHIN_MS = 10000;
const RECTANGLE = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]];

export class ZoneEditor {
  #dialog;
  #surface;
  #form;
  #parts;
  #camera = "";
  #known = null;
  #before = {};
  #zones = {};
  #selected = null;
  #timer = null;
  #checking = 0;

  constructor(dialog) {
    this.#dialog = dialog;
    this.#parts = Object.fromEntries([...dialog.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.#surface = new Surface(this.#parts.surface, {
      picked: (id) => this.#pick(id),
      changed: (id, polygon) => {
        this.#zones[id] = { ...this.#zones[id], polygon };
        this.#changed();
      },
      drawing: (path) => this.#drawing(path),
      drawn: (polygon) => this.#add(polygon),
    });
    this.#form = new ZoneForm(this.#parts.form, {
      zone: () => this.#zones[this.#selected],
      taken: (id) => id !== this.#selected && Object.hasOwn(this.#zones, id),
      changed: (zone) => {
        this.#zones[this.#selected] = zone;
        this.#changed();
      },
      renamed: (id) => this.#rename(id),
      removed: () => this.#remove(),
    });
    this.#parts.draw.addEventListener("click", () => (this.#surface.drawing ? this.#surface.finish() : this.#surface.draw()));
    this.#parts.rectangle.addEventListener("click", () => this.#add(RECTANGLE));
    this.#parts.list.addEventListener("click", (event) => {
      const id = event.target.closest("button")?.dataset.zone;
      if (id !== undefined) this.#pick(id);
    });
    this.#parts.copy.addEventListener("click", () => this.#copy());
    this.#parts.apply.addEventListener("click", () => this.#apply());
    this.#parts.close.addEventListener("click", () => this.#close());
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (this.#surface.drawing) this.#surface.cancel();
      else this.#close();
    });
    dialog.addEventListener("keydown", (event) => {
      if (!this.#surface.drawing) return;
      if (event.key === "Enter") this.#surface.finish();
      else if (event.key === "Backspace") this.#surface.back();
      else return;
      event.preventDefault();
    });
    dialog.addEventListener("close", () => this.#surface.close());
  }

  async open(camera) {
    this.#camera = camera;
    this.#say("");
    try {
      await this.#fetch();
    } catch {
      return;
    }
    this.#parts.title.textContent = `Zones of ${camera}`;
    this.#parts.apply.hidden = !this.#known.canApply;
    this.#parts.how.textContent = this.#known.canApply
      ? "Apply writes them into the twin of this simulation."
      : `Paste it into the desired properties of the module twin; the rest of the twin stays as it is.`;
    this.#form.know(this.#known);
    this.#surface.open(camera);
    this.#dialog.showModal();
    this.#pick(Object.keys(this.#zones)[0] ?? null);
    this.#changed();
  }

  async #fetch() {
    const response = await fetch("/api/zones");
    if (!response.ok) throw new Error(String(response.status));
    this.#known = await response.json();
    this.#before = this.#known.zones[this.#camera] ?? {};
    this.#zones = structuredClone(this.#before);
  }

  #close() {
    const left = Object.keys(this.#patch()).length > 0;
    if (left && this.#parts.left.hidden) {
      // Said once: who then closes again means it.
      this.#parts.left.hidden = false;
      return;
    }
    this.#dialog.close();
  }

  #patch() {
    return changes(this.#before, this.#zones);
  }

  #pick(id) {
    this.#selected = id;
    this.#form.show(id, id === null ? null : this.#zones[id]);
    this.#draw();
  }

  #add(polygon) {
    let number = Object.keys(this.#zones).length + 1;
    while (Object.hasOwn(this.#zones, `zone-${number}`)) number += 1;
    const id = `zone-${number}`;
    this.#zones[id] = { polygon };
    this.#pick(id);
    this.#changed();
    this.#form.focus();
  }

  #rename(id) {
    if (id === this.#selected) return;
    // In its place, so that the list does not jump.
    const entries = Object.entries(this.#zones).map(([name, zone]) => [name === this.#selected ? id : name, zone]);
    this.#zones = Object.fromEntries(entries);
    this.#pick(id);
    this.#changed();
  }

  #remove() {
    delete this.#zones[this.#selected];
    this.#pick(Object.keys(this.#zones)[0] ?? null);
    this.#changed();
  }

  #drawing(path) {
    this.#parts.draw.textContent = path === null ? "Draw a zone" : "Finish";
    this.#parts.draw.setAttribute("aria-pressed", String(path !== null));
    if (path === null) {
      this.#shape();
      return;
    }
    const pair = crossing(path, false);
    const words = pair === null
      ? "Click the corners in their order. Enter or a click on the first one finishes, Backspace takes the last one back."
      : `The edges ${pair[0] + 1}\u2013${pair[0] + 2} and ${pair[1] + 1}\u2013${pair[1] + 2} cross or touch`;
    this.#wrong(words, pair !== null);
  }

  // What the selected zone's shape looks like.
  #shape() {
    const zone = this.#zones[this.#selected];
    const words = zone ? faults(zone.polygon, this.#known.limits) : "";
    this.#wrong(words, words !== "");
  }

  #wrong(words, wrong) {
    if (this.#parts.shape.textContent !== words) this.#parts.shape.textContent = words;
    this.#parts.shape.dataset.level = wrong ? "bad" : "ok";
  }

  #changed() {
    this.#parts.left.hidden = true;
    this.#draw();
    const patch = this.#patch();
    const none = Object.keys(patch).length === 0;
    this.#parts.fragment.value = none ? "" : JSON.stringify({ zones: { [this.#camera]: patch } });
    this.#parts.fragment.placeholder = "No change yet.";
    const wrong = Object.values(this.#zones).some((zone) => faults(zone.polygon, this.#known.limits) !== "");
    for (const name of ["copy", "apply"]) this.#parts[name].disabled = none || wrong;
    this.#say("");
    clearTimeout(this.#timer);
    this.#errors([]);
    if (!none) this.#timer = setTimeout(() => this.#check(), CHECK_AFTER_MS);
  }

  #draw() {
    const zones = Object.entries(this.#zones).map(([id, zone]) => ({
      id, kind: zone.kind ?? "rule", polygon: zone.polygon, wrong: faults(zone.polygon, this.#known.limits) !== "",
    }));
    this.#surface.show(zones, this.#selected);
    if (!this.#surface.drawing) this.#shape();
    this.#parts.list.replaceChildren(...zones.map(({ id, kind, wrong }) => {
      const line = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.zone = id;
      button.dataset.kind = kind;
      button.textContent = wrong ? `${id} (edges cross)` : id;
      button.setAttribute("aria-pressed", String(id === this.#selected));
      line.append(button);
      return line;
    }));
    this.#parts.none.hidden = zones.length > 0;
  }

  // By the module's own rules.
  async #check() {
    const asked = (this.#checking += 1);
    const { status, document } = await this.#send("/api/zones/check");
    if (asked !== this.#checking || status !== 200) return;
    this.#errors(document.errors);
  }

  #errors(errors) {
    this.#parts.errors.replaceChildren(...errors.map((error) => {
      const line = window.document.createElement("li");
      line.textContent = `${error.path}: ${error.message}`;
      return line;
    }));
  }

  async #send(path) {
    try {
      const response = await fetch(path, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: this.#parts.fragment.value,
      });
      return { status: response.status, document: await response.json() };
    } catch {
      return { status: 0, document: { error: "the module does not answer" } };
    }
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#parts.fragment.value);
      this.#say("Copied.");
    } catch {
      // Without TLS browsers give the clipboard to loopback only.
      this.#parts.fragment.select();
      this.#say("Press Ctrl+C: this browser gives the clipboard to secure pages only.");
    }
  }

  async #apply() {
    this.#parts.apply.disabled = true;
    const { status, document } = await this.#send("/api/zones/apply");
    if (status !== 200) {
      this.#errors(document.errors ?? []);
      this.#say(`Not applied: ${document.error ?? status}.`, true);
      this.#parts.apply.disabled = false;
      return;
    }
    const wanted = JSON.stringify(sorted(this.#zones));
    const giveUpMs = Date.now() + APPLIED_WITHIN_MS;
    while (Date.now() < giveUpMs) {
      await new Promise((done) => setTimeout(done, 250));
      const response = await fetch("/api/zones").catch(() => null);
      if (!response?.ok) continue;
      const known = await response.json();
      if (JSON.stringify(sorted(known.zones[this.#camera] ?? {})) !== wanted) continue;
      this.#known = known;
      this.#before = structuredClone(known.zones[this.#camera] ?? {});
      this.#changed();
      this.#say("Applied: the module judges by these zones now.");
      return;
    }
    this.#say("In the twin; the module has not taken it yet.", true);
  }

  #say(words, wrong = false) {
    this.#parts.said.textContent = words;
    this.#parts.said.dataset.level = wrong ? "bad" : "ok";
  }
}

// Whatever the order in which keys were set.
function sorted(value) {
  if (Array.isArray(value) || value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
