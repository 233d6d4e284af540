// Noise for n elements. `dropout`: those whose random word is at least `first` are kept and scaled by `factor`.
// `gumbel`: -ln(-ln u), with u between 0 and 1 an odd multiple of 2^-24 (Jang et al. 2017).
//: include maths
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

// ln a for a > 0, precise near 1, where WGSL's own logarithm need not be
fn ln(a: f32) -> f32 {
    if (a > 0.5 && a < 2.0) { return twice_artanh((a - 1.0) / (a + 1.0)); }
    return log(a);
}

@compute @workgroup_size(256)
fn gumbel(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let step = dynamics[p.step].y;
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        // u and 1 - u have 24 digits each, so both are exact.
        let word = philox(p.seed, step, i) >> 9u;
        let u = (f32(word) + 0.5) * 1.1920928955078125e-7;
        out[i] = -ln(-ln(u));
    }
}
