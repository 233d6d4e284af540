// out (capacity elements of any type) from row `position` of `row` elements on = x (n).

struct P { n: u32, position: u32, row: u32, capacity: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> dynamics: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn write(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let start = dynamics[p.position].y * p.row;
    for (var i = id.x; i < p.n; i += groups.x * 64u) {
        if (start + i < p.capacity) { out[start + i] = x[i]; }
    }
}
