// Mixtures: out (B, width) = the sum over k < count of factors[b, k] * parts[b, k]; n elements in all. And their gradients, given
// g (B, width): `spread`, of the parts, n elements in all, and `along`, of the factors (n of them), a workgroup each at a time.
//: include workgroup

struct P { n: u32, count: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> factors: array<f32>;
@group(0) @binding(2) var<storage, read> parts: array<f32>;
@group(0) @binding(3) var<storage, read> g: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn mix(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 64u) {
        let first = i / p.width * p.count;
        var sum = 0.0;
        for (var k = 0u; k < p.count; k++) { sum += factors[first + k] * parts[(first + k) * p.width + i % p.width]; }
        out[i] = sum;
    }
}

@compute @workgroup_size(64)
fn spread(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 64u) {
        let part = i / p.width;
        out[i] = factors[part] * g[part / p.count * p.width + i % p.width];
    }
}

@compute @workgroup_size(128)
fn along(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
    for (var part = group.x; part < p.n; part += groups.x) {
        var sum = 0.0;
        for (var i = lane; i < p.width; i += GROUP) { sum += g[part / p.count * p.width + i] * parts[part * p.width + i]; }
        let all = total(sum, lane);
        if (lane == 0u) { out[part] = all; }
    }
}
