"""`wgsl/norm.wgsl`, `rope.wgsl`, `attention.wgsl`, `embedding.wgsl`."""
