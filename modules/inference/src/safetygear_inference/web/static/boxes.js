// Boxes over a picture. Coordinates come as 0..1 of the camera's full picture and leave as CSS pixels of the stage.

import { labelled } from "./words.js";

const ROOM_FOR_WORDS_PX = 420;
const ROOM_FOR_PEOPLE_PX = 640;
const WORDS_HIGH_PX = 18;
const WORDS_WIDE_PX = 90;

// Where a picture of that shape lies in a stage that shows all of it (`object-fit: contain`).
export function fit(stage, picture) {
  const scale = Math.min(stage.width / picture.width, stage.height / picture.height);
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { left: (stage.width - width) / 2, top: (stage.height - height) / 2, width, height };
}

// Draws `detections` into `layer`, an element of the stage's size. Without room only what is missing gets its words.
export function drawBoxes(layer, stage, picture, detections) {
  const inner = fit(stage, picture);
  const roomy = inner.width >= ROOM_FOR_WORDS_PX;
  const roomier = inner.width >= ROOM_FOR_PEOPLE_PX;
  const order = [...detections].sort((a, b) => rank(a) - rank(b));
  layer.replaceChildren(...order.map((detection) => {
    const { left, top, width, height } = detection.boundingBox;
    const { one, kind, missing } = labelled(detection.label);
    const box = document.createElement("div");
    box.className = `box ${kind}`;
    box.dataset.label = detection.label;
    // Its words stay inside the picture.
    box.classList.toggle("at-top", top * inner.height < WORDS_HIGH_PX);
    box.classList.toggle("at-bottom", (1 - top - height) * inner.height < WORDS_HIGH_PX);
    box.classList.toggle("at-right", (1 - left - width / 2) * inner.width < WORDS_WIDE_PX);
    box.style.left = `${inner.left + left * inner.width}px`;
    box.style.top = `${inner.top + top * inner.height}px`;
    box.style.width = `${width * inner.width}px`;
    box.style.height = `${height * inner.height}px`;
    if (missing || (kind === "person" ? roomier : roomy)) {
      const words = document.createElement("span");
      words.textContent = roomy ? `${one} ${Math.round(100 * detection.probability)}%` : one;
      box.append(words);
    }
    return box;
  }));
}

function rank(detection) {
  const { kind, missing } = labelled(detection.label);
  return kind === "person" ? 0 : missing ? 2 : 1;
}
