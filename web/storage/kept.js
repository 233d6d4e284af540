/** Whether storage keeps what it takes: each write is read back. */

/** Throws unless what was read back is what was written. @param {Uint8Array} written @param {Uint8Array | null} read */
export function checkKept(written, read) {
  let same = read?.length === written.length;
  for (let i = 0; same && i < written.length; i++) same = read?.[i] === written[i];
  if (!same) throw new DOMException("the browser did not keep what was written", "DataError");
}
