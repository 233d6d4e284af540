/** Files in browsers, as far as TypeScript's DOM library leaves them out. */

/** Of the File System Access API, which Chromium alone has. */
declare function showDirectoryPicker(options?: {
  id?: string;
  mode?: "read" | "readwrite";
}): Promise<FileSystemDirectoryHandle>;

/** In workers only. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

/** In workers only; `mode` is Chromium's. */
interface FileSystemSyncAccessHandle {
  readonly mode?: "readwrite" | "read-only";
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
interface FileSystemFileHandle {
  createSyncAccessHandle(options?: { mode: "readwrite" | "read-only" }): Promise<FileSystemSyncAccessHandle>;
}
