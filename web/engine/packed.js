/** Files that the build packed into one: a head as JSON and a body, compressed (`tools/packages.py`). */

/** @typedef {{head: any, body: Uint8Array<ArrayBuffer>}} Packed */
/** What is used of Emscripten's file system. @typedef {{mkdirTree(path: string): void, writeFile(path: string, data: Uint8Array, options: {canOwn: boolean}): void}} FileSystem */

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<Packed>}
 */
export async function unpacked(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { head, body: new Uint8Array(buffer, 4 + length) };
}

/**
 * The packed files by their names.
 * @param {Packed} packed
 * @returns {Map<string, Uint8Array<ArrayBuffer>>}
 */
export function entries({ head, body }) {
  let at = 0;
  return new Map(
    head.files.map((/** @type {[string, number]} */ [name, size]) => [name, body.subarray(at, (at += size))]),
  );
}

/**
 * Put packed files into a file system, without copying them.
 * @param {FileSystem} FS
 * @param {string} folder
 * @param {Packed} packed
 */
export function putInto(FS, folder, packed) {
  const folders = new Set();
  for (const [name, data] of entries(packed)) {
    const path = `${folder}/${name}`;
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (!folders.has(parent)) FS.mkdirTree(parent);
    folders.add(parent);
    FS.writeFile(path, data, { canOwn: true });
  }
}
