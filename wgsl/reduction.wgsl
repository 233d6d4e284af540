// Sum over the middle of x (outer, length, inner) -> out (outer, inner).
// `columns`: one element per invocation. `rows`: one per workgroup, for few results over long axes.
//: include workgroup

struct P { outer: u32, length: u32, inner: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn columns(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.outer * p.inner; i += groups.x * 64u) {
        var sum = 0.0;
        var at = i / p.inner * p.length * p.inner + i % p.inner;
        for (var j = 0u; j < p.length; j++) {
            sum += x[at];
            at += p.inner;
        }
        out[i] = sum;
    }
}

@compute @workgroup_size(128)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x / p.inner * p.length * p.inner + group.x % p.inner;
    var sum = 0.0;
    for (var j = lane; j < p.length; j += GROUP) { sum += x[first + j * p.inner]; }
    let all = total(sum, lane);
    if (lane == 0u) { out[group.x] = all; }
}
