/** Offers text as a file for download. */

import { InputError } from "../errors.js";

/**
 * @param {string} filename
 * @param {string} text
 * @param {string} type its media type
 */
export function saveFile(filename, text, type) {
  if (typeof document === "undefined") {
    const remedy = "Call it on the page's thread, or keep the text that it returns.";
    throw new InputError("files can only be saved by a page", { where: "filename", remedy });
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
