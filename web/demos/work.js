/** Shared by the pages with one long task: a form that starts it, a button and a key that stop it, errors on the page. */

import { isAbort } from "../loom.js";
import { element, showError } from "./ui.js";

/**
 * The form `form` starts the work, `stop` and Escape stop it; one task at a time. Errors are shown in `error`.
 * @param {(signal: AbortSignal) => Promise<void>} work
 * @param {(how: "done" | "stopped") => void} ended called after completion or a stop
 */
export function onSubmit(work, ended = () => {}) {
  const [start, stop] = [element("start", HTMLButtonElement), element("stop", HTMLButtonElement)];
  const error = element("error", HTMLElement);
  /** @type {AbortController | null} */
  let stopping = null;
  element("form", HTMLFormElement).onsubmit = async (event) => {
    event.preventDefault();
    if (stopping) return;
    showError(error);
    stopping = new AbortController();
    start.disabled = true;
    stop.disabled = false;
    try {
      await work(stopping.signal);
      ended("done");
    } catch (reason) {
      if (!isAbort(reason)) showError(error, reason);
      ended("stopped");
    } finally {
      stopping = null;
      start.disabled = false;
      stop.disabled = true;
    }
  };
  stop.onclick = () => stopping?.abort();
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") stopping?.abort();
  });
}

/**
 * Checkboxes, as many as choices.
 * @param {HTMLElement} place
 * @param {{value: string, label: string, checked: boolean}[]} choices
 * @returns {() => string[]} the values that are chosen
 */
export function checkboxes(place, choices) {
  const boxes = choices.map(({ value, label, checked }) => {
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", value, checked });
    const name = document.createElement("label");
    name.append(box, label);
    place.append(name);
    return box;
  });
  return () => boxes.filter((box) => box.checked).map((box) => box.value);
}
