// Person-minutes of the hour that runs, a bar for each zone.

import { STATUSES } from "./words.js";

const PARTS = [["compliant", "compliantS"], ["violation", "violatingS"], ["indeterminate", "indeterminateS"]];

export function showHour(list, hour) {
  const lines = hour.map((zone) => {
    const inAllS = PARTS.reduce((sum, [, field]) => sum + zone[field], 0);
    const line = document.createElement("li");
    const name = document.createElement("b");
    name.textContent = `${zone.camera} \u00b7 ${zone.zone}`;
    const bar = document.createElement("span");
    bar.className = "bar-of-hour";
    bar.setAttribute("aria-hidden", "true");
    const words = document.createElement("span");
    words.className = "minutes";
    for (const [status, field] of PARTS) {
      const part = document.createElement("span");
      part.dataset.status = status;
      part.style.width = `${inAllS > 0 ? (100 * zone[field]) / inAllS : 0}%`;
      bar.append(part);
      const word = document.createElement("span");
      word.dataset.status = status;
      word.textContent = `${STATUSES[status].sign} ${(zone[field] / 60).toFixed(1)} ${STATUSES[status].one}`;
      words.append(word);
    }
    if (zone.precision !== null) {
      const said = document.createElement("span");
      said.textContent = `events judged right: ${Math.round(100 * zone.precision)}%`;
      words.append(said);
    }
    line.append(name, bar, words);
    return line;
  });
  list.replaceChildren(...lines);
}
