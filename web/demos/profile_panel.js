/** "Where the time goes": the kernels of a step of the loaded model, measured on demand. */

import { duration, element, make } from "./ui.js";
import { explain } from "../loom.js";

/** @typedef {import("../loom.js").LanguageModel} LanguageModel */

/** The panel of the language-model page. */
export class ProfilePanel {
  step = element("profile-step", HTMLSelectElement);
  button = element("profile-start", HTMLButtonElement);
  note = element("profile-note", HTMLElement);
  scroll = element("profile-scroll", HTMLElement);
  rows = element("profile-rows", HTMLTableSectionElement);

  /** @param {() => LanguageModel | null} model the one that is loaded */
  constructor(model) {
    this.button.onclick = () => void this.#measure(model());
  }

  /** There is a model now; what was measured of another goes. */
  enable() {
    this.button.disabled = false;
    this.scroll.hidden = true;
  }

  /** @param {LanguageModel | null} model */
  async #measure(model) {
    if (!model) return;
    const tokens = Number(this.step.value);
    this.button.disabled = true;
    this.note.textContent = "Measuring…";
    try {
      const profile = await model.profile({
        tokens,
        ...(tokens > 1 ? { context: 0 } : {}),
        onProgress: ({ loaded = 0, total = 0 }) => (this.note.textContent = `Measured ${loaded} of ${total} kernels.`),
      });
      this.note.textContent =
        `On ${profile.device}: ${duration(profile.replay_ms)} for ${tokens > 1 ? `${tokens} tokens` : "a token"}, ` +
        `${duration(profile.kernels_ms)} in kernels.`;
      this.rows.replaceChildren(...profile.rows.map(tableRow));
      this.scroll.hidden = false;
    } catch (error) {
      this.note.textContent = explain(error);
    } finally {
      this.button.disabled = false;
    }
  }
}

/** @param {import("../loom.js").ProfileRow} row */
function tableRow({ kernel, shapes, calls, ms, share, gb_per_second: rate, operations, gflops }) {
  const row = document.createElement("tr");
  const name = make("th", kernel);
  name.scope = "row";
  name.append(make("small", shapes));
  const figures = [String(calls), ms.toFixed(2), `${(100 * share).toFixed(1)} %`, rate.toFixed(1)];
  row.append(name, ...[...figures, operations ? gflops.toFixed(1) : ""].map((text) => make("td", text)));
  return row;
}
