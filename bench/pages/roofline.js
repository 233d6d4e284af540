/** What this machine's WebAssembly can do at best: bytes read, multiply-adds in float32, products of int8. */

/** @param {{folder: string}} options */
export async function open({ folder }) {
  const names = { plain: `${folder}roofline.wasm`, relaxed: `${folder}roofline-relaxed.wasm` };
  return {
    /** @param {{threads: number[], milliseconds: number}} work */
    async run({ threads, milliseconds }) {
      /** @type {Record<string, Record<string, number>>} */
      const table = {};
      for (const count of threads) {
        const team = Array.from(
          { length: count },
          () => new Worker(new URL("roofline_worker.js", import.meta.url), { type: "module" }),
        );
        const ask = (/** @type {object} */ message) =>
          Promise.all(
            team.map(
              (worker) =>
                new Promise((resolve, reject) => {
                  worker.onmessage = ({ data }) => resolve(data);
                  worker.onerror = (event) => reject(new Error(event.message));
                  worker.postMessage(message);
                }),
            ),
          );
        /** @type {Record<string, number>} */
        const row = (table[count] = {});
        for (const [build, url] of Object.entries(names)) {
          await ask({ url, share: count });
          for (const kernel of ["read", "madd", "dot"]) {
            const rates = await ask({ kernel, milliseconds });
            row[`${kernel} ${build}`] = rates.reduce((sum, rate) => sum + rate, 0);
          }
        }
        for (const worker of team) worker.terminate();
      }
      return table;
    },
  };
}
