/** Where in a JSON text the value at a path such as `layers[1].output_size` stands. */

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;

/**
 * @param {string} text
 * @param {string} path
 * @returns {[number, number] | null} start and end of the value, or of its parent's value where a key is missing
 */
export function locate(text, path) {
  const target = [...path.matchAll(/[^.[\]]+/g)].map(([part]) => part);
  const tokens = [...text.matchAll(TOKEN)].map((match) => ({ text: match[0], at: match.index }));
  let next = 0;
  /** @type {[number, number] | null} */
  let best = null;
  let depth = -1;

  /** @param {string[]} here */
  function value(here) {
    const first = tokens[next++];
    if (!first) return 0;
    let end = first.at + first.text.length;
    if (first.text === "{" || first.text === "[") {
      const close = first.text === "{" ? "}" : "]";
      for (let index = 0; next < tokens.length && tokens[next]?.text !== close; index++) {
        let key = String(index);
        if (close === "}") {
          key = (tokens[next]?.text ?? "").slice(1, -1);
          next += 2; // the key and its colon
        }
        value([...here, key]);
        if (tokens[next]?.text === ",") next++;
      }
      const last = tokens[next++];
      end = last ? last.at + 1 : text.length;
    }
    if (here.length > depth && here.every((part, i) => part === target[i])) {
      depth = here.length;
      best = [first.at, end];
    }
    return end;
  }
  value([]);
  return depth > 0 ? best : null;
}

/**
 * The place that an error names: a byte offset, or a path.
 * @param {string} text
 * @param {string} where
 * @returns {[number, number] | null}
 */
export function placeOf(text, where) {
  const offset = /at byte (\d+)/.exec(where)?.[1];
  if (offset === undefined) return locate(text, where);
  const bytes = new TextEncoder().encode(text).subarray(0, Number(offset));
  const at = new TextDecoder().decode(bytes).length;
  return [Math.min(at, Math.max(text.length - 1, 0)), Math.min(at + 1, text.length)];
}
