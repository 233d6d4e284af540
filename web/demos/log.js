/** A log on the page: lines with a time, as text, newest last. */

import { explain } from "../loom.js";
import { make } from "./ui.js";

const LIMIT = 400;

export class Log {
  /** @param {HTMLElement} place an element with role="log" */
  constructor(place) {
    this.place = place;
  }

  /**
   * @param {string} text
   * @param {"" | "good" | "bad" | "head"} [kind]
   */
  add(text, kind = "") {
    const follow = this.place.scrollTop + this.place.clientHeight >= this.place.scrollHeight - 8;
    const line = make("p");
    const time = make("time", new Date().toTimeString().slice(0, 8));
    line.append(time, make("span", text, kind));
    this.place.append(line);
    while (this.place.childElementCount > LIMIT) this.place.firstElementChild?.remove();
    if (follow) this.place.scrollTop = this.place.scrollHeight;
  }

  /** @param {unknown} error */
  fail(error) {
    this.add(explain(error), "bad");
  }

  /** Forget everything. */
  clear() {
    this.place.replaceChildren();
  }
}
