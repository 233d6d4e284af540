// Dropout of n elements: those whose random word is at least `first` are kept and scaled by `factor`.
//: include philox

struct P { n: u32, seed: u32, first: u32, factor: f32, step: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> dynamics: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn dropout(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let step = dynamics[p.step].y;
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        out[i] = select(0.0, x[i] * p.factor, philox(p.seed, step, i) >= p.first);
    }
}
