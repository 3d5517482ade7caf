// Where zones are drawn: over the camera's picture. Points come and go as 0..1 of the picture.

import { crossing, inPicture, moved, rounded } from "./polygon.js";

const SVG = "http://www.w3.org/2000/svg";
const PICTURE_EVERY_MS = 1000;
const NEAR_PX = 12;
const STEP = 0.005;
const BIG_STEP = 0.05;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Surface {
  #element;
  #handlers;
  #picture = document.createElement("canvas");
  #shapes = document.createElementNS(SVG, "svg");
  #corners = document.createElement("div");
  #zones = [];
  #selected = null;
  #path = null;
  #pointer = null;
  #timer = null;
  #camera = "";

  // `handlers`: picked(id), changed(id, points), drawing(points or null), drawn(points).
  constructor(element, handlers) {
    this.#element = element;
    this.#handlers = handlers;
    this.#picture.setAttribute("role", "img");
    this.#shapes.setAttribute("viewBox", "0 0 1 1");
    this.#shapes.setAttribute("preserveAspectRatio", "none");
    this.#corners.className = "corners";
    element.append(this.#picture, this.#shapes, this.#corners);
    element.addEventListener("click", (event) => this.#click(event));
    element.addEventListener("dblclick", () => this.finish());
    element.addEventListener("pointermove", (event) => {
      if (this.#path === null) return;
      this.#pointer = this.#place(event);
      this.#drawShapes();
    });
  }

  open(camera) {
    this.#camera = camera;
    this.#picture.setAttribute("aria-label", `Picture of ${camera}`);
    this.#path = null;
    this.#load();
    this.#timer = setInterval(() => this.#load(), PICTURE_EVERY_MS);
  }

  close() {
    clearInterval(this.#timer);
    this.#picture.width = this.#picture.height = 0;
  }

  // `zones`: [{id, kind, polygon, wrong}].
  show(zones, selected) {
    this.#zones = zones;
    this.#selected = selected;
    this.#drawShapes();
    this.#drawCorners();
  }

  get drawing() {
    return this.#path !== null;
  }

  draw() {
    this.#path = [];
    this.#pointer = null;
    this.#tell();
  }

  finish() {
    if (this.#path === null) return;
    const path = rounded(this.#path);
    this.#path = null;
    this.#tell();
    this.#handlers.drawn(path);
  }

  cancel() {
    this.#path = null;
    this.#tell();
  }

  back() {
    this.#path?.pop();
    this.#tell();
  }

  #tell() {
    this.#element.classList.toggle("drawing", this.drawing);
    this.#handlers.drawing(this.#path);
    this.#drawShapes();
    this.#drawCorners();
  }

  async #load() {
    try {
      const response = await fetch(`/pictures/${this.#camera}/newest.jpg`);
      if (response.status !== 200) return;
      const bitmap = await createImageBitmap(await response.blob());
      this.#picture.width = bitmap.width;
      this.#picture.height = bitmap.height;
      this.#picture.getContext("2d").drawImage(bitmap, 0, 0);
      this.#element.style.aspectRatio = `${bitmap.width} / ${bitmap.height}`;
      bitmap.close();
    } catch {
      // The next one will do.
    }
  }

  #click(event) {
    if (this.#path === null) {
      const id = event.target.dataset?.zone;
      if (id !== undefined && id !== this.#selected) this.#handlers.picked(id);
      return;
    }
    const point = this.#place(event);
    const first = this.#path[0];
    if (this.#path.length > 2 && this.#isNear(first, point)) {
      this.finish();
      return;
    }
    const last = this.#path.at(-1);
    if (last && this.#isNear(last, point)) return;
    this.#path.push(point);
    this.#tell();
  }

  #place(event) {
    const { left, top, width, height } = this.#element.getBoundingClientRect();
    return inPicture([(event.clientX - left) / width, (event.clientY - top) / height]);
  }

  #isNear(one, other) {
    const { width, height } = this.#element.getBoundingClientRect();
    return Math.hypot((one[0] - other[0]) * width, (one[1] - other[1]) * height) < NEAR_PX;
  }

  #drawShapes() {
    const shapes = this.#zones.map((zone) => {
      const shape = document.createElementNS(SVG, "polygon");
      shape.setAttribute("points", zone.polygon.map((point) => point.join(",")).join(" "));
      shape.dataset.zone = zone.id;
      shape.dataset.kind = zone.kind;
      shape.classList.toggle("selected", zone.id === this.#selected && !this.drawing);
      shape.classList.toggle("wrong", zone.wrong);
      if (!this.drawing) shape.addEventListener("pointerdown", (event) => this.#drag(event, zone, null));
      return shape;
    });
    if (this.#path !== null) {
      const points = this.#pointer === null ? this.#path : [...this.#path, this.#pointer];
      const line = document.createElementNS(SVG, "polyline");
      line.setAttribute("points", points.map((point) => point.join(",")).join(" "));
      line.classList.toggle("wrong", crossing(this.#path, false) !== null);
      shapes.push(line);
    }
    this.#shapes.replaceChildren(...shapes);
  }

  #drawCorners() {
    if (this.#path !== null) {
      this.#corners.replaceChildren(...this.#path.map((point) => at(point, document.createElement("span"), "dot")));
      return;
    }
    const zone = this.#zones.find(({ id }) => id === this.#selected);
    if (!zone) {
      this.#corners.replaceChildren();
      return;
    }
    const focused = [...this.#corners.children].indexOf(document.activeElement);
    const handles = zone.polygon.map((point, index) => {
      const handle = at(point, document.createElement("button"), "corner");
      handle.type = "button";
      handle.setAttribute("aria-label", `Corner ${index + 1} of ${zone.polygon.length}: arrow keys move it, Delete takes it out`);
      handle.addEventListener("pointerdown", (event) => this.#drag(event, zone, index));
      handle.addEventListener("keydown", (event) => this.#key(event, zone, index));
      handle.addEventListener("dblclick", (event) => {
        event.stopPropagation();
        this.#remove(zone, index);
      });
      return handle;
    });
    const between = zone.polygon.map((point, index) => {
      const next = zone.polygon[(index + 1) % zone.polygon.length];
      const handle = at([(point[0] + next[0]) / 2, (point[1] + next[1]) / 2], document.createElement("button"), "between");
      handle.type = "button";
      handle.setAttribute("aria-label", `Add a corner after corner ${index + 1}`);
      handle.addEventListener("click", () => {
        const added = [(point[0] + next[0]) / 2, (point[1] + next[1]) / 2];
        this.#handlers.changed(zone.id, rounded(zone.polygon.toSpliced(index + 1, 0, added)));
      });
      return handle;
    });
    this.#corners.replaceChildren(...handles, ...between);
    if (focused >= 0) handles[Math.min(focused, handles.length - 1)]?.focus();
  }

  // Of a corner, or of the whole zone where `index` is null.
  #drag(event, zone, index) {
    if (event.button !== 0) return;
    event.preventDefault();
    if (zone.id !== this.#selected) this.#handlers.picked(zone.id);
    const from = this.#place(event);
    const before = zone.polygon;
    const move = (moving) => {
      const now = this.#place(moving);
      const points = index === null
        ? moved(before, now[0] - from[0], now[1] - from[1])
        : before.with(index, now);
      this.#handlers.changed(zone.id, rounded(points));
    };
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      this.#corners.children[index ?? -1]?.focus();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  #key(event, zone, index) {
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.#remove(zone, index);
      return;
    }
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    const step = event.shiftKey ? BIG_STEP : STEP;
    const [x, y] = zone.polygon[index];
    const point = inPicture([x + arrow[0] * step, y + arrow[1] * step]);
    this.#handlers.changed(zone.id, rounded(zone.polygon.with(index, point)));
  }

  #remove(zone, index) {
    if (zone.polygon.length > 3) this.#handlers.changed(zone.id, zone.polygon.toSpliced(index, 1));
  }
}

function at([x, y], made, className) {
  made.className = className;
  made.style.left = `${100 * x}%`;
  made.style.top = `${100 * y}%`;
  return made;
}
