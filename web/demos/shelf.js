/** Text small enough for local storage: gzip, then base64. */

const MARK = "gzip:";

/** @param {string} text */
export async function pack(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  let binary = "";
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return MARK + btoa(binary);
}

/**
 * @param {string} packed what `pack` gave; other text comes back as it is
 */
export async function unpack(packed) {
  if (!packed.startsWith(MARK)) return packed;
  const bytes = Uint8Array.from(atob(packed.slice(MARK.length)), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}
