/** The package in a Vite project: `export default { plugins: [loom()] }`. */
export default function loom(): { name: string };
