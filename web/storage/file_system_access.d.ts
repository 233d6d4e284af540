/** The File System Access API's picker, which Chromium alone has and TypeScript's DOM library leaves out. */

declare function showDirectoryPicker(options?: {
  id?: string;
  mode?: "read" | "readwrite";
}): Promise<FileSystemDirectoryHandle>;
