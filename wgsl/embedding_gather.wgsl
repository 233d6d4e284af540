// Rows of a float32 table whose width is no multiple of eight: out (ids, width) = table[ids].

struct P { count: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn rows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.count * p.width; i += groups.x * 64u) {
        out[i] = table[ids[i / p.width] * p.width + i % p.width];
    }
}
