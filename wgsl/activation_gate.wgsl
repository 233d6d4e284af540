// The inner part of a gated layer, out = gate * sigmoid(gate) * up on n elements, and its gradients ggate and gup, given g.
//: include maths

struct P { n: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> up: array<f32>;
@group(0) @binding(3) var<storage, read> g: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> ggate: array<f32>;
@group(0) @binding(6) var<storage, read_write> gup: array<f32>;

@compute @workgroup_size(256)
fn silu_mul(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 256u) { out[i] = gate[i] * sigmoid(gate[i]) * up[i]; }
}

@compute @workgroup_size(256)
fn silu_mul_grad(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let s = sigmoid(gate[i]);
        ggate[i] = g[i] * up[i] * s * (1.0 + gate[i] * (1.0 - s));
        gup[i] = g[i] * gate[i] * s;
    }
}
