/** Numbers out of form fields, and sizes out of blueprints; `ui.js` is re-exported. */

import { element } from "./ui.js";

export { duration, element, make, showError, size, startSession, deviceText, whileStarting } from "./ui.js";

/**
 * The whole number in a field, within the field's limits; the field gets the focus otherwise.
 * @param {string} id
 */
export function integer(id) {
  const field = element(id, HTMLInputElement);
  const value = Number(field.value);
  if (field.value.trim() === "" || !Number.isInteger(value)) throw wrong(field, "a whole number");
  return within(field, value);
}

/**
 * The number in a field, within the field's limits.
 * @param {string} id
 */
export function positive(id) {
  const field = element(id, HTMLInputElement);
  const value = Number(field.value);
  if (field.value.trim() === "" || !Number.isFinite(value)) throw wrong(field, "a number");
  return within(field, value);
}

/**
 * @param {HTMLInputElement} field
 * @param {number} value
 */
function within(field, value) {
  if (value < Number(field.min) || value > Number(field.max)) throw wrong(field, "a number");
  return value;
}

/**
 * @param {HTMLInputElement} field
 * @param {string} what
 */
function wrong(field, what) {
  field.focus();
  return new RangeError(`${field.labels?.[0]?.textContent}: expected ${what} from ${field.min} to ${field.max}.`);
}

/**
 * Values per sample that each layer of a network takes and the last one gives, from its blueprint; NaN for any number.
 * @param {unknown} blueprint what `GetBlueprint` gives
 * @returns {number[]}
 */
export function sizes(blueprint) {
  const { layers } = /** @type {{layers: {input_shape?: number[], output_shape?: number[]}[]}} */ (blueprint);
  const count = (/** @type {number[] | undefined} */ shape) => shape?.reduce((product, n) => product * n, 1) ?? NaN;
  return [...layers.map((layer) => count(layer.input_shape)), count(layers.at(-1)?.output_shape)];
}
