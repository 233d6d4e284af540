/** What a binary of `simd/*.c` exports besides its kernels. */
export interface KernelExports {
  /** The first address that the binary leaves free. */
  readonly __heap_base: WebAssembly.Global<"i32">;
  readonly __stack_pointer: WebAssembly.Global<"i32">;
  /** Serve as a pool's thread, until `quit`. */
  serve(index: number, stack: number): void;
  quit(): void;
}

/** Kernels and whatever else takes numbers, by name. */
export type KernelFunctions = Record<string, (...args: number[]) => number | undefined>;
