/** What test_storage.py puts into storage_worker.js: parts of the browser that are to be missing. */
declare const HIDE: ("opfs" | "caches")[];

/** What the page of test_fuzz.py adds. */
declare var loomGlobals: object | undefined;
declare var scriptHeap: () => Promise<number>;
