// Rows of a table in any storage: out (ids, width) = table[ids]. The table may be bound in parts: this one has
// rows `first ... first + rows - 1`, and ids of other parts are skipped. Groups of eight elements.

struct P { count: u32, eights: u32, first: u32, rows: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> scales: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;
//: include storage_bound

@compute @workgroup_size(64)
fn rows(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.count * p.eights; i += groups.x * 64u) {
        let row = ids[i / p.eights] - p.first;  // wraps around below the first
        if (row >= p.rows) { continue; }
        let e = eight(row * p.eights + i % p.eights);
        out[2u * i] = e.low;
        out[2u * i + 1u] = e.high;
    }
}
