// Gradient clipping. By norm: `squares` sums each tensor's squares into parts, `norm` adds up the parts of all tensors
// and finds the factor min(1, limit / norm), `apply` multiplies. By value: `clip`.
//: include workgroup

struct P { n: u32, part: u32, limit: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> g: array<f32>;

// x: a tensor of n; group i writes parts[part + i]
@compute @workgroup_size(128)
fn squares(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32,
           @builtin(num_workgroups) groups: vec3<u32>) {
    var sum = 0.0;
    for (var i = group.x * GROUP + lane; i < p.n; i += groups.x * GROUP) { sum += x[i] * x[i]; }
    let all = total(sum, lane);
    if (lane == 0u) { parts[p.part + group.x] = all; }
}

// x: n parts; out[0] is the norm, parts[0] the factor
@compute @workgroup_size(128)
fn norm(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < p.n; i += GROUP) { sum += x[i]; }
    let length = sqrt(total(sum, lane));
    if (lane == 0u) {
        out[0] = length;
        parts[0] = select(1.0, p.limit / length, length > p.limit);
    }
}

// x: the factor
@compute @workgroup_size(128)
fn apply(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let factor = x[0];
    if (factor == 1.0) { return; }
    for (var i = id.x; i < p.n; i += groups.x * GROUP) { g[i] *= factor; }
}

@compute @workgroup_size(128)
fn clip(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * GROUP) { g[i] = clamp(g[i], -p.limit, p.limit); }
}
