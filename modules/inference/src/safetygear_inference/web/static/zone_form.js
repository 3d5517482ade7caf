// The settings of the zone that is selected. What is left as the rules say stands in no twin.

const ID = /^[A-Za-z0-9_-]{1,64}$/;
const ONLY_RULE = ["requires", "severity", "minimumDurationS", "calendar", "shifts"];

export class ZoneForm {
  #form;
  #handlers;
  #rules = {};

  // `handlers`: zone() as it is now, changed(zone), taken(id), renamed(id), removed().
  constructor(form, handlers) {
    this.#form = form;
    this.#handlers = handlers;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => this.#input(event.target));
    form.elements.id.addEventListener("change", () => this.#rename());
    form.querySelector("[data-part=remove]").addEventListener("click", () => handlers.removed());
  }

  // `known`: what may stand in a zone.
  know({ gear, calendars, rules }) {
    this.#rules = rules;
    this.#form.querySelector("[data-part=gear]").replaceChildren(...gear.map((name) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.name = "requires";
      box.value = name;
      label.append(box, ` ${name}`);
      return label;
    }));
    const { calendar, severity } = this.#form.elements;
    calendar.replaceChildren(option("", rules.calendar ? `as the rules say: ${rules.calendar}` : "always"),
      ...calendars.map((id) => option(id, id)));
    calendar.closest("label").hidden = calendars.length === 0;
    severity.options[0].textContent = `as the rules say: ${rules.severity}`;
    this.#form.elements.minimumDurationS.placeholder = String(rules.minimumDurationS);
  }

  show(id, zone) {
    this.#form.hidden = zone === null;
    if (zone === null) return;
    const fields = this.#form.elements;
    fields.id.value = id;
    fields.id.setCustomValidity("");
    fields.kind.value = zone.kind ?? "rule";
    fields.anchor.value = zone.anchor ?? "foot";
    fields.severity.value = zone.severity ?? "";
    fields.minimumDurationS.value = zone.minimumDurationS ?? "";
    fields.calendar.value = zone.calendar ?? "";
    const required = zone.requires ?? this.#rules.requires;
    for (const box of this.#boxes()) box.checked = required.includes(box.value);
    this.#rulesOnly(zone);
  }

  focus() {
    this.#form.elements.id.select();
  }

  #boxes() {
    return [...this.#form.querySelectorAll("input[name=requires]")];
  }

  #rulesOnly(zone) {
    this.#form.querySelector("[data-part=rule]").hidden = (zone.kind ?? "rule") !== "rule";
    const privacy = zone.kind === "privacy";
    this.#form.elements.anchor.closest("label").hidden = privacy;
  }

  #rename() {
    const field = this.#form.elements.id;
    const wrong = !ID.test(field.value) ? "1 to 64 of A-Z a-z 0-9 _ -"
      : this.#handlers.taken(field.value) ? "another zone has this id" : "";
    if (wrong) {
      field.setCustomValidity(wrong);
      field.reportValidity();
      return;
    }
    this.#handlers.renamed(field.value);
  }

  #input(field) {
    if (field.name === "id") {
      field.setCustomValidity("");
      return;
    }
    const zone = { ...this.#handlers.zone() };
    const set = (name, value, usual) => {
      if (value === usual || value === "") delete zone[name];
      else zone[name] = value;
    };
    if (field.name === "requires") {
      const wanted = this.#boxes().filter((box) => box.checked).map((box) => box.value);
      if (wanted.length === 0) {
        // A zone that requires nothing is no rule: the last one stays.
        field.checked = true;
        return;
      }
      zone.requires = wanted;
    } else if (field.name === "minimumDurationS") {
      set("minimumDurationS", field.value === "" ? "" : Number(field.value), "");
    } else {
      set(field.name, field.value, { kind: "rule", anchor: "foot" }[field.name] ?? "");
    }
    if ((zone.kind ?? "rule") !== "rule") for (const name of ONLY_RULE) delete zone[name];
    this.#rulesOnly(zone);
    this.#handlers.changed(zone);
  }
}

function option(value, words) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = words;
  return made;
}
