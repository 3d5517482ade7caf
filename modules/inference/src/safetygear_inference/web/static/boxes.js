// Boxes over a picture. Coordinates come as 0..1 of the camera's full picture and leave as CSS pixels of the stage.

import { STATUSES, because, labelled } from "./words.js";

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

// Draws `detections` into `layer`, an element of the stage's size; who is among `people` looks as his status says.
// Without room only what is missing gets its words.
export function drawBoxes(layer, stage, picture, detections, people) {
  const inner = fit(stage, picture);
  const roomy = inner.width >= ROOM_FOR_WORDS_PX;
  const roomier = inner.width >= ROOM_FOR_PEOPLE_PX;
  const order = judged(detections, people).sort((a, b) => rank(a) - rank(b));
  layer.replaceChildren(...order.map(({ detection, person }) => {
    const { left, top, width, height } = detection.boundingBox;
    const { one, kind, missing } = labelled(detection.label);
    const violation = person?.status === "violation";
    const box = document.createElement("div");
    box.className = `box ${kind}`;
    box.dataset.label = detection.label;
    if (person) {
      box.dataset.status = person.status;
      box.dataset.track = person.track;
    }
    // Its words stay inside the picture.
    box.classList.toggle("at-top", top * inner.height < WORDS_HIGH_PX);
    box.classList.toggle("at-bottom", (1 - top - height) * inner.height < WORDS_HIGH_PX);
    box.classList.toggle("at-right", (1 - left - width / 2) * inner.width < WORDS_WIDE_PX);
    box.style.left = `${inner.left + left * inner.width}px`;
    box.style.top = `${inner.top + top * inner.height}px`;
    box.style.width = `${width * inner.width}px`;
    box.style.height = `${height * inner.height}px`;
    if (missing || violation || (kind === "person" ? roomier : roomy)) {
      const words = document.createElement("span");
      if (person) words.textContent = `${STATUSES[person.status]?.sign ?? ""} ${because(person.reason)}`;
      else words.textContent = roomy ? `${one} ${Math.round(100 * detection.probability)}%` : one;
      box.append(words);
    }
    return box;
  }));
}

// Each box, with the person whose own box it is. People whose box is too improbable to be told have theirs all the same.
function judged(detections, people) {
  const byTrack = new Map(people.map((person) => [person.track, person]));
  const boxes = detections.map((detection) => {
    const person = labelled(detection.label).kind === "person" ? byTrack.get(detection.track) : undefined;
    if (person) byTrack.delete(person.track);
    return { detection, person };
  });
  const unseen = [...byTrack.values()].map((person) => (
    { detection: { label: "person", boundingBox: person.boundingBox }, person }
  ));
  return [...unseen, ...boxes];
}

// Drawn later is drawn over.
function rank({ detection, person }) {
  const { kind, missing } = labelled(detection.label);
  if (kind === "person") return person?.status === "violation" ? 1 : 0;
  return missing ? 3 : 2;
}
